"""Runs of a study: how many converged (row 10), and stretch at subsets of a site (row 13)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.grouping import (
    Rows,
    groups_by,
    invariant,
    mean_sd,
    of_units,
    rows_where,
    rows_with,
    searched,
)
from invariscope.analysis.intervals import clustered_mean, share_interval

KEYS = ["condition", "subject", "task", "target", "site", "subset"]
AT_SITE = ["subject", "site"]
VALUES = ("pixel_distance", "reduction", "full_stretch")
NONE: Mapping[str, pd.DataFrame] = MappingProxyType({})


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


def subsets(table: pd.DataFrame, apart: Mapping[str, pd.DataFrame] = NONE) -> pd.DataFrame:
    """Distance, activity and convergence against how many of a site's units are stretched.

    Args:
        table: a study's runs of the task `invariance`, with `subset` (entries stretched, missing
            for all of them), `draw`, and, where it was measured, `full_stretch`: the distance
            over the whole site, which can be compared where `stretch` cannot.
        apart: distances over the whole site to compare with, by name: a table with `subject`,
            `unit`, `site` and the distance `apart`. So `mei` is how far a unit's MEIs lie apart,
            `pixel` how far its images lie that were stretched at pixels.

    Returns:
        One row a subject, site and size: `entries` (missing for the whole site), `draws`,
        `count` (runs), `units`, the mean over units of `pixel_distance`, `reduction` and
        `full_stretch`, each over that of the whole site for the same units (`…_ratio`, missing
        where the study has none), `full_stretch` over each of `apart` (`mei_ratio`,
        `pixel_ratio`), and `converged` with Wilson's interval (`low`, `high`). Ratios of
        `full_stretch` have an SD over units (`…_sd`) and how many units both have (`…_units`).
    """
    own = invariant(table)
    if "full_stretch" not in own:
        own = own.assign(full_stretch=np.nan)
    rows: list[dict[str, Any]] = []
    for key, group in groups_by(own, AT_SITE):
        base = of_units(rows_where(group, group["subset"].isna()), VALUES)
        beside = {"full_stretch": base["full_stretch"]}
        beside |= {k: rows_with(v, **key).set_index("unit")["apart"] for k, v in apart.items()}
        for entries, some in group.groupby("subset", dropna=False):
            means = of_units(some, VALUES)
            row = {**key, "entries": entries, **_reached(some)}
            for value in VALUES:
                row[value] = clustered_mean(some[value], some["unit"].to_numpy(str))[0]
                row[f"{value}_ratio"] = float((means[value] / base[value]).mean())
            for name, far in beside.items():
                ratio = (means["full_stretch"] / far.reindex(means.index)).dropna()
                found = mean_sd(pd.DataFrame({f"{name}_ratio": ratio}), [f"{name}_ratio"])
                row |= {**found, f"{name}_ratio_units": len(ratio)}
            rows.append(row)
    return pd.DataFrame(rows).astype({"entries": "Int64"}) if rows else pd.DataFrame()


def _reached(some: Rows) -> dict[str, Any]:
    """Count the runs of one size, and how many runs their stopping rule ended."""
    fired = int(some["converged"].sum())
    low, high = share_interval(fired, len(some))
    draws, units = max(1, some["draw"].nunique()), some["unit"].nunique()
    shares = {"converged": fired / len(some), "low": low, "high": high}
    return {"draws": draws, "count": len(some), "units": units, **shares}
