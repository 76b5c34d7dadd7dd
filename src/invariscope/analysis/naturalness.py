"""The place of an image among natural images, by the unit's activity (row 8)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from invariscope.analysis.grouping import Rows, groups_by, mean_sd, of_units, searched

KEYS = ["subject", "series", "site"]
PHOTOS = ("same class", "other classes")
Distribution = tuple[NDArray[np.float64], NDArray[np.float64]]


def distribution(row: Mapping[str, Any], percentiles: tuple[float, ...]) -> Distribution:
    """Read a unit's natural distribution from its statistics: activities and percentiles.

    Args:
        row: of natural statistics: `minimum`, `p0.1` … `p99.9`, `maximum`.
        percentiles: which are stored.
    """
    values = [row["minimum"], *(row[f"p{q:g}"] for q in percentiles), row["maximum"]]
    return np.array(values, float), np.array([0.0, *percentiles, 100.0])


def sample(activities: ArrayLike) -> Distribution:
    """Make a unit's natural distribution of its activities for photos: every rank is known."""
    values = np.sort(np.asarray(activities, float))
    return values, np.linspace(0, 100, len(values)) if len(values) > 1 else np.array([100.0])


def percentile(activity: ArrayLike, known: Distribution) -> NDArray[np.float64]:
    """Percent of natural images that excite the unit less, interpolated between known ranks.

    0 below the natural minimum, 100 above the maximum; where many images share an activity
    (a rectified unit's floor), their highest rank.
    """
    values, ranks = known
    _, first = np.unique(values[::-1], return_index=True)
    last = len(values) - 1 - first
    return np.interp(np.asarray(activity, float), values[last], ranks[last], left=0.0)


def naturalness(
    table: pd.DataFrame,
    known: Mapping[tuple[str, str], Distribution],
    photos: Rows | None = None,
) -> pd.DataFrame:
    """Activity over the natural maximum, and the percentile among natural images.

    Args:
        table: a study's, with `subject`, `unit`, `task`, `site`, `activation`,
            `reference_activity` and `natural_maximum`; MEI searches aside.
        known: the natural distribution of a subject's unit; others are left out.
        photos: one row a unit and photo, `subject`, `unit`, `same_class` and `activation`.

    Returns:
        One row a subject, series (`reference`, a task, `same class`, `other classes`) and stretch
        site: `units`, `images`, `activation` and `over_maximum` (mean over units of each unit's
        mean; missing where the natural maximum is not positive), `percentile` and
        `above_maximum` (share of images above the natural maximum), with `_sd` over units.
    """
    own = searched(table)
    reference = own.drop_duplicates(["subject", "unit", "reference_id"])
    parts = [
        reference.assign(series="reference", site="", activation=reference["reference_activity"]),
        own.assign(series=own["task"]),
    ]
    maxima: Rows = own.drop_duplicates(["subject", "unit"]).set_index(["subject", "unit"])
    if photos is not None:
        keys = pd.MultiIndex.from_frame(photos[["subject", "unit"]])
        words = np.where(photos["same_class"].to_numpy(bool), *PHOTOS)
        maximum = maxima["natural_maximum"].reindex(keys).to_numpy(float)
        parts.append(photos.assign(series=words, site="", natural_maximum=maximum))
    columns = [*KEYS, "unit", "activation", "natural_maximum"]
    every: Rows = pd.concat([part[columns] for part in parts], ignore_index=True)
    every["activation"] = every["activation"].astype(float)
    maximum = every["natural_maximum"].to_numpy(float)
    every["over_maximum"] = every["activation"] / np.where(maximum > 0, maximum, np.nan)
    above = every["activation"].to_numpy(float) > maximum
    every["above_maximum"] = np.where(np.isfinite(maximum), above, np.nan)
    every["percentile"] = np.nan
    for key, rows in groups_by(every, ["subject", "unit"]):
        if (own_key := (key["subject"], key["unit"])) in known:
            found = percentile(rows["activation"], known[own_key])
            every.loc[rows.index, "percentile"] = found
    return _summary(every)


def _summary(every: Rows) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    values = ["activation", "over_maximum", "percentile", "above_maximum"]
    for key, group in groups_by(every, KEYS):
        units = of_units(group, values)
        counts = {"units": len(units), "images": len(group)}
        rows.append({**key, **counts, **mean_sd(units, values)})
    return pd.DataFrame(rows)
