"""Checks of a user's input; each raises an error of one sentence."""

import dataclasses
import math
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from invariscope.errors import InputError, unknown

if TYPE_CHECKING:
    from torch import Tensor

WORDS = {
    "float": "a finite number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "text",
}


def one_of(kind: str, arrived: str, valid: Iterable[str]) -> str:
    """Return a valid name, or raise an `InputError` with the nearest names."""
    names = list(valid)
    if arrived not in names:
        raise unknown(kind, arrived, names)
    return arrived


def at_least(name: str, arrived: float, smallest: float) -> None:
    """Raise an `InputError` for a number below `smallest`."""
    if not arrived >= smallest:
        raise InputError(f"{name} is {arrived}; expected at least {smallest}")


def above(name: str, arrived: float, bound: float) -> None:
    """Raise an `InputError` for a number that is not above `bound`."""
    if not arrived > bound:
        raise InputError(f"{name} is {arrived}; expected a number above {bound}")


def between(name: str, arrived: float, smallest: float, largest: float) -> None:
    """Raise an `InputError` for a number outside [`smallest`, `largest`]."""
    if not smallest <= arrived <= largest:
        raise InputError(f"{name} is {arrived}; expected a number from {smallest} to {largest}")


def fields_of(what: str, settings: Any) -> None:
    """Raise an `InputError` for a field that is not of its annotation's kind.

    Annotations of `float` take whole numbers too, none take NaN or infinity; a field of another
    kind than numbers, words, `bool` and tuples is not checked.

    Args:
        what: the settings in words, for messages.
        settings: a dataclass.
    """
    kinds = get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        value, kind = getattr(settings, field.name), kinds[field.name]
        if not _is_of(value, kind):
            said = getattr(kind, "__name__", "") if isinstance(kind, type) else str(kind)
            raise InputError(
                f"{field.name} is {value!r}; expected {WORDS.get(said, said)}, for {what}"
            )


def _is_of(value: Any, kind: Any) -> bool:
    """Tell if a value is of an annotated kind; unknown kinds hold anything."""
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        each = inner[0] if inner[1:] == (...,) else None
        return isinstance(value, tuple) and (each is None or all(_is_of(v, each) for v in value))
    if isinstance(kind, UnionType):
        return any(_is_of(value, part) for part in inner)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    if kind in (int, bool, str, NoneType):
        return type(value) is kind
    return True


def images(batch: "Tensor", *, channels: tuple[int, ...] = (3,)) -> "Tensor":
    """Check a batch of images, as every subject takes batches.

    Args:
        batch: `(n, one of channels, height, width)`, floating point.

    Raises:
        InputError: another rank, channel count or dtype.
    """
    if batch.ndim != 4 or batch.shape[1] not in channels:
        expected = " or ".join(map(str, channels))
        raise InputError(
            f"images have shape {tuple(batch.shape)}; expected (n, {expected}, height, width)"
        )
    if not batch.is_floating_point():
        raise InputError(f"images are {batch.dtype}; expected floats in [0, 1] (divide by 255)")
    return batch


def image(picture: "Tensor", size: int) -> "Tensor":
    """Check an image's size and range.

    Args:
        picture: `(3, size, size)` in [0, 1].

    Raises:
        InputError: another shape or dtype, values outside [0, 1], or NaN.
    """
    if tuple(picture.shape) != (3, size, size):
        raise InputError(
            f"the image has shape {tuple(picture.shape)}; expected (3, {size}, {size})"
        )
    images(picture[None])
    if bool(picture.isnan().any()):
        raise InputError("the image holds NaN; expected numbers in [0, 1]")
    low, high = float(picture.min()), float(picture.max())
    if low < 0 or high > 1:
        raise InputError(f"the image's values lie in [{low:g}, {high:g}]; expected [0, 1]")
    return picture
