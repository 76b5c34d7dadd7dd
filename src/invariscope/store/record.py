"""Finished runs as tables and tensors: what analysis and report read."""

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
    """One run as its folder has it.

    Attributes:
        path: the run's folder.
        settings: what it was asked.
        labels: what a person calls subject, generator and unit.
        context: the numeric context it began in.
        context_changes: each other context it went on in, with the first `generation` computed
            in it; empty where its result repeats bit for bit on the CPU.
        outcome: status, generations, images, milestone, seconds.
        journal: one line a generation.
        front: one row a member, from the smallest stretch to the largest.
        tensors: `codes` `(members, code_dim)`; where images were shown on a rig, they as
            `front_images` `(members, 3, h, w)`; the reference's `reference_image` `(3, h, w)` and
            `reference_activity` `(units,)`; `probe` `(8, 3)`, what subject and generator scored
            on images by which they are known again.
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
    """How a run ended, and the hashes of its files; version 0.1 kept none.

    Raises:
        FileNotFoundError: it has no result.
        StoreError: it is damaged.
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
    there = [name for name in READ if (folder / name).exists()]
    if damaged := damaged_files(folder, hashes, there):
        raise StoreError(f"{str(folder / damaged[0])!r} is damaged; {REPAIR}")


def load_run(folder: Path) -> RunRecord:
    """Read a run that has ended or was interrupted; what is read is held to its hashes.

    Raises:
        StoreError: the folder holds no run, one without a result, or a damaged one.
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
    """The table of a front, with the numbers that everyone reads."""
    front = version_0_1.table(pd.read_parquet(folder / "front.parquet"))
    front[[*COLUMNS, "generation", "candidate"]].to_numpy(float)
    return front


def run_folders(root: Path) -> list[Path]:
    """The run folders directly in `root`, or `root` itself if it is one, by name."""
    if (root / "run.toml").exists():
        return [root]
    return sorted(path.parent for path in root.glob("*/run.toml"))


def load_runs(root: Path) -> list[RunRecord]:
    """Every run in a folder that has a result.

    Raises:
        StoreError: the folder is missing or holds no run with a result.
    """
    if not root.is_dir():
        raise StoreError(f"no folder {str(root)!r}; expected one that `sns`, `mei` or `demo` wrote")
    ended = [path for path in run_folders(root) if (path / "outcome.json").exists()]
    if not ended:
        raise StoreError(f"{str(root)!r} holds no run with a result")
    return [load_run(path) for path in ended]
