"""Pixels as a generator without weights: the code is the image."""

from typing import Any, final

import torch
from torch import Tensor

from invariscope import validate
from invariscope.generators.base import Generator

SIZE = 32
CONTRAST = 0.25  # what one unit of a code changes a pixel by; natural pixels have about this SD
LARGEST = 128


@final
class PixelGenerator(Generator):
    """Each pixel is 0.5 plus a quarter of its number in the code, clipped to [0, 1].

    Args:
        size: height and width of the image, 1 … 128; a code has 3 · size² numbers.
        device: where images are made.
    """

    encodes = True

    def __init__(self, size: int = SIZE, device: torch.device | str = "cpu") -> None:
        validate.between("the size of a pixel generator", size, 1, LARGEST)
        self.name = f"pixels@{size}"
        self.image_size = size
        self.code_dim = 3 * size * size
        self.device = torch.device(device)

    def identity(self) -> dict[str, Any]:
        return {"kind": "pixels", "size": self.image_size, "contrast": CONTRAST}

    def _generate(self, codes: Tensor) -> Tensor:
        shape = (3, self.image_size, self.image_size)
        return 0.5 + CONTRAST * codes.unflatten(1, shape)

    def _encode(self, images: Tensor) -> Tensor:
        return (images.flatten(1) - 0.5) / CONTRAST
