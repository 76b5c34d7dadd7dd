"""Each invariant image beside the affine copies of its own reference (PAPERS §1, row 1)."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from invariscope.analysis.grouping import Rows, groups_by, rows_where

Floats = NDArray[np.float64]
NONE_LOSES = "no affine copy loses as much"
NONE_SO_FAR = "no affine copy is as far"
UNKNOWN = "the reference's activity is not positive"


def _curves(copies: Rows) -> Iterator[tuple[Floats, Floats]]:
    """Distance and reduction along each kind of copy, from the image itself on."""
    for key, own in groups_by(copies, ["kind"]):
        path = own.sort_values("strength", ascending=key["kind"] != "scale")
        yield path["distance"].to_numpy(float), path["reduction"].to_numpy(float)


def _crossings(x: Floats, y: Floats, level: float) -> Iterator[float]:
    """Find where a curve of straight pieces, given as points (x, y), has y = level."""
    for (x0, x1), (y0, y1) in zip(pairwise(x), pairwise(y), strict=True):
        if y0 != y1 and min(y0, y1) <= level <= max(y0, y1):
            yield float(x0 + (level - y0) / (y1 - y0) * (x1 - x0))


def distance_at(copies: Rows, reduction: float) -> float:
    """Find the largest distance of copies of exactly that loss, interpolated on each curve.

    `affine.affine_distance` also counts copies that lose less.

    Args:
        copies: of one reference: `kind`, `strength`, `distance`, `reduction`.
        reduction: percent of the reference's activity.

    Returns:
        A distance above 0 (the copy that is the image itself does not count); NaN if there is
        none.
    """
    found = [d for x, y in _curves(copies) for d in _crossings(x, y, reduction) if d > 0]
    return max(found, default=float("nan"))


def reduction_at(copies: Rows, distance: float) -> float:
    """Find the smallest loss of copies at exactly that distance; NaN without such a copy."""
    found = [r for x, y in _curves(copies) for r in _crossings(y, x, distance)]
    return min(found, default=float("nan"))


def matched_affine(table: pd.DataFrame, affine: pd.DataFrame) -> pd.DataFrame:
    """Invariant images found at pixels, each beside affine copies of its unit's reference.

    Args:
        table: a study's.
        affine: `StudyResult.affine()`.

    Returns:
        One row a run: `subject`, `unit`, `seed`, `distance`, `reduction`; `affine`, the distance
        of `distance_at` its reduction, and `ratio`, its distance over that, both missing where
        `why` says so; `affine_reduction`, of `reduction_at` its distance, missing where no copy
        is as far (`why_not`).
    """
    runs = rows_where(table, (table["task"] == "invariance") & (table["site"] == "pixels"))
    rows: list[dict[str, Any]] = []
    for key, own in groups_by(runs, ["subject", "unit"]):
        ours = (affine["subject"] == key["subject"]) & (affine["unit"] == key["unit"])
        copies = rows_where(affine, ours)
        for run in own.to_dict("records"):
            distance, reduction = float(run["pixel_distance"]), float(run["reduction"])
            known = np.isfinite(reduction)
            at = distance_at(copies, reduction) if known else float("nan")
            theirs = reduction_at(copies, distance) if known else float("nan")
            rows.append(
                {
                    **key,
                    "seed": run["seed"],
                    "distance": distance,
                    "reduction": reduction,
                    "affine": at,
                    "ratio": distance / at,
                    "why": UNKNOWN if not known else "" if np.isfinite(at) else NONE_LOSES,
                    "affine_reduction": theirs,
                    "why_not": UNKNOWN if not known else "" if np.isfinite(theirs) else NONE_SO_FAR,
                }
            )
    return pd.DataFrame(rows)
