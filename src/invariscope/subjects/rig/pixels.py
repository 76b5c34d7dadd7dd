"""The images that a rig shows: 8 bits a channel, PNG, named by their content."""

import hashlib
import io
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

WORKERS = 4  # zlib works outside the interpreter's lock
FASTEST = 1  # and matches are not looked for: a third less time, and smaller files


def as_shown(images: Tensor) -> Tensor:
    """Round images in [0, 1] to 8 bits as a display does, `(n, 3, h, w)` float32."""
    return images.mul(255).round_().clamp_(0, 255).div_(255)


def in_bytes(images: Tensor) -> np.ndarray:
    """Convert images `(n, 3, h, w)` in [0, 1] to 8-bit pixels `(n, h, w, 3)`."""
    whole = images.detach().mul(255).round_().clamp_(0, 255).to(torch.uint8).cpu()
    return whole.permute(0, 2, 3, 1).contiguous().numpy()


def pixel_name(pixels: np.ndarray) -> str:
    """Name an image `(h, w, 3)` from its 8-bit pixels alone."""
    shape = "x".join(map(str, pixels.shape))
    return hashlib.sha256(shape.encode() + pixels.tobytes()).hexdigest()[:16]


def image_names(images: Tensor) -> list[str]:
    """Name each image `(n, 3, h, w)` in [0, 1] by its pixels."""
    return [pixel_name(pixels) for pixels in in_bytes(images)]


def _encode(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(
        file, "PNG", compress_level=FASTEST, compress_type=zlib.Z_HUFFMAN_ONLY
    )
    return file.getvalue()


def encode_images(pixels: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """PNG files of 8-bit images `(h, w, 3)`, by their names."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(pixels, pool.map(_encode, pixels.values()), strict=True))


def named_image(path: Path) -> Tensor:
    """Read a PNG file named by its pixels (`pixel_name`), as `decode_image` does.

    Raises:
        OSError: it is no image, damaged, or holds other pixels than its name says.
    """
    image = decode_image(path)
    if image_names(image[None])[0] != path.stem:
        raise OSError("other pixels than its name says")
    return image


def decode_image(content: bytes | Path) -> Tensor:
    """Decode a PNG file as `(3, h, w)` float32 in [0, 1].

    Raises:
        OSError: it is no image, or damaged.
    """
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    with Image.open(source) as image:
        pixels = np.array(image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
