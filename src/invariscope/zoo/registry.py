"""What can be loaded by name: the embedded weights, with checksum, licence and origin."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from invariscope.errors import StoreError, unknown

WEIGHTS = Path(str(files("invariscope.zoo"))) / "weights"


@dataclass(frozen=True)
class Entry:
    """One file of weights that the package ships.

    Attributes:
        name: how a person calls it.
        kind: `classifier` or `generator`.
        file: its name in the package's `zoo/weights`.
        sha256: of the file.
        licence: under which it is given.
        card: the model card beside it.
    """

    name: str
    kind: str
    file: str
    sha256: str
    licence: str
    card: str

    @property
    def path(self) -> Path:
        return WEIGHTS / self.file


@cache
def entries() -> dict[str, Entry]:
    """Every shipped file by name, from `zoo/weights/index.json`."""
    index = json.loads((WEIGHTS / "index.json").read_text())
    return {item["name"]: Entry(**item) for item in index}


def find(name: str, kind: str) -> Entry:
    """The entry of that name and kind.

    Raises:
        InputError: there is none.
    """
    known = {key: entry for key, entry in entries().items() if entry.kind == kind}
    if name not in known:
        raise unknown(kind, name, known)
    return known[name]


def file_hash(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_hash(module: nn.Module) -> str:
    """Hex sha256 of every parameter and buffer, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(raw.view(torch.uint8).numpy())
    return digest.hexdigest()


def load_weights(entry: Entry) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a shipped file as float32, and its metadata.

    Raises:
        StoreError: the file is missing or not the one that was shipped.
    """
    if not entry.path.exists() or file_hash(entry.path) != entry.sha256:
        raise StoreError(
            f"{str(entry.path)!r} is not the file that was shipped; reinstall invariscope"
        )
    with safe_open(entry.path, framework="pt") as file:
        metadata = json.loads((file.metadata() or {}).get("invariscope", "{}"))
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    floats = {k: v.float() if v.dtype == torch.float16 else v for k, v in tensors.items()}
    return floats, metadata
