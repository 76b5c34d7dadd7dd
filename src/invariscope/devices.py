"""Where networks run."""

from typing import TypeVar

import torch
from torch import nn

from invariscope.errors import InputError

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; `auto` is cuda, else mps, else cpu.

    Raises:
        InputError: this machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # `meta` holds no values
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {name!r} cannot be used here; expected auto, cpu, cuda, cuda:N or mps"
        ) from error
    return device


def place(module: AnyModule, device: torch.device | str) -> AnyModule:
    """The module on the device, channels-last: the order in which convolutions are fast."""
    return module.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
