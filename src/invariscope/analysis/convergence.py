"""How many runs converged, by one definition for all targets: the stopping rule fired (row 10)."""

import pandas as pd

from invariscope.analysis.grouping import groups_by, searched
from invariscope.analysis.intervals import share_interval

KEYS = ["condition", "subject", "task", "target", "site", "subset"]


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
