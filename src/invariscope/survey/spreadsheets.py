"""CSV files that are safe to open in a spreadsheet.

A cell that begins with =, +, -, @, a tab or a carriage return is a formula to a spreadsheet. Such
texts come from outside (free answers, ids), so they get an apostrophe in front, which spreadsheets
take for "this is text" and `unquoted` takes away.
"""

import re
from pathlib import Path

import pandas as pd

FORMULA = re.compile(r"'*[=+\-@\t\r]")
RULE = (
    "In CSV files a text that begins with =, +, -, @, a tab or a carriage return has an apostrophe "
    "in front, so that no spreadsheet takes it for a formula; Parquet files hold it as it is."
)


def quoted(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe in front of texts that a spreadsheet would compute."""
    return _mapped(table, lambda text: f"'{text}" if FORMULA.match(text) else text)


def unquoted(table: pd.DataFrame) -> pd.DataFrame:
    """Remove the apostrophes that `quoted` put into a table."""
    return _mapped(
        table, lambda text: text[1:] if text.startswith("'") and FORMULA.match(text) else text
    )


def _mapped(table: pd.DataFrame, change) -> pd.DataFrame:  # noqa: ANN001
    made = table.copy()
    for name in made.columns:
        values = made[name]
        if pd.api.types.is_object_dtype(values) or pd.api.types.is_string_dtype(values):
            own = values.astype(object)
            made[name] = own.map(lambda value: change(value) if isinstance(value, str) else value)
    return made


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table that people may open in a spreadsheet."""
    quoted(table).to_csv(path, index=False)
