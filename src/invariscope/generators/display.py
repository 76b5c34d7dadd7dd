"""Displays: how pixel values become light, and the definition of luminance."""

import csv
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self, final

import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.plurals import number_of

VALUES_WEIGHTS = (0.299, 0.587, 0.114)  # of R, G and B as values: ITU-R BT.601
LIGHT_WEIGHTS = (0.2126, 0.7152, 0.0722)  # of R, G and B as light: ITU-R BT.709
STEPS = 256


@final
@dataclass(frozen=True)
class Display:
    """A table of the luminance that each pixel value brings, straight lines between its rows.

    Values beyond the table's are never shown. The same table serves all three guns; a pixel's
    luminance is 0.2126 R + 0.7152 G + 0.0722 B of their light (ITU-R BT.709).

    Attributes:
        values: pixel values in [0, 1], increasing.
        luminance: of white at each value, at least 0 and increasing, in any unit such as cd/m².
        name: a file, or `gamma:2.2`.

    Raises:
        InputError: fewer than two rows, numbers that are not finite, or that do not increase.
    """

    values: tuple[float, ...] = field(repr=False)
    luminance: tuple[float, ...] = field(repr=False)
    name: str = "a display"

    def __post_init__(self) -> None:
        values, light = self.values, self.luminance
        if len(values) < 2 or len(values) != len(light):
            raise InputError(
                f"{self.name} has {number_of(len(values), 'row')}; expected at least two"
            )
        if not all(map(math.isfinite, (*values, *light))) or light[0] < 0:
            raise InputError(f"{self.name} holds luminance that is no number, or below 0")
        if not 0 <= min(values) <= max(values) <= 1:
            raise InputError(
                f"{self.name} has values from {min(values):g} to {max(values):g}; expected 0 … 1, "
                "or 0 … 255"
            )
        for what, row in (("values", values), ("luminance", light)):
            for number, (before, now) in enumerate(pairwise(row), 2):
                if now <= before:
                    raise InputError(
                        f"{self.name}: {what} must increase, but row {number} has {now:g} after "
                        f"{before:g}"
                    )

    @classmethod
    def gamma(cls, exponent: float) -> Self:
        """Make a display with a luminance of the value to a power, 1 for white.

        Raises:
            InputError: an exponent that is not between 0.1 and 10.
        """
        if not 0.1 <= exponent <= 10:
            raise InputError(f"gamma is {exponent}; expected a number from 0.1 to 10, such as 2.2")
        values = tuple(i / (STEPS - 1) for i in range(STEPS))
        return cls(values, tuple(v**exponent for v in values), f"gamma:{exponent:g}")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a measured table: CSV, a value and its luminance a line, with or without a header.

        Values above 1 mean 0 to 255.

        Raises:
            InputError: no such file, or lines that are not two numbers.
        """
        rows: list[tuple[float, float]] = []
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise InputError(f"cannot read display table {str(path)!r}: {reason}") from error
        for number, line in enumerate(csv.reader(text.splitlines()), 1):
            if not any(cell.strip() for cell in line):
                continue
            try:
                value, light = (float(cell) for cell in line)
            except ValueError as error:
                if number == 1 and len(line) == 2 and not any(map(_is_number, line)):
                    continue  # a header
                raise InputError(
                    f"display table {str(path)!r}, line {number}: expected a value and its "
                    f"luminance, got {','.join(line)!r}"
                ) from error
            rows.append((value, light))
        scale = 255 if rows and max(v for v, _ in rows) > 1 else 1
        values = tuple(v / scale for v, _ in rows)
        return cls(values, tuple(light for _, light in rows), str(path))

    @property
    def content(self) -> str:
        """A digest of the table."""
        text = repr((self.values, self.luminance))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def span(self) -> tuple[float, float]:
        """The least and the most luminance."""
        return self.luminance[0], self.luminance[-1]

    def to_light(self, values: Tensor) -> Tensor:
        """Turn values into luminance, clamped to the table's ends; gradients pass."""
        return _interpolated(values, self.values, self.luminance)

    def to_values(self, light: Tensor) -> Tensor:
        """Turn luminance into values; gradients pass."""
        return _interpolated(light, self.luminance, self.values)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _interpolated(x: Tensor, known: Sequence[float], wanted: Sequence[float]) -> Tensor:
    at, to = (torch.tensor(row, device=x.device, dtype=torch.float32) for row in (known, wanted))
    x = x.clamp(float(at[0]), float(at[-1]))
    row = (torch.searchsorted(at, x.detach().contiguous(), right=True) - 1).clamp(0, len(at) - 2)
    slope = (to[1:] - to[:-1]) / (at[1:] - at[:-1])
    return to[row] + (x - at[row]) * slope[row]
