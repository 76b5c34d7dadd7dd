"""A session's log: shown trials and answers, appended, each addition safe at once.

Each line holds the sha256 of its own content; lines of version 0.1 do not.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invariscope.errors import BeingWrittenError, StoreError
from invariscope.store.files import lock
from invariscope.store.hashes import seal, unseal

FILE = "log.jsonl"


class SessionLog:
    """The log, open at its end and locked; half a line of a killed writer is cut.

    Attributes:
        entries: every entry, in order.

    Raises:
        StoreError: it cannot be written, or a line is damaged.
        BeingWrittenError: another process writes it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        try:
            self._file = self.path.open("ab", buffering=0)
            lock(self._file, f"another process serves session {str(folder)!r}")
        except BeingWrittenError:
            self._file.close()
            raise
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self.entries = read_log(folder)
            self._size = sum(len(line) + 1 for line in self.path.read_bytes().split(b"\n")[:-1])
            os.ftruncate(self._file.fileno(), self._size)
        except BaseException:
            self._file.close()
            raise

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(f"cannot write {str(self.path)!r}: {error.strerror}")

    def append(self, *entries: Mapping[str, Any]) -> None:
        """Add entries; on return the entries are safe from a killed process and power loss.

        Raises:
            StoreError: they cannot be written; the log is as it was.
        """
        content = b"".join(json.dumps(seal(entry)).encode() + b"\n" for entry in entries)
        try:
            left = memoryview(content)
            while left:  # a disk that is nearly full takes a part first
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            os.ftruncate(self._file.fileno(), self._size)
            raise self._unwritable(error) from error
        self._size += len(content)
        self.entries += [dict(entry) for entry in entries]

    def close(self) -> None:
        """Give the lock back."""
        self._file.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Read the whole lines of a session's log.

    Raises:
        StoreError: there is none, or a line is damaged.
    """
    path = folder / FILE
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise StoreError(f"{str(folder)!r} holds no session (no {FILE})") from error
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(unseal(json.loads(line)))
            entries[-1]["event"]
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{str(path)!r} is damaged at line {number}; put a copy of it back, or cut it there"
            ) from error
    return entries
