"""Files of weights: tensors by name, and whether they are the ones an architecture has."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from invariscope.errors import InputError, StoreError

SHOWN = 3  # names in a message


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file by name, on the CPU.

    Raises:
        StoreError: no such file, not a file of weights, or one that holds more than tensors.
    """
    if not path.is_file():
        raise StoreError(f"no weight file {str(path)!r}; give a .safetensors or a torch file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, AttributeError) as error:
        raise StoreError(
            f"{str(path)!r} is no torch file of tensors alone, and reading anything else could "
            "run code; save model.state_dict() as .safetensors where you trust it"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise StoreError(f"{str(path)!r} is no file of weights, or a damaged one") from error
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise StoreError(f"{str(path)!r} holds no state dict; save model.state_dict()")
    return {str(name): tensor for name, tensor in content.items()}


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
