"""Where networks run, and how their memory is kept."""

import ctypes
import os
from contextlib import suppress
from typing import TypeVar

import torch
from torch import nn

from invariscope.errors import InputError

AnyModule = TypeVar("AnyModule", bound=nn.Module)

# glibc's mallopt: numbers of its parameters, and what they are set to, in bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Above the largest temporary of a part of a chunk (`search.measure`), below the largest weights of
# the published generators (64 MiB in float32), which go back to the system when they are freed.
LARGEST_KEPT = 60 * 2**20
MOST_KEPT = 512 * 2**20

# Pixels that pass through a network at once on a CPU, and the fewest images worth a pass: beyond,
# temporaries only grow (`benchmarks/README.md`, "Where a generation's time goes").
PART_PIXELS = 700_000
SMALLEST_PART = 8


def keep_freed_memory() -> bool:
    """Keep freed memory for the next temporary of the same process (glibc only).

    Above 32 MB glibc otherwise asks the system anew for each temporary of a network, and the
    system fills it with zeros first: a quarter of all processor time. Results stay the same bit
    for bit. The command and its workers call it at their start; in Python call it once, before
    the first network runs. A `MALLOC_…` or `GLIBC_TUNABLES` setting in the environment is left
    as it is.

    Returns:
        Whether it was set; False with another C library.

    Example:
        >>> import invariscope as iv
        >>> kept = iv.keep_freed_memory()
    """
    tuned = any(name.startswith("MALLOC_") for name in os.environ)
    if tuned or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  (only glibc has it)
        mallopt = library.mallopt
        return bool(mallopt(_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, MOST_KEPT))
    return False


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
    """The module on the device, channels-last: the order in which convolutions are fast.

    A module with weights of five dimensions, as of a convolution over time, has no such order.
    """
    module = module.to(device)
    if any(weight.ndim > 4 for weight in module.parameters()):
        return module
    return module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def part_of_batch(images: int, side: int, device: torch.device) -> int:
    """How many images of a batch a network takes at once, so that temporaries stay small.

    On a CPU equal parts of at most `PART_PIXELS`, on other devices the whole batch. It depends on
    nothing but the batch, so the shape that a network sees, and with it the last digits, do too.

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
