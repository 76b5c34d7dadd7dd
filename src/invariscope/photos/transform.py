"""The way from a photo to an image of a network's size: a rule, or a library's own transform."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from invariscope import validate
from invariscope.errors import InputError

INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


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


@dataclass(frozen=True)
class PhotoRule:
    """How a photo becomes an image of a subject's size; generated images are resized whole.

    The shorter side is resized to `resize` pixels (antialiased, the other side in proportion,
    rounded down), then the middle square is cut out: what torchvision's `Resize` and `CenterCrop`
    do with an image.

    Attributes:
        resize: pixels of the shorter side, of which the middle square of the subject's size is
            then cut out.
        interpolation: `bilinear` or `bicubic`.
        crop: False where the whole photo is resized to the square, whatever its proportions.
        transform: the transformation of the network's own library, done instead where given.

    Raises:
        InputError: an unknown interpolation.

    Example:
        >>> import invariscope as iv
        >>> iv.PhotoRule(256, "bicubic").settings()["resize"]
        256
    """

    resize: int
    interpolation: str = "bilinear"
    crop: bool = True
    transform: PhotoTransform | None = None

    def __post_init__(self) -> None:
        validate.one_of("interpolation", self.interpolation, INTERPOLATIONS)

    def settings(self) -> dict[str, Any]:
        """Describe the rule as plain values, to tell passes over photos apart."""
        own = {"resize": self.resize, "interpolation": self.interpolation, "crop": self.crop}
        return own | ({"transform": self.transform.content} if self.transform else {})

    def pixels(self, photo: Image.Image, side: int) -> NDArray[np.uint8]:
        """Make the image of a photo, `(side, side, 3)`."""
        if self.transform is not None:
            return self.transform(photo, side)
        how = INTERPOLATIONS[self.interpolation]
        return np.asarray(crop_photo(photo, side, self.resize if self.crop else None, how))


def crop_photo(
    image: Image.Image, side: int, shorter: int | None, how: Image.Resampling
) -> Image.Image:
    """Crop the middle `side` × `side` pixels once the shorter side has `shorter` pixels.

    Without `shorter` the whole photo is resized to the square.
    """
    width, height = image.size
    if shorter is None:
        return image if (width, height) == (side, side) else image.resize((side, side), how)
    if min(width, height) != shorter:
        long = int(shorter * max(width, height) / min(width, height))
        image = image.resize((shorter, long) if width <= height else (long, shorter), how)
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return image.crop((left, top, left + side, top + side))
