"""Links that open a single session each, to be sent to people in turn."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.store.files import make_folder
from invariscope.survey.admission import make_links
from invariscope.survey.database import SCHEMA

LONGEST_WAIT = 30.0  # seconds for a server that writes at the same time


def new_links(database: Path, admission: str, number: int, base: str, *, design: Path) -> list[str]:
    """Make single-use links of a survey or a search, even during its service.

    Args:
        database: its answers; made where it is not there yet.
        admission: of its design.
        number: how many.
        base: its address, as participants reach it.
        design: its design's file, to name.

    Raises:
        InputError: a design that lets in without links, or a base that is no address.
        StoreError: the database cannot be written.
    """
    validate.at_least("the number of links", number, 1)
    if admission != "link":
        raise InputError(
            f'the survey lets in {admission!r}; set admission = "link" in {str(design)!r}, so '
            "that a link is needed"
        )
    if not base.startswith(("https://", "http://")):
        raise InputError(f"--base is {base!r}; expected https://…")
    make_folder(database.parent)
    try:
        with closing(sqlite3.connect(database, timeout=LONGEST_WAIT)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            with connection:
                codes = make_links(connection, number, time.time())
    except sqlite3.Error as error:
        raise StoreError(f"cannot keep links in {str(database)!r}: {error}") from error
    return [f"{base.rstrip('/')}/?{urlencode({'link': code})}" for code in codes]
