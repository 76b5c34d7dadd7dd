"""A run on disk.

`run.toml` settings · `journal.jsonl` one line a generation · `checkpoint.safetensors` ·
`front.parquet` and `front.safetensors` · `milestone.parquet` · `images/` · `outcome.json`,
written last. A run folder has one writer, which holds a lock on the journal.
"""

import fcntl
import json
import os
import time
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

import pandas as pd
import tomli_w
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.search.archive import COLUMNS, Front
from invariscope.search.run import Outcome
from invariscope.store.files import make_folder, replace_file
from invariscope.store.settings import RunSettings, without_none

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_GENERATIONS = 25


def front_table(front: Front) -> pd.DataFrame:
    """One row a member: stretch, squeeze, activation, generation, place."""
    table = pd.DataFrame(front.scores.double().numpy(), columns=list(COLUMNS))
    return table.assign(generation=front.generation.numpy(), place=front.place.numpy())


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; a last line that was cut off is left out."""
    lines = []
    for text in path.read_bytes().split(b"\n")[:-1]:
        try:
            lines.append(json.loads(text))
        except ValueError as error:
            raise StoreError(
                f"{str(path)!r} is damaged at line {len(lines) + 1}; move the run away to redo it"
            ) from error
    return lines


class RunFolder:
    """The writer of one run.

    Args:
        root: the folder that holds run folders.
        settings: of the run; its `folder_name` is the folder's.
        labels: what a person calls things; kept beside the settings, not part of the name.
        context: the numeric context.

    Raises:
        StoreError: the folder cannot be written, its settings were changed, or another process
            writes this run.
    """

    def __init__(
        self,
        root: Path,
        settings: RunSettings,
        labels: Mapping[str, Any],
        context: Mapping[str, Any],
    ) -> None:
        self.path = make_folder(root / settings.folder_name)
        self.settings = settings
        self.resumed = (self.path / "run.toml").exists()
        self._journal = self._lock()
        self._saved = time.monotonic()
        try:
            self._settle(labels, context)
        except StoreError:
            self._journal.close()
            raise

    def _lock(self) -> BinaryIO:
        """The journal, open at its end and locked."""
        try:
            journal = (self.path / "journal.jsonl").open("ab")
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            journal.close()
            raise StoreError(
                f"another process is writing {str(self.path)!r}; wait for it or choose another "
                "--out"
            ) from error
        return journal

    def _settle(self, labels: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        """Write `run.toml`, or make sure that the one that is there was not changed."""
        if self.resumed:
            read_settings(self.path)
            return
        document = {
            "name": self.settings.name,
            "settings": self.settings.model_dump(mode="json"),
            "labels": dict(labels),
            "context": dict(context),
        }
        text = tomli_w.dumps(without_none(document))
        replace_file(self.path / "run.toml", lambda path: path.write_text(text))

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(f"cannot write the journal of {str(self.path)!r}: {error.strerror}")

    def _sync(self) -> None:
        try:
            os.fsync(self._journal.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def checkpoint_due(self, generation: int) -> bool:
        """Whether the journal should be made safe now."""
        waited = time.monotonic() - self._saved > CHECKPOINT_SECONDS
        return waited or generation % CHECKPOINT_GENERATIONS == 0

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a generation to the journal; it is safe from a crash after `checkpoint`."""
        try:
            self._journal.write(json.dumps(line).encode() + b"\n")
            self._journal.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def checkpoint(self, packed: dict[str, Tensor]) -> None:
        """Make the journal safe and keep what `Search.snapshot` gave."""
        self._sync()
        whole = {key: value.contiguous() for key, value in packed.items()}
        replace_file(self.path / "checkpoint.safetensors", lambda path: save_file(whole, path))
        self._saved = time.monotonic()

    def restore(self) -> dict[str, Tensor] | None:
        """The last checkpoint, with the journal cut to it; None where a run starts anew."""
        path = self.path / "checkpoint.safetensors"
        if not path.exists():
            os.ftruncate(self._journal.fileno(), 0)
            return None
        try:
            packed = load_file(path)
            kept = int(packed["strategy.generation"])
        except (SafetensorError, KeyError) as error:
            raise StoreError(
                f"{str(path)!r} is damaged; delete it to start the run again"
            ) from error
        lines = (self.path / "journal.jsonl").read_bytes().split(b"\n")
        if len(lines) - 1 < kept:
            raise StoreError(f"the journal of {str(self.path)!r} lacks generations; redo the run")
        os.ftruncate(self._journal.fileno(), sum(len(line) + 1 for line in lines[:kept]))
        return packed

    def finish(
        self,
        outcome: Outcome,
        *,
        seconds: float,
        tensors: Mapping[str, Tensor],
        columns: Mapping[str, Tensor],
    ) -> None:
        """Keep the front and how the run ended.

        Args:
            outcome: the run's end, or where it was interrupted.
            seconds: spent on it in this process.
            tensors: kept beside the front's codes (the reference's image and responses).
            columns: `(members,)` each, added to the front's table.
        """
        self._sync()
        # An interrupted run has an outcome already, which must not stand beside newer files.
        (self.path / "outcome.json").unlink(missing_ok=True)
        whole = {"codes": outcome.front.codes, **tensors}
        if outcome.milestone:
            whole["milestone_codes"] = outcome.milestone.front.codes
            table = front_table(outcome.milestone.front)
            replace_file(self.path / "milestone.parquet", table.to_parquet)
        contiguous = {key: value.contiguous() for key, value in whole.items()}
        replace_file(self.path / "front.safetensors", lambda p: save_file(contiguous, p))
        front = front_table(outcome.front).assign(
            **{name: values.double().numpy() for name, values in columns.items()}
        )
        replace_file(self.path / "front.parquet", front.to_parquet)
        end = {
            "status": outcome.status,
            "generations": outcome.generations,
            "images": outcome.images,
            "milestone": outcome.milestone.generation if outcome.milestone else None,
            "seconds": round(seconds, 3),
        }
        text = json.dumps(end) + "\n"
        replace_file(self.path / "outcome.json", lambda path: path.write_text(text))
        if outcome.status != "interrupted":
            (self.path / "checkpoint.safetensors").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # This gives the lock back. A line that could not be written was reported by `append`.
        with suppress(OSError):
            self._journal.close()


def read_settings(folder: Path) -> dict[str, Any]:
    """The content of a run's `run.toml`.

    Raises:
        StoreError: it is missing, damaged, or its settings were changed.
    """
    path = folder / "run.toml"
    try:
        document = tomllib.loads(path.read_text())
        settings = RunSettings(**document["settings"])
        name, _, _ = (document[key] for key in ("name", "labels", "context"))
    except FileNotFoundError as error:
        raise StoreError(f"{str(folder)!r} holds no run (no run.toml)") from error
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{str(path)!r} is damaged; move the run away to redo it") from error
    if settings.name != name:
        raise StoreError(
            f"{str(path)!r} was changed after the run: its settings no longer give its name"
        )
    return document
