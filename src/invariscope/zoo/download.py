"""Fetch a published file once: resumed where an earlier download stopped, checked, cached."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO

from invariscope.errors import StoreError
from invariscope.zoo.registry import WeightEntry, file_hash

PIECE = 1 << 20
SECONDS = 30  # without a byte


def fetch(entry: WeightEntry) -> Path:
    """Return the path of a published file, downloaded where the cache lacks the file.

    An interrupted download goes on where it stopped. Where the registry holds no checksum,
    that of the first download is noted beside the file, and shown.

    Raises:
        StoreError: no connection, a refusal, a cut-off or another file than expected; the
            sentence says from where to take the file and where to put it.
    """
    path, note = entry.path, entry.path.with_name(f"{entry.path.name}.sha256")
    if not path.exists():
        _download(entry, path)
    expected = entry.sha256 or (note.read_text().strip() if note.exists() else "")
    if expected and (found := file_hash(path)) != expected:
        raise StoreError(
            f"{str(path)!r} has the sha256 {found[:12]}…; expected {expected[:12]}…; "
            "delete it and load it again"
        )
    if not expected:
        note.write_text(file_hash(path) + "\n")
    return path


def _download(entry: WeightEntry, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _with_bar(entry, part)
    except (urllib.error.URLError, HTTPException, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        kept = part.stat().st_size if part.exists() else 0
        again = f"; {kept / 1e6:.0f} MB are kept, and another try goes on from there" * (kept > 0)
        raise StoreError(
            f"{entry.name} cannot be downloaded from {entry.url} ({reason}){again}; without a "
            f"connection, take the file from there or from {entry.source or entry.url} and put it "
            f"at {str(path)!r}"
        ) from error
    if entry.sha256 and (found := file_hash(part)) != entry.sha256:
        part.unlink()
        raise StoreError(
            f"{entry.url} gave another file than expected (sha256 {found[:12]}…, expected "
            f"{entry.sha256[:12]}…); it was not kept"
        )
    part.replace(path)


def _with_bar(entry: WeightEntry, part: Path) -> None:
    from rich import progress as bars  # noqa: PLC0415  (draws random numbers when imported)

    columns = (
        bars.TextColumn(entry.name),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
    )
    with bars.Progress(*columns, transient=True) as progress:
        task = progress.add_task(entry.name, total=None)

        def watch(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        _pieces(entry.url, part, watch)


def _pieces(url: str, part: Path, watch: Callable[[int, int | None], None]) -> None:
    """Append to `part` the missing bytes of the file at `url`."""
    there = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and there:  # the part is whole, or of another file
            size = (error.headers.get("Content-Range") or "").rpartition("/")[2]
            if size == str(there):
                return
            part.unlink()
        raise
    with answer, part.open("ab") as file:
        if there and answer.status != 206:  # the server begins anew
            file.truncate(0)
            there = 0
        length = answer.headers.get("Content-Length")
        total = there + int(length) if length else None
        _copy(answer, file, lambda done: watch(there + done, total))
        file.flush()
        os.fsync(file.fileno())
    size = part.stat().st_size
    if total is not None and size < total:
        raise HTTPException(f"the connection ended after {size} of {total} bytes")


def _copy(answer: IO[bytes], file: IO[bytes], watch: Callable[[int], None]) -> None:
    done = 0
    while piece := answer.read(PIECE):
        file.write(piece)
        done += len(piece)
        watch(done)
