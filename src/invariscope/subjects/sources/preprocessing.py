"""A library's own preprocessing, measured on plain colours and photos."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from invariscope.errors import InputError
from invariscope.photos.transform import PhotoRule, PhotoTransform

# One photo to the numbers that the network takes, `(channels, height, width)`.
Process = Callable[[Image.Image], NDArray[np.float32]]
SIZES = ((131, 97), (97, 131), (640, 310))
WIDE = 32  # a scale above it is of a network that takes values from 0 to 255


def library_preprocessing(
    name: str, process: Process, settings: str, rule: PhotoRule, declared: Sequence[Any] = ()
) -> dict[str, Any]:
    """Measure the arguments of `NetworkSubject` that repeat a library's preprocessing.

    Scale and offset are measured on photos of one colour, so whatever settings they come from.

    Args:
        name: of the network, for messages.
        process: the library's preprocessing.
        settings: tells its settings apart.
        rule: in words, what it does with a photo.
        declared: mean and standard deviation as the library declares them; these very numbers
            are taken where they are what it does.

    Raises:
        InputError: photos of several shapes, other channels than three, or anything that is no
            scale and offset a channel.
    """
    side = _side(name, process)
    black, white, grey = (_colour(name, process, (v, v, v)) for v in (0, 255, 128))
    scale = white - black
    order = _order(name, process, black, scale)
    if np.abs(black + scale * (128 / 255) - grey).max() > 1e-3 * np.abs(scale).max():
        raise InputError(f"the preprocessing of {name} is no scale and offset a channel")
    wide = 255.0 if float(scale.min()) > WIDE else 1.0
    std = [float(f"{x:.6g}") for x in wide / scale]
    mean = [float(f"{x:.6g}") for x in -black * wide / scale]
    if declared and wide == 1 and np.allclose([mean, std], declared, atol=2e-6):
        mean, std = (list(map(float, values)) for values in declared)
    to_network = (-1, 1, 1)
    low, span = black.reshape(to_network), scale.reshape(to_network)

    def photo(image: Image.Image) -> NDArray[np.uint8]:
        pixels = (process(image) - low) / span
        pixels = pixels[::-1] if order == "BGR" else pixels
        return np.rint(pixels.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)

    content = hashlib.sha256(settings.encode()).hexdigest()[:16]
    transform = PhotoTransform(content, photo)
    return {
        "image_size": side,
        "mean": mean,
        "std": std,
        "value_range": wide,
        "channels": order,
        "photo": PhotoRule(rule.resize, rule.interpolation, rule.crop, transform),
    }


def _numbers(name: str, process: Process, photo: Image.Image) -> NDArray[np.float32]:
    try:
        values = np.asarray(process(photo), np.float32)
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError, IndexError) as error:
        raise InputError(f"the preprocessing of {name} fails on a photo ({error!r})") from error
    if values.ndim != 3 or len(values) != 3:
        raise InputError(
            f"the preprocessing of {name} makes numbers of shape {values.shape} of a photo; "
            "expected 3 channels, height and width"
        )
    return values


def _side(name: str, process: Process) -> int:
    shapes = set()
    for width, height in SIZES:
        ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3).astype(np.uint8)
        first, again = (_numbers(name, process, Image.fromarray(ramp)) for _ in range(2))
        if not np.array_equal(first, again):
            raise InputError(f"the preprocessing of {name} differs from time to time")
        shapes.add(first.shape[1:])
    if len(shapes) > 1 or len(set(next(iter(shapes)))) > 1:
        raise InputError(
            f"the preprocessing of {name} makes images of {sorted(shapes)} pixels; expected one "
            "square size for every photo: set size and crop_size, or make the subject in a Python "
            "file"
        )
    return int(next(iter(shapes))[0])


def _colour(name: str, process: Process, colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """Read the numbers in the middle of a photo of one colour, `(3,)`."""
    side = max(map(max, SIZES))
    values = _numbers(name, process, Image.new("RGB", (side, side), colour))
    return values[:, values.shape[1] // 2, values.shape[2] // 2].astype(np.float64)


def _order(
    name: str, process: Process, black: NDArray[np.float64], scale: NDArray[np.float64]
) -> str:
    """Find the order of the channels: `RGB` or `BGR`."""
    if not bool((scale > 0).all()):
        raise InputError(f"the preprocessing of {name} gives black and white in no rising numbers")
    pure = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    shares = np.stack([(_colour(name, process, one) - black) / scale for one in pure])
    for order, expected in (("RGB", np.eye(3)), ("BGR", np.eye(3)[::-1])):
        if np.abs(shares - expected).max() < 1e-3:
            return order
    raise InputError(f"the preprocessing of {name} mixes colours; expected RGB or BGR")
