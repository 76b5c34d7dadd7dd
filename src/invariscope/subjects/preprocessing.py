"""Preprocessing: from an image in [0, 1] to a network's own range and channels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope.errors import InputError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LUMA = (0.299, 0.587, 0.114)  # of R, G, B: ITU-R BT.601, as Pillow's grey images
ORDERS = ("RGB", "BGR", "L")


def channel_numbers(name: str, values: float | Sequence[float], order: str) -> Tensor:
    """Shape one number, or one number a channel, as `(1, 1 or 3, 1, 1)` float32."""
    if order == "L" and (values is MEAN or values is STD):
        raise InputError(
            f"{name} of a network of one channel is not given; expected one number, in its own "
            "range (mean=0, std=1 where it takes the values as they are)"
        )
    numbers = torch.as_tensor(values, dtype=torch.float32).flatten()
    if len(numbers) not in ((1,) if order == "L" else (1, 3)) or not bool(numbers.isfinite().all()):
        expected = "one number" if order == "L" else "one number, or three"
        raise InputError(f"{name} is {values}; expected {expected}")
    return numbers.view(1, -1, 1, 1)


def _spread(numbers: Tensor, seen: Tensor) -> Tensor:
    """Repeat a number a channel over the places of images that lie channels last.

    Three numbers at a time fill a fraction of a processor's lanes; the quotients stay the same.
    """
    if numbers.shape[1] == 1 or not seen.is_contiguous(memory_format=torch.channels_last):
        return numbers
    wide = numbers.expand(1, *seen.shape[1:])
    return wide.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Preprocessing:
    """The change from an image in [0, 1] to a network's input.

    Attributes:
        channels: `RGB`, `BGR` or `L`.
        value_range: by which values are multiplied.
        mean, std: `(1, 1 or 3, 1, 1)`, subtracted and divided by then.
    """

    channels: str
    value_range: float
    mean: Tensor
    std: Tensor

    def apply(self, seen: Tensor) -> Tensor:
        """Bring images `(n, 3, side, side)` to the network's range and channels."""
        if self.channels == "BGR":
            seen = seen.flip(1)
        elif self.channels == "L":
            red, green, blue = LUMA
            seen = red * seen[:, :1] + green * seen[:, 1:2] + blue * seen[:, 2:]
        if self.value_range != 1:
            seen = seen * self.value_range
        mean, std = (_spread(numbers, seen) for numbers in (self.mean, self.std))
        return (seen - mean) / std
