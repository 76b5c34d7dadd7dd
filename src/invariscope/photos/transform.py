"""A library's own way from a photo to an image of a network's size."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from invariscope.errors import InputError


@dataclass(frozen=True)
class PhotoTransform:
    """A library's transform of a photo, up to standardisation.

    Attributes:
        content: tells transformations apart (their settings, as text).
        function: takes an RGB photo and gives `(side, side, 3)` uint8.
    """

    content: str
    function: Callable[[Image.Image], NDArray[np.uint8]] = field(repr=False, compare=False)

    def __call__(self, photo: Image.Image, side: int) -> NDArray[np.uint8]:
        """Transform the photo into an image of `side` × `side` pixels.

        Raises:
            InputError: the library makes an image of another size.
        """
        pixels = self.function(photo)
        if pixels.shape != (side, side, 3):
            raise InputError(
                f"the network's library makes an image of shape {pixels.shape} of a photo of "
                f"{photo.width} × {photo.height} px; expected {(side, side, 3)}"
            )
        return pixels
