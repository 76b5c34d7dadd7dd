"""Sessions and answers as functions of a connection: rows written, and rows read."""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from invariscope.survey.admission import check_id, check_link, free_seat, use_link, who_came
from invariscope.survey.design import ADMISSIONS
from invariscope.survey.lists import SurveyTrial

COLUMNS = ("number", "participant", "session", "brought", "list", "about", "ended", "code")


class ConflictError(ValueError):
    """An idempotency key that was used for another answer."""


@dataclass(frozen=True)
class SurveySession:
    """A session, as the server needs its row.

    Attributes:
        number: from 0; which list.
        participant: from 1; the same for sessions that the same id brought.
        session: the participant's first, second, …
        brought: the ids that brought the participant.
        trials: the list.
        asked: whether the questions about the person were answered, or passed.
        ended: whether it is complete.
        code: its completion code, once it is.
    """

    number: int
    participant: int
    session: int
    brought: Mapping[str, str]
    trials: tuple[SurveyTrial, ...]
    asked: bool
    ended: bool
    code: str


@dataclass(frozen=True)
class SurveyAnswer:
    """An answer, as the browser sent the answer.

    Attributes:
        trial: place in the session's list.
        key: the browser's own for this answer.
        answer: a category.
        rt_ms: from the image's first frame to the answer.
        shown_ms: how long the image was to be seen; None where it was until the answer.
        by: `key`, `touch`, `mouse` or `pen`.
    """

    trial: int
    key: str
    answer: str
    rt_ms: float
    shown_ms: float | None
    by: str


def hashed(token: str) -> bytes:
    """Hash a token for storage: the database opens no session."""
    return hashlib.sha256(token.encode()).digest()


def find(connection: sqlite3.Connection, token: str) -> SurveySession | None:
    """Find the session of a token."""
    row = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM sessions WHERE token = ?",  # noqa: S608 (constants)
        (hashed(token),),
    ).fetchone()
    if row is None:
        return None
    found = dict(zip(COLUMNS, row, strict=True))
    return SurveySession(
        number=found["number"],
        participant=found["participant"],
        session=found["session"],
        brought=json.loads(found["brought"]),
        trials=tuple(SurveyTrial(*trial) for trial in json.loads(found["list"])),
        asked=found["about"] is not None,
        ended=found["ended"] is not None,
        code=found["code"] or "",
    )


def begin(
    connection: sqlite3.Connection,
    token: str,
    *,
    brought: Mapping[str, str],
    screen: Mapping[str, Any],
    list_of: Callable[[int], list[SurveyTrial]],
    now: float,
    most: int,
    admission: str = ADMISSIONS[0],
    link: str = "",
    pilot: bool = False,
) -> SurveySession:
    """Begin the session of a token, or go on with an earlier start of the session.

    Args:
        list_of: the list of a place (`admission.free_seat`), from 0.
        most: sessions that the survey takes; those that show no life do not count.
        admission: of the design.
        link: the code of a single-use link, where one came.
        pilot: whether the session is no data.

    Raises:
        GateError: it is not let in.
        FullError: there are so many.
    """
    found = find(connection, token)
    if found is not None:
        return found
    if admission == "link":
        check_link(connection, link, now)
    elif admission == "id":
        check_id(brought)
    seat = free_seat(connection, most=most, pilot=pilot, now=now)
    number = connection.execute("SELECT COALESCE(MAX(number) + 1, 0) FROM sessions").fetchone()[0]
    who = who_came(brought)
    participant, session = _participant(connection, who)
    trials = list_of(seat)
    connection.execute(
        "INSERT INTO sessions"
        " (number, token, participant, session, who, brought, list, screen, begun)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            hashed(token),
            participant,
            session,
            who,
            json.dumps(dict(brought)),
            json.dumps([list(asdict(trial).values()) for trial in trials]),
            json.dumps(dict(screen)),
            now,
        ),
    )
    connection.execute("INSERT INTO seats VALUES (?, ?)", (number, seat))
    if pilot:
        connection.execute("INSERT INTO pilots VALUES (?)", (number,))
    if admission == "link":
        use_link(connection, link, number)
    return SurveySession(number, participant, session, brought, tuple(trials), False, False, "")  # noqa: FBT003


def _participant(connection: sqlite3.Connection, who: str | None) -> tuple[int, int]:
    """Number the participant, and their sessions."""
    participant, session = connection.execute(
        "SELECT MAX(participant), MAX(session) FROM sessions WHERE who = ?", (who,)
    ).fetchone()
    if participant is not None:
        return participant, session + 1
    new = connection.execute("SELECT COALESCE(MAX(participant), 0) + 1 FROM sessions").fetchone()
    return new[0], 1


def answered(connection: sqlite3.Connection, number: int) -> list[int]:
    """List the trials of a session that have an answer, rising."""
    rows = connection.execute("SELECT trial FROM answers WHERE number = ?", (number,))
    return sorted(trial for (trial,) in rows)


def save_answer(
    connection: sqlite3.Connection, number: int, answer: SurveyAnswer, now: float
) -> None:
    """Keep an answer. The first to a trial counts; the same one again changes nothing.

    Raises:
        ConflictError: the trial's key came with another answer before.
    """
    given = (answer.answer, answer.rt_ms, answer.shown_ms, answer.by)
    written = connection.execute(
        "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (number, answer.trial, answer.key, *given, now),
    )
    if written.rowcount:
        return
    key, *kept = connection.execute(
        "SELECT key, answer, rt_ms, shown_ms, by FROM answers WHERE number = ? AND trial = ?",
        (number, answer.trial),
    ).fetchone()
    if key == answer.key and tuple(kept) != given:
        raise ConflictError


def save_about(connection: sqlite3.Connection, number: int, about: Mapping[str, Any]) -> None:
    """Save a person's answers about themselves; the last word counts."""
    connection.execute(
        "UPDATE sessions SET about = ? WHERE number = ?", (json.dumps(dict(about)), number)
    )


def finish(
    connection: sqlite3.Connection, session: SurveySession, code: str, now: float
) -> tuple[str, list[int]]:
    """End a session with an answer to every trial.

    Args:
        code: its completion code; `random` for one of its own.

    Returns:
        The code, and the trials that still lack an answer: where there are any, it goes on.
    """
    there = set(answered(connection, session.number))
    missing = [k for k in range(len(session.trials)) if k not in there]
    if missing:
        return "", missing
    own = secrets.token_hex(4).upper() if code == "random" else code
    connection.execute(
        "UPDATE sessions SET ended = ?, code = ? WHERE number = ? AND ended IS NULL",
        (now, own, session.number),
    )
    kept = connection.execute(
        "SELECT code FROM sessions WHERE number = ?", (session.number,)
    ).fetchone()
    return kept[0], []
