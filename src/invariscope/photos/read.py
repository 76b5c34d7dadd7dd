"""One photo file as 8-bit RGB, from any kind of file; unreadable files are named plainly."""

import struct
import zlib
from enum import Flag, auto
from pathlib import Path

import numpy as np
import torch
from PIL import (  # noqa: F401  (importing a plugin is what makes its format known)
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from torch import Tensor

from invariscope.errors import InputError
from invariscope.plurals import number_of

# Pillow decodes these itself; the others, such as EPS, start programs or are no photos.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
MOST_PIXELS = 89_478_485  # Pillow's own bound against files that unpack to fill the memory
ORIENTATION = 0x0112  # the EXIF entry: 1 upright, 2 … 8 turned or mirrored
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
    Warning,  # where warnings are errors
)


class Kind(Flag):
    """How a photo differs from plain 8-bit RGB; several can hold."""

    PLAIN = 0
    GREY = auto()
    CMYK = auto()
    PALETTE = auto()
    TRANSPARENT = auto()
    SIXTEEN_BIT = auto()
    SEVERAL_FRAMES = auto()
    TURNED = auto()
    UNREADABLE = auto()


class UnreadablePhoto(InputError):  # noqa: N818  (what it is, in a sentence)
    """A photo that cannot be used.

    Attributes:
        reason: why, in a few words that are the same for every photo of this kind.
    """

    def __init__(self, path: Path, reason: str, advice: str) -> None:
        super().__init__(f"photo {str(path)!r} cannot be used: {reason}; {advice}")
        self.reason = reason


def read_photo(path: str | Path, *, most_pixels: int = MOST_PIXELS) -> Tensor:
    """Read one photo file as RGB.

    Grey values go to all three channels, CMYK is converted, 16 bits are scaled to 8,
    transparent pixels are laid over white, the photo is turned as its EXIF entry says, and of
    several frames the first is taken.

    Args:
        path: JPEG, PNG, BMP, WebP, TIFF, GIF, PPM or PGM.
        most_pixels: a larger photo is refused before it is unpacked.

    Returns:
        `(3, height, width)` uint8.

    Raises:
        UnreadablePhoto: missing, no image, damaged, cut off, too large, or of numbers whose
            range is not known.
    """
    photo, _ = open_photo(Path(path), most_pixels)
    return torch.from_numpy(np.array(photo)).permute(2, 0, 1)


def open_photo(path: Path, most_pixels: int = MOST_PIXELS) -> tuple[Image.Image, Kind]:
    """Open one photo file as an RGB image, and tell how the file was changed for that."""
    try:
        with Image.open(path, formats=FORMATS) as file:
            return _opened(path, file, most_pixels)
    except UnreadablePhoto:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, most_pixels) from error
    except FileNotFoundError as error:
        raise UnreadablePhoto(path, "no such file", "give a JPEG or PNG file") from error
    except UnidentifiedImageError as error:
        raise UnreadablePhoto(path, "not an image", "give a JPEG or PNG file") from error
    except _BROKEN as error:
        if isinstance(error, OSError) and error.strerror:  # of the disk, not of the content
            raise UnreadablePhoto(path, error.strerror, "make the file readable") from error
        reason = "truncated" if "truncated" in str(error) else "damaged"
        raise UnreadablePhoto(path, reason, "copy it again from where it came from") from error


def _opened(path: Path, file: Image.Image, most_pixels: int) -> tuple[Image.Image, Kind]:
    if file.width * file.height > most_pixels:
        raise _too_large(path, most_pixels)
    kind = _kind(file)
    file.load()
    photo = file
    if file.getexif().get(ORIENTATION, 1) in range(2, 9):
        kind |= Kind.TURNED
        photo = ImageOps.exif_transpose(file)
    return _rgb(path, photo), kind


def _too_large(path: Path, most_pixels: int) -> UnreadablePhoto:
    return UnreadablePhoto(
        path, f"larger than {number_of(most_pixels, 'pixel')}", "make it smaller first"
    )


def _kind(file: Image.Image) -> Kind:
    kind = Kind.PLAIN
    if file.mode in ("1", "L", "LA", "I", "F") or file.mode.startswith("I;16"):
        kind |= Kind.GREY
    if file.mode == "CMYK":
        kind |= Kind.CMYK
    if file.mode in ("P", "PA"):
        kind |= Kind.PALETTE
    if file.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in file.info:
        kind |= Kind.TRANSPARENT
    if file.mode == "I" or file.mode.startswith("I;16"):
        kind |= Kind.SIXTEEN_BIT
    if file.format != "MPO" and getattr(file, "is_animated", False):  # MPO: previews, no frames
        kind |= Kind.SEVERAL_FRAMES
    return kind


def _rgb(path: Path, photo: Image.Image) -> Image.Image:
    if photo.mode == "RGB" and "transparency" not in photo.info:
        return photo
    if photo.mode == "F":
        raise UnreadablePhoto(
            path, "floating-point numbers of unknown range", "save it with 8 or 16 bits"
        )
    if photo.mode == "I" or photo.mode.startswith("I;16"):
        values = np.array(photo).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadablePhoto(
                path, "32-bit numbers of unknown range", "save it with 8 or 16 bits"
            )
        grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))
        return grey.convert("RGB")
    if photo.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in photo.info:
        seen = photo.convert("RGBA")
        ground = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, seen).convert("RGB")
    return photo.convert("RGB")
