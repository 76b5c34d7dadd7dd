"""CSV as text, strictly: every row as long as the header, every column once."""

import csv
import io
from pathlib import Path

import pandas as pd

from invariscope.errors import InputError, StoreError
from invariscope.plurals import number_of


def read_csv_text(path: Path) -> pd.DataFrame:
    """Read a CSV file; values stay text.

    A reader that guesses takes a row that was cut off, a header that lacks a name or a column that
    comes twice for another table.

    Args:
        path: UTF-8, with or without a byte order mark, commas between.

    Returns:
        One column of `str` a name of the header.

    Raises:
        FileNotFoundError: there is none.
        StoreError: it cannot be read.
        InputError: it is no text in UTF-8, empty, has a column twice, or a row of another length.
    """
    name = repr(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"cannot read {name}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{name} is no CSV file in UTF-8: {error}") from error
    if not rows:
        raise InputError(f"{name} is empty; expected a header and rows")
    header, *rows = rows
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise InputError(f"{name} has the column {twice[0]!r} twice; expected each once")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InputError(
                f"{name}: row {number} has {number_of(len(row), 'value')} under "
                f"{number_of(len(header), 'column')}; it may be cut off, or its commas are not "
                "quoted"
            )
    return pd.DataFrame(rows, columns=header, dtype=object)
