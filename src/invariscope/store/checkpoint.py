"""What a search needs to go on, in one file that knows its run."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.store import version_0_1
from invariscope.store.files import replace_tensors

GENERATION = "strategy.generation"


def write_checkpoint(path: Path, run: str, packed: dict[str, Tensor], journal: str) -> None:
    """Keep what `Search.snapshot` gave of the run with that name, and its journal's hash."""
    replace_tensors(path, packed, {"run": run, "journal": journal, "sha256": _digest(packed)})


def _digest(packed: dict[str, Tensor]) -> str:
    """Hex sha256 of tensors: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(packed):
        tensor = packed[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check(packed: dict[str, Tensor], about: dict[str, str]) -> None:
    whole = _digest(packed)
    if int(packed[GENERATION]) < 0 or about.get("sha256", whole) != whole:
        raise ValueError("its content does not match its sha256")


def read_checkpoint(path: Path, run: str) -> tuple[dict[str, Tensor], str | None]:
    """The tensors of a checkpoint, and the hash of its journal; version 0.1 kept none.

    Raises:
        StoreError: it is damaged, or of another run.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            owner = about.get("run")
            packed = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        _check(packed, about)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise StoreError(f"{str(path)!r} is damaged; delete it to start the run again") from error
    if owner != run:
        raise StoreError(
            f"{str(path)!r} belongs to another run ({str(owner)[:12]}; expected {run[:12]}); put "
            "the right one back, or delete it to start the run again"
        )
    return version_0_1.checkpoint(packed), about.get("journal")
