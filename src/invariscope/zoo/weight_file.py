"""Files of weights: tensors by name, and whether an architecture has the same names.

Nothing in a file is ever run.
"""

import hashlib
import json
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from invariscope.errors import InputError, StoreError, unknown
from invariscope.zoo.registry import WeightEntry, shipped

SHOWN = 3  # names in a message
ROW_SCALE = "@scale"  # behind a tensor's name: what a row of its bytes is multiplied by
# Under which names files keep a state dict; averaged copies (EMA) beside them are other weights.
HOLDER = re.compile(
    r"(ema_)?(state_dict|model|model_state_dict|net|network|params|weights|module|last|best|"
    r"student|teacher)(_ema|_averaged)?|ema|ema_model|averaged_model"
)


def read_state(path: Path, part: str | None = None) -> dict[str, Tensor]:
    """Read the tensors of a weight file by name.

    Args:
        path: of the file.
        part: which state dict, where a torch file has several: `state_dict_ema`.

    Raises:
        InputError: several state dicts that differ and no part, or a part that is not there.
        StoreError: no such file, not a file of weights, or one that holds more than tensors.
    """
    if not path.is_file():
        raise StoreError(f"no weight file {str(path)!r}; give a .safetensors or a torch file")
    try:
        if path.suffix == ".safetensors":
            if part:
                raise InputError(f"{path.name} has no parts; leave '#{part}' away")
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle's version; what is read is checked
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise StoreError(
            f"{str(path)!r} is no torch file of tensors alone: it is damaged or holds Python "
            "objects, and reading those could run code; convert it once where you trust it: see "
            "docs/models.md, 'Other checkpoints'"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise StoreError(f"{str(path)!r} is no file of weights, or a damaged one") from error
    return _tensors(content, path, part)


def _tensors(content: Any, path: Path, part: str | None = None) -> dict[str, Tensor]:
    """Find the state dict inside a torch file's contents."""
    if isinstance(content, Mapping):
        held = {
            str(key): value
            for key, value in content.items()
            if isinstance(value, Mapping) and HOLDER.fullmatch(str(key)) and _has_tensors(value)
        }
        if part and part not in held:
            raise unknown(f"part of {path.name}", part, held)
        if part:
            return _tensors(held[part], path)
        if held:
            states = {key: _tensors(value, path) for key, value in held.items()}
            first = next(iter(states))
            if any(not _equal(states[first], state) for state in states.values()):
                raise InputError(
                    f"{path.name} holds several networks' weights ({', '.join(states)}), which "
                    f"differ; say which, as in {path.name}#{first}"
                )
            return states[first]
        tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
        if tensors:
            return tensors
    raise StoreError(f"{str(path)!r} holds no state dict; save model.state_dict()")


def _has_tensors(value: Mapping[Any, Any]) -> bool:
    return any(
        isinstance(one, Tensor) or (isinstance(one, Mapping) and _has_tensors(one))
        for one in value.values()
    )


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def check_state(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    """Make sure that weights have an architecture's names and shapes and are numbers.

    Args:
        state: the weights that arrived.
        expected: those of the architecture, on any device.
        source: what the weights are from, for the message.

    Raises:
        InputError: it names what is missing, left over, of another shape, or NaN.
    """
    faults = {
        "missing": [k for k in expected if k not in state],
        "unexpected": [k for k in state if k not in expected],
        "of another shape": [
            f"{k} {tuple(state[k].shape)}, expected {tuple(tensor.shape)}"
            for k, tensor in expected.items()
            if k in state and state[k].shape != tensor.shape
        ],
        "not finite": [
            k for k, v in state.items() if v.is_floating_point() and not bool(v.isfinite().all())
        ],
    }
    sentences = [
        f"{len(names)} {fault}: {', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''}"
        for fault, names in faults.items()
        if names
    ]
    if sentences:
        raise InputError(
            f"{source} does not hold the weights of this architecture; {'; '.join(sentences)}"
        )


def load_weights(entry: WeightEntry) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Load the tensors of a shipped file as float32, and its metadata.

    Raises:
        StoreError: the file is missing or not the one that was shipped.
    """
    with safe_open(shipped(entry), framework="pt") as file:
        metadata = json.loads((file.metadata() or {}).get("invariscope", "{}"))
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return _floats(tensors), metadata


def _floats(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn stored tensors into float32: float16, and bytes times the scales of rows."""
    out = {}
    for name, tensor in tensors.items():
        if name.endswith(ROW_SCALE):
            continue
        if tensor.dtype == torch.int8:
            scale = tensors[name + ROW_SCALE].float()
            out[name] = tensor.float() * scale.view(-1, *(1,) * (tensor.ndim - 1))
        else:
            out[name] = tensor.float() if tensor.dtype == torch.float16 else tensor
    return out


def weights_hash(module: nn.Module) -> str:
    """Hex sha256 of every parameter and buffer, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(raw.view(torch.uint8).numpy())
    return digest.hexdigest()
