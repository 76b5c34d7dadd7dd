"""Folder exchange: images and a manifest out, CSV or Parquet back, any language on the other side.

`blocks/b000003.json`, the manifest of the block that is wanted, and `images/*.png`, which are
there before it · `answers/`, what the rig writes, one or more files a block; names that begin with
a dot or end otherwise than in `.csv` or `.parquet` are not looked at · `beat`, a file that the rig
may touch as a sign of life · `state.json`, what our side has taken and what was wrong.

The rig's files are read and never changed; one that grows is read again. Nothing here is a
record: the session's log is, and a block that is still open is written again from it.
"""

import csv
import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import pyarrow as pa
from pyarrow import parquet

from invariscope.errors import StoreError
from invariscope.subjects.rig.link import Link, OtherSide
from invariscope.subjects.rig.messages import AnswerDelivery, RigAnswer, TrialBlock, read_answers

POLL = 0.01
FIXED = ("trial", "image", "shown")


def _put(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of the file or nothing."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


@final
class FolderLink(Link):
    """Our side of a folder exchange.

    Args:
        folder: of the exchange; made where it is not there.

    Raises:
        StoreError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, tuple[int, int]] = {}
        self._beat, self._life = 0, time.monotonic()
        self._taken, self._problems, self._wanted = 0, [], ""
        places = [folder / name for name in ("blocks", "images", "answers")]
        self._write(lambda: [place.mkdir(parents=True, exist_ok=True) for place in places])

    def _write(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            raise StoreError(
                f"cannot write to the exchange folder {str(self.folder)!r}: {error.strerror}"
            ) from error

    def show(self, block: TrialBlock, images: Mapping[str, bytes]) -> None:
        def give() -> None:
            for old in (self.folder / "blocks").glob("*.json"):
                if old.stem != block.name:
                    old.unlink(missing_ok=True)
            for name, content in images.items():
                _put(self.folder / "images" / f"{name}.png", content)
            text = json.dumps(block.manifest(), indent=1)
            _put(self.folder / "blocks" / f"{block.name}.json", text.encode())

        self._wanted = block.name
        self._write(give)

    def withdraw(self, block: str) -> None:
        path = self.folder / "blocks" / f"{block}.json"
        self._write(lambda: path.unlink(missing_ok=True))
        self._wanted = ""

    def receive(self, seconds: float) -> AnswerDelivery | None:
        end = time.monotonic() + seconds
        while True:
            if delivery := self._changed():
                return delivery
            left = end - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(POLL, left))

    def _changed(self) -> AnswerDelivery | None:
        """Find the new or grown part of a file of answers."""
        found: list[tuple[str, tuple[int, int]]] = []
        with os.scandir(self.folder / "answers") as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name.endswith(tuple(READERS)):
                    state = entry.stat()
                    found.append((entry.name, (state.st_mtime_ns, state.st_size)))
        for name, state in sorted(found):
            if self._read.get(name) != state:
                self._read[name] = state
                self._life = time.monotonic()
                return read_file(self.folder / "answers" / name)
        return None

    def confirm(self, delivery: AnswerDelivery, problems: list[str]) -> None:
        self._taken += len(delivery.answers)
        self._problems = [*self._problems, *problems][-20:]
        state = {"block": self._wanted, "taken": self._taken, "problems": self._problems}
        text = json.dumps(state, indent=1).encode()
        self._write(lambda: _put(self.folder / "state.json", text))

    @property
    def silence(self) -> float:
        beat = self.folder / "beat"
        touched = beat.stat().st_mtime_ns if beat.exists() else 0
        if touched != self._beat:
            self._beat, self._life = touched, time.monotonic()
        return time.monotonic() - self._life


def _csv_rows(content: bytes, problems: list[str]) -> list[dict[str, Any]]:
    text = content.decode("utf-8-sig")
    if not text.endswith("\n"):
        problems.append("the last line has no end, so it is not taken yet")
        text = text[: text.rfind("\n") + 1]
    rows = csv.DictReader(io.StringIO(text), restkey="", skipinitialspace=True)
    return [{k: v for k, v in row.items() if k} | _width(row) for row in rows]


def _width(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give no trial to a line with too many or too few words, since its trial is not sure."""
    short = any(value is None for value in row.values())
    return {"trial": None} if short or "" in row else {}


def _parquet_rows(content: bytes, _problems: list[str]) -> list[dict[str, Any]]:
    return parquet.read_table(pa.BufferReader(content)).to_pylist()


READERS: dict[str, Callable[[bytes, list[str]], list[dict[str, Any]]]] = {
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}


def read_file(path: Path) -> AnswerDelivery:
    """Read the answers in a file: columns `trial`, `image`, perhaps `shown`, and each unit."""
    problems: list[str] = []
    try:
        rows = READERS[path.suffix](path.read_bytes(), problems)
    except (OSError, ValueError, csv.Error) as error:  # ArrowInvalid is a ValueError
        return AnswerDelivery([], [f"{path.name} cannot be read ({error})"], path.name)
    plain = [
        {k: row.get(k) for k in FIXED}
        | {"responses": {k: v for k, v in row.items() if k not in FIXED}}
        for row in rows
    ]
    delivery = read_answers(plain, path.name)
    delivery.problems = [f"{path.name}: {p}" for p in (*problems, *delivery.problems)]
    return delivery


@final
class FolderRig(OtherSide):
    """The rig's side of a folder exchange, as a program in any language would write the side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def next_block(self) -> tuple[dict[str, Any], dict[str, bytes]] | None:
        for path in sorted((self.folder / "blocks").glob("[!.]*.json")):
            if (self.folder / "answers" / f"{path.stem}.csv").exists():
                continue
            try:
                manifest = json.loads(path.read_bytes())
                names = {trial["file"] for trial in manifest["trials"]}
                images = {n[:-4]: (self.folder / "images" / n).read_bytes() for n in names}
            except FileNotFoundError:
                continue  # it was withdrawn just now
            return manifest, images
        return None

    def answer(self, block: str, answers: Sequence[RigAnswer]) -> None:
        text = io.StringIO()
        units = list(answers[0].responses)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*FIXED, *units])
        for answer in answers:
            values = [_word(answer.responses[unit]) for unit in units]
            writer.writerow([answer.trial, answer.image, answer.shown, *values])
        _put(self.folder / "answers" / f"{block}.csv", text.getvalue().encode())

    def beat(self) -> None:
        (self.folder / "beat").touch()


def _word(value: Any) -> str:
    return f"[{' '.join(f'{t:g}' for t in value)}]" if isinstance(value, tuple) else repr(value)
