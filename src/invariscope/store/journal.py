"""A run's journal: one line a generation, one writer."""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from invariscope.errors import BeingWrittenError, StoreError


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; a last line that was cut off is left out.

    Raises:
        StoreError: a line is damaged, missing or doubled.
    """
    texts = path.read_bytes().split(b"\n")[:-1]
    return [_entry(path, number, text) for number, text in enumerate(texts, 1)]


def kept_lines(path: Path, generations: int, known: str | None = None) -> bytes:
    """The first `generations` lines of a journal, as they are in the file.

    Args:
        known: hex sha256 of these lines, where one was kept.

    Raises:
        StoreError: there are fewer, or one of them is damaged.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1][:generations]
    except OSError as error:
        raise StoreError(f"cannot read {str(path)!r}: {error.strerror}") from error
    for number, text in enumerate(lines, 1):
        _entry(path, number, text)
    if len(lines) < generations:
        raise StoreError(
            f"{str(path)!r} ends at generation {len(lines)}, its checkpoint at {generations}; "
            "delete the checkpoint to start the run again"
        )
    kept = b"".join(text + b"\n" for text in lines)
    if known is not None and hashlib.sha256(kept).hexdigest() != known:
        raise StoreError(f"{str(path)!r} is damaged; move the run away to redo it")
    return kept


def _entry(path: Path, number: int, text: bytes) -> dict[str, Any]:
    """Line `number` of a journal, counted from 1: that generation's."""
    with suppress(ValueError, RecursionError):
        entry = json.loads(text)
        if isinstance(entry, dict) and entry.get("generation") == number:
            return entry
    raise StoreError(f"{str(path)!r} is damaged at line {number}; move the run away to redo it")


class Journal:
    """The journal, open at its end and locked.

    Raises:
        StoreError: it cannot be written.
        BeingWrittenError: another process writes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise BeingWrittenError(
                f"another process is writing {str(path.parent)!r}; wait for it or choose another "
                "--out"
            ) from error

    def _unwritable(self, error: OSError) -> StoreError:
        folder = str(self.path.parent)
        return StoreError(f"cannot write the journal of {folder!r}: {error.strerror}")

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line; it is safe from a killed process now, from power loss after `sync`."""
        try:
            text = json.dumps(line).encode() + b"\n"
            self._file.write(text)
            self._file.flush()
            self._digest.update(text)
        except OSError as error:
            raise self._unwritable(error) from error

    @property
    def hash(self) -> str:
        """Hex sha256 of the lines since `cut`, those that it kept included."""
        return self._digest.hexdigest()

    def sync(self) -> None:
        """Make every line safe from power loss."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def cut(self, generations: int, known: str | None = None) -> None:
        """Drop what follows the first `generations` lines.

        Args:
            known: hex sha256 of these lines, where one was kept.

        Raises:
            StoreError: there are fewer, or one of them is damaged; nothing was dropped.
        """
        kept = kept_lines(self.path, generations, known)
        self._digest = hashlib.sha256(kept)
        try:
            os.ftruncate(self._file.fileno(), len(kept))
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Give the lock back."""
        with suppress(OSError):  # a line that could not be written was reported by `append`
            self._file.close()
