"""Rows of tables by shared values, and means of means over units."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

Rows = Any  # a DataFrame: pandas' own annotations allow little of what it can do


def groups_by(table: Rows, keys: Sequence[str]) -> Iterator[tuple[dict[str, Any], Rows]]:
    """Group rows in their order, each group with the values that its rows share."""
    for key, rows in table.groupby(list(keys), sort=False, dropna=False):
        yield dict(zip(keys, key, strict=True)), rows


def rows_where(table: Rows, chosen: Any) -> Rows:
    """Select the rows of a table by a column of booleans."""
    return table.loc[pd.Series(chosen).to_numpy(bool)]


def rows_with(table: Rows, **values: Any) -> Rows:
    """Select the rows with a value, or a value of a list, in each named column."""
    for name, value in values.items():
        table = table[table[name].isin(value if isinstance(value, list) else [value])]
    return table


def searched(table: Rows) -> Rows:
    """Select the runs of a study's table that depart from a reference: all but MEI searches."""
    return rows_where(table, table["task"] != "excitation")


def invariant(table: Rows) -> Rows:
    """Select the rows of the task `invariance`."""
    return rows_where(table, table["task"] == "invariance")


def of_units(rows: Rows, values: Sequence[str]) -> Rows:
    """Average each value over a unit's rows; missing values do not count."""
    return rows.groupby("unit", sort=False)[list(values)].mean()


def mean_sd(units: Rows, values: Sequence[str]) -> dict[str, float]:
    """Mean and SD (`…_sd`, n − 1) of each value over units."""
    found: dict[str, float] = {}
    for value in values:
        found[value] = float(units[value].mean())
        found[f"{value}_sd"] = float(units[value].std(ddof=1))
    return found
