"""A run's journal: a line for each generation, one writer."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from invariscope.errors import BeingWrittenError, StoreError
from invariscope.store.files import lock


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Read the whole lines of a journal; a last line that was cut off is left out.

    Raises:
        StoreError: a line is damaged, missing or doubled.
    """
    texts = path.read_bytes().split(b"\n")[:-1]
    return [_entry(path, number, text) for number, text in enumerate(texts, 1)]


def kept_lines(path: Path, generations: int, known: str | None = None) -> bytes:
    """Read the first `generations` lines of a journal as bytes.

    Args:
        known: hex sha256 of these lines, where known.

    Raises:
        StoreError: there are fewer lines, or a line is damaged.
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
    """Parse line `number` of a journal, counted from 1 as the generations."""
    with suppress(ValueError, RecursionError):
        entry = json.loads(text)
        if isinstance(entry, dict) and entry.get("generation") == number:
            return entry
    raise StoreError(f"{str(path)!r} is damaged at line {number}; move the run away to redo it")


class Journal:
    """The journal, open at its end and locked.

    Raises:
        StoreError: the file cannot be written.
        BeingWrittenError: another process writes the journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        with self._writing():
            self._file = path.open("ab")
        try:
            lock(
                self._file,
                f"another process is writing {str(path.parent)!r}; wait for it or choose another "
                "--out",
            )
        except BeingWrittenError:
            self._file.close()
            raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn a failure of the disk into a `StoreError`."""
        try:
            yield
        except OSError as error:
            folder = str(self.path.parent)
            raise StoreError(f"cannot write the journal of {folder!r}: {error.strerror}") from error

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line, safe from a killed process now, from power loss after `sync`."""
        text = json.dumps(line).encode() + b"\n"
        with self._writing():
            self._file.write(text)
            self._file.flush()
            self._digest.update(text)

    @property
    def hash(self) -> str:
        """Hex sha256 of all lines, kept by `cut` or appended since."""
        return self._digest.hexdigest()

    def sync(self) -> None:
        """Make every line safe from power loss."""
        with self._writing():
            os.fsync(self._file.fileno())

    def cut(self, generations: int, known: str | None = None) -> None:
        """Drop all but the first `generations` lines.

        Args:
            known: hex sha256 of these lines, where known.

        Raises:
            StoreError: there are fewer lines, or a line is damaged; nothing was dropped.
        """
        kept = kept_lines(self.path, generations, known)
        self._digest = hashlib.sha256(kept)
        with self._writing():
            os.ftruncate(self._file.fileno(), len(kept))

    def close(self) -> None:
        """Give the lock back."""
        with suppress(OSError):  # a line that could not be written was reported by `append`
            self._file.close()
