"""The index of a store of runs: one line a run that has ended, appended by one writer at a time."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import portalocker
from portalocker import LockFlags

from invariscope.errors import StoreError
from invariscope.store import version_0_1
from invariscope.store.files import replace_file
from invariscope.store.hashes import seal, unseal
from invariscope.study.row import row_of

FILE = "index.jsonl"
BLOCK = 65536


@contextmanager
def _locked(folder: Path) -> Iterator[IO[bytes]]:
    """Open the index at its end, whole, and ours alone.

    Raises:
        StoreError: it cannot be written.
    """
    path = folder / FILE
    try:
        while True:
            with path.open("ab+") as file:
                portalocker.lock(file, LockFlags.EXCLUSIVE)
                if os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                    continue  # it was written again while we waited
                _cut_half_line(file)
                yield file
                return
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"cannot write {str(path)!r}: {error.strerror}") from error


def _cut_half_line(file: IO[bytes]) -> None:
    """Drop a killed writer's half line."""
    size = file.seek(0, os.SEEK_END)
    end = size
    while end:
        start = max(0, end - BLOCK)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        file.truncate(end)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(seal(row)) + "\n"


def append_rows(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows of ended runs, safe from power loss on return.

    Args:
        folder: of run folders.

    Raises:
        StoreError: the index cannot be written.
    """
    if not rows:
        return
    with _locked(folder) as file:
        file.write("".join(map(_line, rows)).encode())
        file.flush()
        os.fsync(file.fileno())


def read_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """Read each run's row by its name; of two rows of a run the later.

    A last line that is still being written is left out.

    Raises:
        StoreError: a line is damaged.
    """
    rows: dict[str, dict[str, Any]] = {}
    path = folder / FILE
    with suppress(FileNotFoundError), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row = version_0_1.row(unseal(json.loads(line)))
                rows[str(row["name"])] = row
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise StoreError(
                    f"{str(path)!r} is damaged at line {number}; `study reindex` writes it again"
                ) from error
    return rows


def _ended_row(folder: Path) -> dict[str, Any] | None:
    """Make the row of a run folder; None while the run has not ended.

    Raises:
        StoreError: the run is damaged.
    """
    if not (folder / "outcome.json").exists():
        return None
    from invariscope.store.record import load_run  # noqa: PLC0415  (torch: see `load_study`)

    record = load_run(folder)
    return None if record.outcome["status"] == "interrupted" else row_of(record)


def rows_of(runs: Path, planned_runs: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Read the rows of runs, from the index or from the run folders.

    Args:
        runs: the folder of run folders.
        planned_run: each run's folder by its name.

    Returns:
        Rows by name, of wanted runs that have ended.

    Raises:
        StoreError: the index, or a run without a row, is damaged.
    """
    indexed, rows = read_rows(runs), {}
    for name, folder in planned_runs.items():
        if name in indexed and indexed[name]["run"] == folder:
            rows[name] = indexed[name]
        elif row := _ended_row(runs / folder):
            rows[name] = row
    return rows


def catch_up(runs: Path, folders: Iterable[str], known: Iterable[str]) -> list[dict[str, Any]]:
    """Add the runs that ended without a row, such as a worker's that outlived its study.

    Args:
        runs: the folder of run folders.
        folders: names of run folders to look at.
        known: run folders that have a row.

    Returns:
        The rows that were added. A run whose result is damaged is left for the run itself to say.
    """
    have, found = set(known), []
    for folder in folders:
        if folder in have:
            continue
        with suppress(StoreError):
            if row := _ended_row(runs / folder):
                found.append(row)
    append_rows(runs, found)
    return found


def rebuild(runs: Path) -> tuple[int, list[str]]:
    """Write the index again from the run folders.

    Returns:
        How many runs it holds now, and a sentence for each that could not be read.

    Raises:
        StoreError: it cannot be written.
    """
    from invariscope.store.record import run_folders  # noqa: PLC0415  (torch: see `load_study`)

    lines, damaged = [], []
    for folder in run_folders(runs):
        try:
            if row := _ended_row(folder):
                lines.append(_line(row))
        except StoreError as error:
            damaged.append(str(error))
    with _locked(runs):
        replace_file(runs / FILE, lambda part: part.write_text("".join(lines)))
    return len(lines), damaged
