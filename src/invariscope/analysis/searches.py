"""Runs of a study: how many converged (row 10), and stretch at subsets of a site (row 13)."""

from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.grouping import (
    groups_by,
    invariant,
    of_units,
    rows_where,
    rows_with,
    searched,
)
from invariscope.analysis.intervals import clustered_mean, mean_interval, share_interval

KEYS = ["condition", "subject", "task", "target", "site", "subset"]
AT_SITE = ["subject", "site"]
VALUES = ("pixel_distance", "reduction", "full_stretch")


def site_of(unit: str) -> str:
    """Read the site from a unit's address, or from the first address of a set."""
    return unit.split("+", maxsplit=1)[0].rpartition(":")[0]


def convergence(table: pd.DataFrame) -> pd.DataFrame:
    """Count the runs that their stopping rule ended, with Wilson's 95 % interval.

    Args:
        table: a study's, all runs; searches for MEIs, which have no such rule, are left out.

    Returns:
        One row a condition, subject, task, site of the target, stretch site and size of its
        subset (missing for the whole site): `count`
        (runs), `converged`, `share`, `low`, `high`, `milestone` (the share that reached 25 of
        50) and `generations` (the median).
    """
    searches = searched(table)
    searches = searches.assign(
        target=[site_of(unit) for unit in searches["unit"]], subset=searches["subset"].astype(float)
    )
    rows = []
    for key, own in groups_by(searches, KEYS):
        fired, count = int(own["converged"].sum()), len(own)
        low, high = share_interval(fired, count)
        rows.append(
            {
                **key,
                "count": count,
                "converged": fired,
                "share": fired / count,
                "low": low,
                "high": high,
                "milestone": float(own["milestone"].mean()),
                "generations": float(own["generations"].median()),
            }
        )
    return pd.DataFrame(rows)


def subsets(table: pd.DataFrame, meis: pd.DataFrame | None = None) -> pd.DataFrame:
    """Distance, activity and convergence against how many of a site's units are stretched.

    Args:
        table: a study's runs of the task `invariance`, with `subset` (entries stretched, missing
            for all of them), `draw`, and, where it was measured, `full_stretch`: the distance
            over the whole site, which can be compared where `stretch` cannot.
        meis: how far a unit's MEIs lie `apart` over the whole site, by `subject`, `unit` and
            `site`; by default not known.

    Returns:
        One row a subject, site and size: `entries` (missing for the whole site), `draws`,
        `count` (runs), `units`, the mean over units of `pixel_distance`, `reduction` and
        `full_stretch`, each over that of the whole site for the same units (`…_ratio`, missing
        where the study has none), `full_stretch_ratio` with Student's 95 % interval over units
        (`ratio_low`, `ratio_high`), `mei_ratio`, `full_stretch` over the distance of the unit's
        MEIs, with the same (`mei_ratio_low`, `mei_ratio_high`), and `converged` with Wilson's
        interval (`low`, `high`).
    """
    own = invariant(table)
    if "full_stretch" not in own:
        own = own.assign(full_stretch=np.nan)
    rows: list[dict[str, Any]] = []
    for key, group in groups_by(own, AT_SITE):
        base = of_units(rows_where(group, group["subset"].isna()), VALUES)
        apart = rows_with(meis, **key).set_index("unit")["apart"] if meis is not None else None
        for entries, some in group.groupby("subset", dropna=False):
            fired = int(some["converged"].sum())
            low, high = share_interval(fired, len(some))
            row: dict[str, Any] = {
                **key,
                "entries": entries,
                "draws": max(1, some["draw"].nunique()),
                "count": len(some),
                "units": some["unit"].nunique(),
                "converged": fired / len(some),
                "low": low,
                "high": high,
            }
            means = of_units(some, VALUES)
            for value in VALUES:
                row[value] = clustered_mean(some[value], some["unit"].to_numpy(str))[0]
                ratio = (means[value] / base[value]).dropna() if len(base) else means[value][:0]
                row[f"{value}_ratio"], row["ratio_low"], row["ratio_high"] = mean_interval(ratio)
            over = [] if apart is None else means["full_stretch"] / apart.reindex(means.index)
            row["mei_ratio"], row["mei_ratio_low"], row["mei_ratio_high"] = mean_interval(over)
            rows.append(row)
    return pd.DataFrame(rows).astype({"entries": "Int64"}) if rows else pd.DataFrame()
