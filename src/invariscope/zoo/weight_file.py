"""Files of weights: tensors by name, and whether they are the ones an architecture has.

Nothing in a file is ever run.
"""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from invariscope.errors import InputError, StoreError

SHOWN = 3  # names in a message
HOLDERS = ("state_dict", "model", "model_state_dict", "net", "last")


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file by name.

    Raises:
        StoreError: no such file, not a file of weights, or one that holds more than tensors.
    """
    if not path.is_file():
        raise StoreError(f"no weight file {str(path)!r}; give a .safetensors or a torch file")
    try:
        if path.suffix == ".safetensors":
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
    return _tensors(content, path)


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict inside what a torch file held."""
    if isinstance(content, Mapping):
        for holder in HOLDERS:
            if isinstance(content.get(holder), Mapping):
                return _tensors(content[holder], path)
        tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
        if tensors:
            return tensors
    raise StoreError(f"{str(path)!r} holds no state dict; save model.state_dict()")


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
    told = [
        f"{len(names)} {fault}: {', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''}"
        for fault, names in faults.items()
        if names
    ]
    if told:
        raise InputError(
            f"{source} does not hold the weights of this architecture; {'; '.join(told)}"
        )
