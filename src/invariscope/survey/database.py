"""The arriving answers: SQLite, a single writing thread, many answers a sync.

An answer is acknowledged once it is safe from power loss. A sync takes milliseconds, so what
arrives meanwhile waits and is written in the next transaction, all of it at once.
"""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from invariscope.errors import InvariscopeError, StoreError

SCHEMA = """
CREATE TABLE IF NOT EXISTS survey (
    name TEXT NOT NULL              -- random; browsers keep a session's token under it
) STRICT;
INSERT INTO survey SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT 1 FROM survey);
CREATE TABLE IF NOT EXISTS sessions (
    number INTEGER PRIMARY KEY,     -- from 0; which list
    token BLOB NOT NULL UNIQUE,     -- SHA-256 of what the browser holds
    participant INTEGER NOT NULL,   -- from 1
    session INTEGER NOT NULL,       -- the participant's first, second, ...
    who TEXT,                       -- the id that brought them, where there is one
    brought TEXT NOT NULL,          -- all ids of Prolific, SONA ..., as JSON
    list TEXT NOT NULL,             -- [kind, image, category] a trial, as JSON
    screen TEXT NOT NULL,           -- what the browser tells of itself, as JSON
    about TEXT,                     -- answers about the person, as JSON
    begun REAL NOT NULL,            -- seconds since 1970
    ended REAL,
    code TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS answers (
    number INTEGER NOT NULL REFERENCES sessions,
    trial INTEGER NOT NULL,         -- place in the session's list
    key TEXT NOT NULL,              -- the browser's, one an answer
    answer TEXT NOT NULL,           -- a category
    rt_ms REAL NOT NULL,
    shown_ms REAL,
    by TEXT NOT NULL,               -- key, touch, mouse or pen
    arrived REAL NOT NULL,
    PRIMARY KEY (number, trial)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seats (  -- which list a session has, where it is not its number
    number INTEGER PRIMARY KEY REFERENCES sessions,
    seat INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS links (  -- that open one session each
    hash BLOB PRIMARY KEY,
    made REAL NOT NULL,
    number INTEGER REFERENCES sessions
) STRICT;
CREATE TABLE IF NOT EXISTS pilots ( -- sessions that were no data to begin with
    number INTEGER PRIMARY KEY REFERENCES sessions
) STRICT;
CREATE TABLE IF NOT EXISTS judgements (    -- of pairs, in a search that asks people
    number INTEGER PRIMARY KEY,     -- from 0, over the whole search
    session INTEGER NOT NULL REFERENCES sessions,
    phase TEXT NOT NULL,
    kind TEXT NOT NULL,
    candidate INTEGER NOT NULL,
    asked REAL NOT NULL,            -- seconds since 1970
    different INTEGER,              -- the answer, once it is there
    rt_ms REAL,
    shown_ms REAL,
    by TEXT,
    arrived REAL
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_who ON sessions (who);
CREATE INDEX IF NOT EXISTS judgements_session ON judgements (session);
"""
MOST_AT_ONCE = 1000
# What a work may raise: whoever asked for it is told, and the thread goes on.
FAILURES = (
    sqlite3.Error,
    InvariscopeError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
Anything = TypeVar("Anything")
Work = Callable[[sqlite3.Connection], Any]


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection for reading.

    Raises:
        StoreError: there is no such database.
    """
    try:
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise StoreError(f"cannot read the answers in {str(path)!r}: {error}") from error


class Database:
    """A survey's answers, to be written.

    Args:
        path: of the file; made where it is not there.

    Attributes:
        name: random, the survey's own.

    Raises:
        StoreError: it cannot be opened, or is no database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: SimpleQueue[tuple[Work, Future[Any]] | None] = SimpleQueue()
        try:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(SCHEMA)
                self.name: str = connection.execute("SELECT name FROM survey").fetchone()[0]
        except sqlite3.Error as error:
            raise StoreError(f"cannot keep answers in {str(path)!r}: {error}") from error
        self._thread = threading.Thread(target=self._write, name="answers", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[sqlite3.Connection], Anything]) -> Future[Anything]:
        """Do something in the next transaction.

        Returns:
            Its result, once that is safe from power loss; `sqlite3.Error` where it failed.
        """
        future: Future[Anything] = Future()
        self._waiting.put((work, future))
        return future

    def close(self) -> None:
        """Write the waiting works, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _write(self) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            while (first := self._waiting.get()) is not None:
                works = [first]
                ends = False
                while len(works) < MOST_AT_ONCE and not self._waiting.empty():
                    more = self._waiting.get()
                    if more is None:
                        ends = True
                        break
                    works.append(more)
                _commit(connection, works)
                if ends:
                    return


def _commit(connection: sqlite3.Connection, works: list[tuple[Work, Future[Any]]]) -> None:
    """Commit several works in a transaction; a failing work leaves nothing and harms no other.

    What nobody waits for any more, since the server is ending, is not begun.
    """
    works = [(work, future) for work, future in works if future.set_running_or_notify_cancel()]
    done: list[tuple[Future[Any], Any]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for work, future in works:
            connection.execute("SAVEPOINT one")
            try:
                done.append((future, work(connection)))
            except FAILURES as error:
                connection.execute("ROLLBACK TO one")
                future.set_exception(error)
            connection.execute("RELEASE one")
        connection.execute("COMMIT")
    except sqlite3.Error as error:  # a full disk, a file that is gone
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        for _, future in works:
            if not future.done():
                future.set_exception(error)
        return
    for future, result in done:
        future.set_result(result)
