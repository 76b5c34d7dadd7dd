"""Links that open a single session each, to be sent to people in turn."""

import sqlite3
import time
from contextlib import closing
from urllib.parse import urlencode

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.survey.admission import make_links
from invariscope.survey.database import SCHEMA
from invariscope.survey.folder import DESIGN, SurveyFolder

LONGEST_WAIT = 30.0  # seconds for a server that writes at the same time


def new_links(folder: SurveyFolder, number: int, base: str) -> list[str]:
    """Make single-use links of a survey, even of a served survey.

    Args:
        number: how many.
        base: the survey's address, as participants reach it.

    Raises:
        InputError: a design that lets in without links, or a base that is no address.
        StoreError: the survey's database cannot be written.
    """
    validate.at_least("the number of links", number, 1)
    if folder.design.admission != "link":
        raise InputError(
            f'the survey lets in {folder.design.admission!r}; set admission = "link" in '
            f"{str(folder.path / DESIGN)!r}, so that a link is needed"
        )
    if not base.startswith(("https://", "http://")):
        raise InputError(f"--base is {base!r}; expected https://…")
    try:
        with closing(sqlite3.connect(folder.answers, timeout=LONGEST_WAIT)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            with connection:
                codes = make_links(connection, number, time.time())
    except sqlite3.Error as error:
        raise StoreError(f"cannot keep links in {str(folder.answers)!r}: {error}") from error
    return [f"{base.rstrip('/')}/?{urlencode({'link': code})}" for code in codes]
