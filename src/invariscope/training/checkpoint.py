"""Training checkpoints: nested dictionaries of tensors and numbers as one safetensors file."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.store.files import make_folder, replace_tensors

_TENSOR = "__tensor__"


def _split(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value.detach().contiguous().cpu()
        return {_TENSOR: path}
    if isinstance(value, dict):
        pairs = [(k, _split(v, f"{path}/{k}", tensors)) for k, v in value.items()]
        return {"__dict__": [[k, v] for k, v in pairs]}
    if isinstance(value, list | tuple):
        return [_split(v, f"{path}/{i}", tensors) for i, v in enumerate(value)]
    return value


def _join(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        return {k: _join(v, tensors) for k, v in value["__dict__"]}
    if isinstance(value, list):
        return [_join(v, tensors) for v in value]
    return value


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, texts, nested) whole or not at all."""
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_split(state, "", tensors))
    replace_tensors(make_folder(path.parent) / path.name, tensors, {"tree": tree})


def load(path: Path) -> dict[str, Any] | None:
    """Read the state that `save` wrote, or None where there is no such file.

    Raises:
        StoreError: the file is not a checkpoint of this kind, or a damaged one.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tree = (file.metadata() or {}).get("tree")
            # Shared storage must not leak between two loads of one file.
            tensors = {k: torch.clone(file.get_tensor(k)) for k in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise StoreError(f"{str(path)!r} is damaged; move it away to start anew") from error
    if tree is None:
        raise StoreError(f"{str(path)!r} is no training checkpoint; move it away to start anew")
    return _join(json.loads(tree), tensors)
