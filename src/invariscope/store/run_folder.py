"""A run on disk.

`run.toml` settings · `journal.jsonl` one line a generation · `checkpoint.safetensors` ·
`front.parquet` and `front.safetensors` · `milestone.parquet` · `images/` · `outcome.json`,
written last. A run folder has one writer, which holds a lock on the journal.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.search.archive import COLUMNS, Front
from invariscope.search.run import Outcome
from invariscope.store import version_0_1
from invariscope.store.files import make_folder, remove_file, replace_file, replace_tensors
from invariscope.store.hashes import hash_files, seal
from invariscope.store.journal import Journal
from invariscope.store.run_toml import FILE, note_context, read_settings, write_settings
from invariscope.store.settings import RunSettings

CHECKPOINT = "checkpoint.safetensors"
GENERATION = "strategy.generation"
CHECKPOINT_SECONDS = 10.0
CHECKPOINT_GENERATIONS = 25
FRONT_FILES = ("front.parquet", "front.safetensors")
HASHED = ("*.toml", "*.jsonl", "*.parquet", "*.safetensors", "images/*.png")
RESULT = ("outcome.json", "front.parquet", "front.safetensors", "journal.jsonl")


def _digest(packed: dict[str, Tensor]) -> str:
    """Hash names, types, shapes and bytes of tensors, as hex sha256."""
    digest = hashlib.sha256()
    for name in sorted(packed):
        tensor = packed[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_checkpoint(path: Path, run: str) -> tuple[dict[str, Tensor], str | None]:
    """Read the tensors of a checkpoint, and the hash of its journal; version 0.1 kept no hash.

    Args:
        path: the file.
        run: the name of the run that the checkpoint must belong to.

    Raises:
        StoreError: the file is damaged, or of another run.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            packed = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        whole = _digest(packed)
        if int(packed[GENERATION]) < 0 or about.get("sha256", whole) != whole:
            raise ValueError("its content does not match its sha256")  # noqa: TRY301
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise StoreError(f"{str(path)!r} is damaged; delete it to start the run again") from error
    if (owner := about.get("run")) != run:
        raise StoreError(
            f"{str(path)!r} belongs to another run ({str(owner)[:12]}; expected {run[:12]}); put "
            "the right one back, or delete it to start the run again"
        )
    return version_0_1.checkpoint(packed), about.get("journal")


def hashed_names(folder: Path, *, ended: bool) -> list[str]:
    """Name the files of a run to hash: all of an ended run, else the front's alone."""
    if not ended:
        return list(FRONT_FILES)
    found = {path for pattern in HASHED for path in folder.glob(pattern)}
    names = (path.relative_to(folder).as_posix() for path in found)
    return sorted(name for name in names if name != CHECKPOINT)


def front_table(front: Front, columns: Mapping[str, Tensor] | None = None) -> pd.DataFrame:
    """Make a front's table, a row a member: stretch, squeeze, activation, generation, candidate.

    Args:
        front: of a run.
        columns: `(members,)` each, added to the table.
    """
    table = pd.DataFrame(front.scores.double().numpy(), columns=list(COLUMNS))
    table = table.assign(generation=front.generation.numpy(), candidate=front.candidate.numpy())
    more = {name: values.double().numpy() for name, values in (columns or {}).items()}
    return table.assign(**more)


class RunFolder:
    """The writer of one run.

    Args:
        root: the folder that holds run folders.
        settings: of the run; its `folder_name` is the folder's.
        labels: a person's names of things; kept beside the settings, not part of the name.
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
        self._context = dict(context)
        self._checkpoint = self.path / CHECKPOINT
        self._journal = Journal(self.path / "journal.jsonl")
        self._saved = time.monotonic()
        try:
            self.resumed = (self.path / FILE).exists()
            for part in self.path.glob("*.part"):  # of a writer that was killed
                remove_file(part)
            if self.resumed:
                read_settings(self.path)
            else:
                write_settings(self.path, settings, labels, context)
        except StoreError:
            self._journal.close()
            raise

    def checkpoint_due(self, generation: int) -> bool:
        """Tell if the journal should be made safe now."""
        waited = time.monotonic() - self._saved > CHECKPOINT_SECONDS
        return waited or generation % CHECKPOINT_GENERATIONS == 0

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a generation to the journal, safe from power loss after `checkpoint`."""
        self._journal.append(line)

    def checkpoint(self, packed: dict[str, Tensor]) -> None:
        """Make the journal safe and write the tensors of `Search.snapshot`."""
        self._journal.sync()
        about = {"run": self.settings.name, "journal": self._journal.hash}
        replace_tensors(self._checkpoint, packed, {**about, "sha256": _digest(packed)})
        self._saved = time.monotonic()

    def restore(self) -> dict[str, Tensor] | None:
        """Read the last checkpoint and cut the journal to match; None where a run starts anew.

        Raises:
            StoreError: the checkpoint is damaged or of another run, or the journal is damaged
                or shorter; nothing was changed.
        """
        packed, journal = None, None
        if self._checkpoint.exists():
            packed, journal = read_checkpoint(self._checkpoint, self.settings.name)
        else:
            # A result must not stand beside the journal of a run that starts anew.
            remove_file(self.path / "outcome.json")
        kept = int(packed[GENERATION]) if packed else 0
        self._journal.cut(kept, journal)
        note_context(self.path, self._context, kept)
        return packed

    def finish(
        self,
        outcome: Outcome,
        *,
        seconds: float,
        tensors: Mapping[str, Tensor],
        columns: Mapping[str, Tensor],
    ) -> None:
        """Write the front and the outcome.

        Args:
            outcome: the run's end, or where it was interrupted.
            seconds: spent on it in this process.
            tensors: kept beside the front's codes (the reference's image and responses).
            columns: `(members,)` each, added to the front's table.
        """
        self._journal.sync()
        # An interrupted run has an outcome already, which must not stand beside newer files.
        remove_file(self.path / "outcome.json")
        whole = {"codes": outcome.front.codes, **tensors}
        if outcome.milestone:
            whole["milestone_codes"] = outcome.milestone.front.codes
            table = front_table(outcome.milestone.front)
            replace_file(self.path / "milestone.parquet", table.to_parquet)
        replace_tensors(self.path / "front.safetensors", whole)
        front = front_table(outcome.front, columns)
        replace_file(self.path / "front.parquet", front.to_parquet)
        ended = outcome.status != "interrupted"
        end = {
            "status": outcome.status,
            "generations": outcome.generations,
            "images": outcome.images,
            "milestone": outcome.milestone.generation if outcome.milestone else None,
            "bf16_generations": outcome.bf16_generations,
            "seconds": round(seconds, 3),
            "hashes": hash_files(self.path, hashed_names(self.path, ended=ended)),
        }
        text = json.dumps(seal(end)) + "\n"
        replace_file(self.path / "outcome.json", lambda path: path.write_text(text))
        if ended:
            remove_file(self._checkpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()
