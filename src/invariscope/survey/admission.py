"""Admission to a survey: permission to begin, and free places, as functions of a connection."""

import hashlib
import json
import re
import secrets
import sqlite3
from collections import Counter
from collections.abc import Mapping

# What brings a participant, by the names that recruiting services use in links.
BROUGHT = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID", "survey_code", "participant")
WHO = ("PROLIFIC_PID", "survey_code", "participant")  # of these, who it is
# A start without an answer for so long gives its place, list and link back.
DEAD_SECONDS = 1800.0
# What stands in a link's template where the recruiting service did not fill in the id.
PLACEHOLDER = re.compile(
    r"[{}%$<>\[\]]|^(undefined|null|none|participant_?id|PROLIFIC_PID)$", re.IGNORECASE
)
# The form of the ids that services give.
FORMS = {"PROLIFIC_PID": re.compile(r"[0-9a-fA-F]{24}"), "survey_code": re.compile(r"[0-9]{1,12}")}
LINK_BYTES = 16
# Begun long ago, and nothing was given since: no answer, no judgement.
LIFELESS = (
    "s.ended IS NULL AND s.begun < ?"
    " AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.number = s.number)"
    " AND NOT EXISTS (SELECT 1 FROM judgements j"
    " WHERE j.session = s.number AND j.different IS NOT NULL)"
)


class GateError(ValueError):
    """A refused start; `link` or `id` names the missing part."""


class FullError(ValueError):
    """The survey takes no more sessions."""


def is_placeholder(value: str) -> bool:
    """Test if an id is a link template's placeholder (`{{%PROLIFIC_PID%}}`)."""
    return PLACEHOLDER.search(value) is not None


def who_came(brought: Mapping[str, str]) -> str | None:
    """Read the id of a participant; None for no id or a placeholder."""
    found = (brought[name] for name in WHO if brought.get(name))
    return next((value for value in found if not is_placeholder(value)), None)


def check_id(brought: Mapping[str, str]) -> None:
    """Make sure that an id came, of its service's form.

    Raises:
        GateError: none, a placeholder, or one of another form.
    """
    for name in WHO:
        value = brought.get(name, "")
        if value and not is_placeholder(value):
            if name in FORMS and not FORMS[name].fullmatch(value):
                raise GateError("id")
            return
    raise GateError("id")


def _hashed(link: str) -> bytes:
    return hashlib.sha256(link.encode()).digest()


def make_links(connection: sqlite3.Connection, number: int, now: float) -> list[str]:
    """Make links that open one session each; only their hashes are kept.

    Returns:
        Their codes.
    """
    codes = [secrets.token_urlsafe(LINK_BYTES) for _ in range(number)]
    connection.executemany(
        "INSERT INTO links (hash, made) VALUES (?, ?)", [(_hashed(code), now) for code in codes]
    )
    return codes


def check_link(connection: sqlite3.Connection, link: str, now: float) -> None:
    """Make sure that a link is known and not used, but by a start that shows no life.

    Raises:
        GateError: it is not.
    """
    row = connection.execute("SELECT number FROM links WHERE hash = ?", (_hashed(link),)).fetchone()
    if row is None or (row[0] is not None and not _is_dead(connection, row[0], now)):
        raise GateError("link")


def use_link(connection: sqlite3.Connection, link: str, number: int) -> None:
    """Note the session that a link opened."""
    connection.execute("UPDATE links SET number = ? WHERE hash = ?", (number, _hashed(link)))


def _is_dead(connection: sqlite3.Connection, number: int, now: float) -> bool:
    """Test if a session begun long ago has neither an answer nor a judgement."""
    row = connection.execute(
        f"SELECT 1 FROM sessions s WHERE s.number = ? AND {LIFELESS}",  # noqa: S608 (a constant)
        (number, now - DEAD_SECONDS),
    ).fetchone()
    return row is not None


def free_seat(connection: sqlite3.Connection, *, most: int, pilot: bool, now: float) -> int:
    """Find the first free place; the place decides the list that is shown.

    Sessions that show no life hold none, so their lists are shown to others and lists stay
    balanced; pilot sessions hold none of those that count.

    Raises:
        FullError: all `most` places are held.
    """
    rows = connection.execute(
        "SELECT COALESCE(t.seat, s.number) FROM sessions s"  # noqa: S608 (a constant)
        " LEFT JOIN seats t ON t.number = s.number LEFT JOIN pilots p ON p.number = s.number"
        f" WHERE (p.number IS NOT NULL) = ? AND NOT ({LIFELESS})",
        (pilot, now - DEAD_SECONDS),
    ).fetchall()
    if len(rows) >= most:
        raise FullError
    held = {seat for (seat,) in rows}
    return next(seat for seat in range(len(held) + 1) if seat not in held)


def pilot_sessions(connection: sqlite3.Connection) -> set[int]:
    """List the numbers of sessions that were begun while the survey was tried out."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'pilots'").fetchone()
    rows = connection.execute("SELECT number FROM pilots").fetchall() if there else []
    return {number for (number,) in rows}


def placeholders(connection: sqlite3.Connection) -> dict[str, int]:
    """Count starts by placeholder, such as `PROLIFIC_PID={{%PROLIFIC_PID%}}`."""
    counts: Counter[str] = Counter()
    for (text,) in connection.execute("SELECT brought FROM sessions"):
        for name, value in json.loads(text).items():
            if name in WHO and value and is_placeholder(value):
                counts[f"{name}={value}"] += 1
    return dict(counts)
