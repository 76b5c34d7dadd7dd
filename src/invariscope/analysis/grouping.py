"""Rows of tables by what they share, and means of means over units."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

Rows = Any  # a DataFrame: pandas' own annotations allow little of what it can do


def groups_by(table: Rows, keys: Sequence[str]) -> Iterator[tuple[dict[str, Any], Rows]]:
    """Groups of rows in the order in which they come, each with what its rows share."""
    for key, rows in table.groupby(list(keys), sort=False, dropna=False):
        yield dict(zip(keys, key, strict=True)), rows


def rows_where(table: Rows, chosen: Any) -> Rows:
    """The rows of a table for which a column of booleans holds."""
    return table.loc[pd.Series(chosen).to_numpy(bool)]


def searched(table: Rows) -> Rows:
    """The runs of a study's table that depart from a reference: all but those for MEIs."""
    return rows_where(table, table["task"] != "excitation")


def invariant(table: Rows) -> Rows:
    """The rows of the task `invariance`."""
    return rows_where(table, table["task"] == "invariance")


def of_units(rows: Rows, values: Sequence[str]) -> Rows:
    """Each unit's mean of each value; a missing one does not count."""
    return rows.groupby("unit", sort=False)[list(values)].mean()


def mean_sd(units: Rows, values: Sequence[str]) -> dict[str, float]:
    """Mean and SD (`…_sd`, n − 1) of each value over units."""
    found: dict[str, float] = {}
    for value in values:
        found[value] = float(units[value].mean())
        found[f"{value}_sd"] = float(units[value].std(ddof=1))
    return found
