"""Finished runs as tables and tensors, for analysis and report."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.search.archive import COLUMNS
from invariscope.store import version_0_1
from invariscope.store.hashes import SEAL, Hash, damaged_files, parse_hashes, unseal
from invariscope.store.journal import read_journal
from invariscope.store.run_toml import read_settings
from invariscope.store.settings import RunSettings

FRONT_IMAGES = "front_images"
READ = ("run.toml", "front.parquet", "front.safetensors", "journal.jsonl")
REPAIR = "move the run away to redo it"


@dataclass(frozen=True)
class RunRecord:
    """A run as its folder holds the settings, journal and front.

    Attributes:
        path: the run's folder.
        settings: of the run.
        labels: a person's names of subject, generator and unit.
        context: the numeric context at the beginning.
        context_changes: each later context, with the first `generation` computed there; empty
            where the result repeats bit for bit on the CPU.
        outcome: status, generations, images, milestone, seconds.
        journal: a line for each generation.
        front: a row for each member, from the smallest stretch to the largest.
        tensors: `codes` `(members, code_dim)`; of a rig, the shown images as `front_images`
            `(members, 3, h, w)`; the reference's `reference_image` `(3, h, w)` and
            `reference_activity` `(units,)`; `probe` `(8, 3)`, scores of images by which subject
            and generator are known again.
    """

    path: Path
    settings: RunSettings
    labels: dict[str, Any]
    context: dict[str, Any]
    context_changes: list[dict[str, Any]]
    outcome: dict[str, Any]
    journal: list[dict[str, Any]] = field(repr=False)
    front: pd.DataFrame = field(repr=False)
    tensors: dict[str, Tensor] = field(repr=False)

    @property
    def name(self) -> str:
        return self.settings.name


def read_outcome(folder: Path) -> tuple[dict[str, Any], dict[str, Hash]]:
    """Read a run's outcome and the hashes of its files; version 0.1 kept no hashes.

    Raises:
        FileNotFoundError: the run has no result.
        StoreError: the file is damaged.
    """
    path = folder / "outcome.json"
    try:
        return _parse_outcome(json.loads(path.read_bytes()))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(f"{str(path)!r} is damaged; {REPAIR}") from error


def _parse_outcome(document: Any) -> tuple[dict[str, Any], dict[str, Hash]]:
    outcome = unseal(document)
    if "hashes" in outcome and SEAL not in document:
        raise ValueError("expected the sha256 of its content")
    hashes = parse_hashes(outcome.pop("hashes", {}))
    counts = [outcome["generations"], outcome["images"], outcome["milestone"] or 0]
    whole = all(isinstance(n, int) and n >= 0 for n in counts)
    if not (whole and isinstance(outcome["status"], str) and outcome["seconds"] >= 0):
        raise ValueError("expected status, generations, images, milestone and seconds")
    return outcome, hashes


def _check_files(folder: Path, hashes: dict[str, Hash]) -> None:
    present = [name for name in READ if (folder / name).exists()]
    if damaged := damaged_files(folder, hashes, present):
        raise StoreError(f"{str(folder / damaged[0])!r} is damaged; {REPAIR}")


def load_run(folder: Path) -> RunRecord:
    """Read a run that has ended or was interrupted, and check its files' hashes.

    Raises:
        StoreError: the folder holds no run, a run without a result, or a damaged run.
    """
    document = read_settings(folder)
    try:
        outcome, hashes = read_outcome(folder)
        _check_files(folder, hashes)
        front = _front(folder)
        tensors = load_file(folder / "front.safetensors")
        journal = read_journal(folder / "journal.jsonl")
    except FileNotFoundError as error:
        raise StoreError(f"run {folder.name!r} has no result yet; start it again to go on") from (
            error
        )
    except StoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise StoreError(
            f"the result of run {folder.name!r} is damaged; move the run away to redo it"
        ) from error
    return RunRecord(
        path=folder,
        settings=RunSettings(**document["settings"]),
        labels=document["labels"],
        context=document["context"],
        context_changes=document["context_changes"],
        outcome=outcome,
        journal=journal,
        front=front,
        tensors=tensors,
    )


def _front(folder: Path) -> pd.DataFrame:
    """Read the table of a front, and check the columns that every reader needs."""
    front = version_0_1.table(pd.read_parquet(folder / "front.parquet"))
    for name in (*COLUMNS, "generation", "candidate"):
        front[name].to_numpy(float)
    return front


def run_folders(root: Path) -> list[Path]:
    """List the run folders directly in `root` by name, or `root` itself as a run folder."""
    if (root / "run.toml").exists():
        return [root]
    return sorted(path.parent for path in root.glob("*/run.toml"))


def load_runs(root: Path) -> list[RunRecord]:
    """Load every run in a folder that has a result.

    Raises:
        StoreError: the folder is missing or holds no run with a result.
    """
    if not root.is_dir():
        raise StoreError(f"no folder {str(root)!r}; expected one that `sns`, `mei` or `demo` wrote")
    ended = [path for path in run_folders(root) if (path / "outcome.json").exists()]
    if not ended:
        raise StoreError(f"{str(root)!r} holds no run with a result")
    return [load_run(path) for path in ended]
