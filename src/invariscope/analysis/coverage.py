"""Coverage: how many cells of appearance the invariant images of searches reach.

A cell counts as reached where a member of a run's front lies in it that meets the bound of the
paper's stopping rule (drives the unit beyond its natural maximum). Cells are those of
`subjects.appearance_cells`. The whole invariance set is not known, so cells are given as counts,
and as the share of those that all runs of the unit reach together.
"""

from collections.abc import Sequence
from math import comb
from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.grouping import Rows, groups_by, mean_sd, rows_where

EVERY_SITE = "every site"
SECOND, AS_MANY = "second restart", "as many images"
ROUNDING = 1e-9  # of a number of images over another
Units = dict[str, tuple[list[frozenset[int]], float]]
KEYS = ["subject", "strategy", "site"]
VALUES = ("cells", "share", "images", "per_1000")


def expected_cells(runs: Sequence[frozenset[int]], number: int) -> float:
    """Compute how many cells a number of runs reach on average, over all choices among the runs.

    Args:
        runs: the cells that each run reaches.
        number: how many runs are taken, 1 to all.

    Example:
        >>> from invariscope.analysis.coverage import expected_cells
        >>> expected_cells([frozenset({1, 2}), frozenset({2, 3})], 1)
        2.0
        >>> expected_cells([frozenset({1, 2}), frozenset({2, 3})], 2)
        3.0
    """
    every = comb(len(runs), number)
    cells = frozenset().union(*runs)
    missed = (sum(cell not in run for run in runs) for cell in cells)
    return float(sum(1 - comb(without, number) / every for without in missed))


def coverage(runs: Rows) -> pd.DataFrame:
    """Tabulate the cells that a run and restarts reach, and the images shown.

    Args:
        runs: one row a run: `subject`, `strategy`, `unit`, `site`, `reached` (a frozenset of
            cells) and `images` (shown).

    Returns:
        One row a subject, strategy, site and number of `restarts` (1 to the runs of a unit there;
        each unit's mean over all choices among its runs): `units`, and the means over units, with
        `_sd`, of `cells`, `share` (of the cells that all runs of the unit reach together, at any
        site and by any strategy; missing where there is none), `images` shown and `per_1000` cells
        an image. The site `every site` takes runs of all sites together where there are several.
    """
    known = {
        (key["subject"], key["unit"]): len(frozenset().union(*own["reached"]))
        for key, own in groups_by(runs, ["subject", "unit"])
    }
    rows = []
    for key, own in groups_by(_with_every_site(runs), KEYS):
        units: list[dict[str, Any]] = []
        for of_unit, same in groups_by(own, ["unit"]):
            whole = known[key["subject"], of_unit["unit"]]
            units += _restarts(same, whole, of_unit["unit"])
        for number, some in pd.DataFrame(units).groupby("restarts"):
            means = mean_sd(some, VALUES)
            rows.append({**key, "restarts": number, "units": len(some), **means})
    return pd.DataFrame(rows)


def _restarts(same: Rows, whole: int, unit: str) -> list[dict[str, Any]]:
    """Count one unit's cells for each number of restarts."""
    reached, shown = list(same["reached"]), float(same["images"].mean())
    rows = []
    for number in range(1, len(reached) + 1):
        cells, images = expected_cells(reached, number), shown * number
        share = cells / whole if whole else np.nan
        own = {"cells": cells, "share": share, "images": images}
        rows.append({"unit": unit, "restarts": number, **own, "per_1000": 1000 * cells / images})
    return rows


def coverage_gains(runs: Rows) -> pd.DataFrame:
    """Compare coverage within units: a second run's new cells, and strategies at equal images.

    Args:
        runs: as in `coverage`.

    Returns:
        One row a subject, site (with `every site`, where a second run may be of another site) and
        comparison, paired by unit: `gain` is `second restart`, the cells that a second run of the
        `strategy` adds, over those of one run (units whose runs reach none are left out); or `as
        many images`, the cells of one run of `strategy` less those of as many restarts of the
        `other` as show no fewer images. `units` and the mean over them, `more`, with `_sd`.
    """
    rows: list[dict[str, Any]] = []
    for key, own in groups_by(_with_every_site(runs), ["subject", "site"]):
        strategies = {
            strategy["strategy"]: _by_unit(same) for strategy, same in groups_by(own, ["strategy"])
        }
        for name, units in strategies.items():
            words = {**key, "strategy": name}
            rows.append({**words, "gain": SECOND, "other": "", **_more(_second(units))})
            rows += [
                {**words, "gain": AS_MANY, "other": other, **_more(_over(units, strategies[other]))}
                for other in strategies
                if other != name
            ]
    table = pd.DataFrame(rows)
    return rows_where(table, table["units"] > 0).reset_index(drop=True)


def _with_every_site(runs: Rows) -> Rows:
    """Add the runs once more under the site `every site`, where there are several."""
    several = [runs.assign(site=EVERY_SITE)] if len(set(runs["site"])) > 1 else []
    return pd.concat([runs, *several], ignore_index=True)


def _by_unit(rows: Rows) -> Units:
    """Give each unit's cells by run, and how many images a run shows."""
    return {
        key["unit"]: (list(same["reached"]), float(same["images"].mean()))
        for key, same in groups_by(rows, ["unit"])
    }


def _second(units: Units) -> list[float]:
    """Measure a second run's new cells over a run's cells, for each unit with two runs."""
    found = []
    for reached, _ in units.values():
        one = expected_cells(reached, 1)
        if len(reached) > 1 and one > 0:
            found.append(expected_cells(reached, 2) / one - 1)
    return found


def _over(units: Units, others: Units) -> list[float]:
    """Compare a run's cells with restarts of another strategy that show as many images."""
    found = []
    for unit, (reached, shown) in units.items():
        restarts, each = others.get(unit, ([], 1.0))
        number = max(1, round(np.ceil(shown / each - ROUNDING)))
        if number <= len(restarts):
            found.append(expected_cells(reached, 1) - expected_cells(restarts, number))
    return found


def _more(values: Sequence[float]) -> dict[str, float]:
    """Average differences over units."""
    table = pd.DataFrame({"more": np.asarray(values, float)})
    return {"units": len(table), **mean_sd(table, ["more"])}
