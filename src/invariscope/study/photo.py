"""Photos as references: the centred square, resized to what the subject sees."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from invariscope.errors import InputError
from invariscope.sns.reference import Reference, image_reference


def read_photo(path: Path, size: int) -> Reference:
    """A reference from a photo's own pixels.

    Raises:
        InputError: no such file, or one that is not an image.
    """
    try:
        with Image.open(path) as picture:
            fitted = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{str(path)!r} cannot be read as an image ({error})") from error
    pixels = torch.from_numpy(np.array(fitted)).permute(2, 0, 1).float() / 255
    return image_reference(pixels, size)
