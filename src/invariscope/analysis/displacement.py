"""Displacement of invariant images along known transformations, beside the coefficients I_k.

The invariance coefficient says which transformations of photos a unit ignores; a search says where
its invariant images went. If both measure one thing, the images of a unit went farther along the
transformations with a large coefficient than those of other units did.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.analysis.grouping import Rows, groups_by, rows_where
from invariscope.analysis.intervals import ROUNDING, mean_interval
from invariscope.transformations import Transformation

FEWEST_BOTH = 5  # units and transformations for an interval
FEWEST = 3  # transformations of a unit from which a correlation is computed
KEYS = ["subject", "site"]


def displacement_along(
    images: Tensor, references: Tensor, transformation: Transformation
) -> Tensor:
    """Measure the direction of images from their references along a transformation, `(n,)`.

    The cosine of the angle, in pixels, between what changed and what the transformation would have
    changed: 1 towards the transformed reference, −1 away from it, 0 neither.

    Args:
        images: `(n, 3, side, side)` in [0, 1].
        references: the image that each departs from, of the same shape.
        transformation: of the references.

    Returns:
        float64; NaN where either changes nothing.

    Example:
        >>> import torch
        >>> from invariscope.analysis.displacement import displacement_along
        >>> from invariscope.transformations import load
        >>> grey = torch.full((1, 3, 8, 8), 0.25)
        >>> displacement_along(grey + 0.1, grey, load("inversion")).round(decimals=3).tolist()
        [1.0]
    """
    moved = transformation(references, torch.arange(len(references))).double()
    change, wanted = (
        x.double().flatten(1) - references.double().flatten(1) for x in (images, moved)
    )
    sizes = change.norm(dim=1) * wanted.norm(dim=1)
    return (change * wanted).sum(1) / torch.where(sizes > 0, sizes, torch.nan)


def predicted_displacement(table: Rows) -> pd.DataFrame:
    """Correlate displacement with I_k inside units, the transformations' means taken off.

    Args:
        table: one row a unit and transformation: `subject`, `site` (stretched), `unit`,
            `transformation`, `invariance` (I_k) and `along` (mean over the unit's images).

    Returns:
        One row a subject and site: `units` with a correlation over three or more transformations
        that were measured for several units, and `r`, its mean over units (Fisher's z), with
        Student's 95 % interval over units (`low`, `high`; missing with fewer than five units or
        transformations, whose means taken off make units depend on each other), and the mean of z
        with its SD (`z`, `z_sd`), from which other intervals follow.
    """
    rows = []
    for key, own in groups_by(table.dropna(subset=["invariance", "along"]), KEYS):
        several = own.groupby("transformation")["unit"].transform("nunique") > 1
        known = rows_where(own, several)
        values = ["invariance", "along"]
        apart = known[values] - known.groupby("transformation")[values].transform("mean")
        centred = known[["unit"]].join(apart)
        scores = [z for _, unit in groups_by(centred, ["unit"]) if np.isfinite(z := _score(unit))]
        mean, low, high = mean_interval(scores)
        spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else np.nan
        if min(len(scores), known["transformation"].nunique()) < FEWEST_BOTH:
            low = high = spread = np.nan
        r, ends = float(np.tanh(mean)), np.tanh([low, high])
        found = {"units": len(scores), "r": r, "low": float(ends[0]), "high": float(ends[1])}
        rows.append({**key, **found, "z": mean, "z_sd": spread})
    columns = [*KEYS, "units", "r", "low", "high", "z", "z_sd"]
    return pd.DataFrame(rows, columns=columns)


def _score(unit: Rows) -> float:
    """Compute Fisher's z of one unit's correlation; NaN where one side does not vary."""
    first, second = unit["invariance"].to_numpy(float), unit["along"].to_numpy(float)
    if len(unit) < FEWEST or min(np.ptp(first), np.ptp(second)) <= ROUNDING:
        return float("nan")
    r = np.corrcoef(first, second)[0, 1]
    return float(np.arctanh(np.clip(r, -1 + ROUNDING, 1 - ROUNDING)))
