"""Look-ups in tables of analyses that several claims about the paper's figures share."""

from collections.abc import Callable, Mapping

from invariscope.analysis.grouping import Rows, rows_where, rows_with
from invariscope.analysis.intervals import Interval, summary_interval
from invariscope.paper.claim import shared_level

Tables = Mapping[str, Rows]
Select = Callable[[Rows], Rows]  # `unbounded` or `bounded`
STANDARD, ROBUST = "standard", "robust"
NO_ROLES = (
    "needs the subjects' roles; give `roles` (standard, robust) in the study file and analyse again"
)
CODES = "code_percentile="  # of a generator's constraints, when codes alone are held
NO_BOUND = "needs a study whose `constraints` hold codes to a percentile"
NO_PAIR = "needs a standard and a robust network side by side"


def with_role(table: Rows, role: str) -> Rows | None:
    """Select the rows of one role; None where the table names no roles."""
    known = "role" in table and table["role"].notna().any()
    return rows_where(table, table["role"] == role) if known else None


def over_units(row: Rows, column: str, parts: int, number: str = "units") -> Interval:
    """Estimate a column from its mean and SD over units in a table.

    Args:
        row: with the column, `…_sd` and how many units there are.
        column: the mean.
        parts: how many numbers the statement is about (`shared_level`).
        number: the column that counts the units.
    """
    return summary_interval(
        float(row[column]), float(row[f"{column}_sd"]), int(row[number]), shared_level(parts)
    )


def unbounded(table: Rows) -> Rows:
    """Select the rows of searches without constraints."""
    if "constraints" not in table:
        return table
    return rows_where(table, table["constraints"].fillna("none") == "none")


def bounded(table: Rows) -> Rows:
    """Select the rows of searches with codes bounded by a percentile of natural codes."""
    if "constraints" not in table:
        return table.iloc[:0]
    return rows_where(table, table["constraints"].fillna("").str.startswith(CODES))


def first_study(table: Rows, *needed: Mapping[str, str]) -> Rows:
    """Select the rows of the first study that has all that a statement compares.

    Args:
        table: of one study or several (`study`).
        needed: values of columns, each of which some row of the study must have.

    Returns:
        The rows; none where no study has all.
    """
    names = list(dict.fromkeys(table["study"])) if "study" in table else [None]
    for name in names:
        own = table if name is None else rows_with(table, study=name)
        if all(len(rows_with(own, **values)) for values in needed):
            return own
    return table.iloc[:0]
