"""Loss of activity against pixel distance, searched images beside affine copies (row 1, Fig. 2)."""

from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.affine import affine_distance
from invariscope.analysis.grouping import (
    Rows,
    groups_by,
    mean_sd,
    of_units,
    rows_where,
    rows_with,
    searched,
)
from invariscope.subjects.pixels import share_of_possible

KEYS = ["subject", "series", "site", "strength"]
MADE_OF = ("saturation", "code_norm")  # measured of searched images, not of affine copies
VALUES = ("distance", "reduction", "loss", "share", *MADE_OF)


def _searched(table: Rows) -> Rows:
    own = searched(table)
    lost = own["reference_activity"].to_numpy(float) - own["activation"].to_numpy(float)
    far = own["pixel_distance"].to_numpy(float)
    possible = own["possible"].to_numpy(float) if "possible" in own else np.full_like(far, np.nan)
    return own.assign(
        series=own["task"],
        distance=far,
        share=[share_of_possible(*pair) for pair in zip(far, possible, strict=True)],
        strength=np.nan,
        loss=lost / own["natural_sd"].to_numpy(float),
        **{name: own[name].astype(float) for name in MADE_OF if name in own},
    )


def _copies(affine: Rows, table: Rows) -> Rows:
    units = table.drop_duplicates(["subject", "unit"]).set_index(["subject", "unit"])
    keys = pd.MultiIndex.from_frame(affine[["subject", "unit"]])
    spread = units["natural_sd"].reindex(keys).to_numpy(float)
    lost = affine["reference"].to_numpy(float) - affine["activation"].to_numpy(float)
    return affine.assign(series=affine["kind"], site="", loss=lost / spread, share=np.nan)


def distance_activation(table: pd.DataFrame, affine: pd.DataFrame | None = None) -> pd.DataFrame:
    """Mean ± SD over units of pixel distance and loss of activity, of each series.

    Args:
        table: a study's, MEI searches aside; a column `possible`, the largest pixel distance
            from the row's reference, gives `share`.
        affine: `StudyResult.affine()`.

    Returns:
        One row a subject, series (a task, or a kind of affine copy), stretch site and strength:
        `units`; `distance` (L2 over the pixels that the subject sees), `reduction` (percent of
        the reference's activity), `loss` (in SDs of the unit's activity over natural images),
        `share` (of the possible distance), and of searched images `saturation` (share of values at
        an end of the range) and `code_norm` (L2), each with `_sd` over units. A unit's value is the
        mean over its runs. `with_reduction`: units whose reduction is known, since it is
        missing where the reference's activity is not positive.
    """
    parts = [_searched(table)]
    if affine is not None:
        parts.append(_copies(affine, table))
    rows: list[dict[str, Any]] = []
    columns = [*KEYS, "unit", *VALUES]
    every = pd.concat([part.reindex(columns=columns) for part in parts], ignore_index=True)
    for key, own in groups_by(every, KEYS):
        units = of_units(own, VALUES)
        known = int(units["reduction"].notna().sum())
        counts = {"units": len(units), "with_reduction": known}
        rows.append({**key, **counts, **mean_sd(units, VALUES)})
    return pd.DataFrame(rows)


def beside_affine(summary: pd.DataFrame) -> pd.DataFrame:
    """Put the distance of invariant images beside that of affine copies of no greater loss.

    Both are read off means over units; `controls.beside_invariant` compares unit by unit.

    Args:
        summary: of `distance_activation` with affine copies.

    Returns:
        One row a subject and stretch site of the task `invariance`: `distance`, `reduction`,
        and `affine`, the largest distance on any kind's mean curve at which no more is lost.
    """
    rows = []
    for key, own in groups_by(summary, ["subject"]):
        copies = rows_where(own, own["site"] == "").rename(columns={"series": "kind"})
        found = rows_where(own, own["series"] == "invariance")[["site", "distance", "reduction"]]
        lost = found["reduction"]
        affine = [affine_distance(copies, x) if len(copies) else np.nan for x in lost]
        rows.append(found.assign(**key, affine=affine))
    columns = ["subject", "site", "distance", "reduction", "affine"]
    found: Rows = pd.concat(rows or [pd.DataFrame(columns=columns)], ignore_index=True)
    return found[columns]


def silencing_beside_invariance(table: Rows) -> pd.DataFrame:
    """Compare the silencing with the invariant images of the same units (Fig. 2).

    Args:
        table: a study's, MEI searches aside.

    Returns:
        One row a subject and stretch site with both tasks: `compared`, the units that have both;
        and the means over these of `more_lost`, the percent of the reference's activity that
        silencing images lose less what invariant ones lose, and of `farther`, the pixel distance
        of invariant images less that of silencing ones, each with `_sd` over units.
    """
    rows = []
    for key, own in groups_by(searched(table), ["subject", "site"]):
        silent, kept = (
            rows_with(own, task=task).groupby("unit")[["reduction", "pixel_distance"]].mean()
            for task in ("adversarial", "invariance")
        )
        apart = pd.DataFrame(
            {
                "more_lost": silent["reduction"] - kept["reduction"],
                "farther": kept["pixel_distance"] - silent["pixel_distance"],
            }
        ).dropna()
        if len(apart):
            rows.append({**key, "compared": len(apart), **mean_sd(apart, list(apart))})
    spreads = [f"{name}{end}" for name in ("more_lost", "farther") for end in ("", "_sd")]
    return pd.DataFrame(rows, columns=["subject", "site", "compared", *spreads])
