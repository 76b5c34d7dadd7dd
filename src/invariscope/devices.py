"""Devices of networks."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from invariscope.errors import InputError

AnyModule = TypeVar("AnyModule", bound=nn.Module)

# Pixels that pass through a network at once on a CPU, and the fewest images worth a pass: beyond,
# temporaries only grow (`benchmarks/README.md`, "Where a generation's time goes").
PART_PIXELS = 700_000
SMALLEST_PART = 8


def pick_device(name: str = "auto") -> torch.device:
    """Pick a device by name; `auto` is cuda, else mps, else cpu.

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
    """Move a module to a device, channels-last, the fast order for convolutions.

    A module with weights of five dimensions, as of a convolution over time, has no such order.
    """
    module = module.to(device)
    if any(weight.ndim > 4 for weight in module.parameters()):
        return module
    return module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def upload(values: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor of the CPU to a device without waiting for the device.

    To a GPU torch otherwise waits until all earlier work is done, since the memory is not pinned.
    """
    return values.to(device, non_blocking=torch.device(device).type == "cuda")


def part_of_batch(images: int, side: int, device: torch.device) -> int:
    """Choose how many images of a batch pass at once, so that temporaries stay small.

    On a CPU equal parts of at most `PART_PIXELS`, on other devices the whole batch. The choice
    depends on nothing but the batch, and so do the shape that a network sees and the last digits.

    Args:
        images: in the batch.
        side: height and width of an image in pixels.
        device: where the network runs.

    Returns:
        A divisor of `images`; all of them where no divisor from 8 on is small enough.

    Example:
        >>> part_of_batch(50, 224, torch.device("cpu"))
        10
    """
    if device.type != "cpu" or images * side * side <= PART_PIXELS:
        return images
    most = PART_PIXELS // (side * side)
    sizes = (size for size in range(most, SMALLEST_PART - 1, -1) if images % size == 0)
    return next(sizes, images)
