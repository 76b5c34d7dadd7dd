"""The images that a rig shows: 8 bits a channel, PNG, named by their content."""

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

WORKERS = 4  # zlib works outside the interpreter's lock
FASTEST = 1


def as_shown(images: Tensor) -> Tensor:
    """Images in [0, 1] as they come out of 8 bits, `(n, 3, h, w)` float32."""
    return images.mul(255).round().clamp(0, 255).div(255)


def _bytes(images: Tensor) -> np.ndarray:
    whole = images.detach().cpu().mul(255).round().clamp(0, 255).to(torch.uint8)
    return whole.permute(0, 2, 3, 1).contiguous().numpy()


def _name(pixels: np.ndarray) -> str:
    shape = "x".join(map(str, pixels.shape))
    return hashlib.sha256(shape.encode() + pixels.tobytes()).hexdigest()[:16]


def image_names(images: Tensor) -> list[str]:
    """A name for each image `(n, 3, h, w)` in [0, 1], from its 8-bit pixels alone."""
    return [_name(pixels) for pixels in _bytes(images)]


def _encode(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=FASTEST)
    return file.getvalue()


def encode_images(images: Tensor, names: Sequence[str]) -> dict[str, bytes]:
    """PNG files of images `(n, 3, h, w)` in [0, 1], by their names; equal images once."""
    rows = dict(zip(names, _bytes(images), strict=True))
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(rows, pool.map(_encode, rows.values()), strict=True))


def decode_image(content: bytes | Path) -> Tensor:
    """A PNG file as `(3, h, w)` float32 in [0, 1].

    Raises:
        OSError: it is no image, or damaged.
    """
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    with Image.open(source) as image:
        pixels = np.array(image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
