"""Cells of a quality-diversity search: kinds of image, each with the best image of its kind."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.plurals import number_of
from invariscope.subjects.appearance_cells import LUMA

FAINTEST = 0.02  # chroma below which an image has no hue
SAME = 1e-4  # of a measure's range: a spread that rounding makes


def _light(images: Tensor) -> Tensor:
    weighted = (weight * colour for weight, colour in zip(LUMA, images.unbind(1), strict=True))
    return torch.stack(list(weighted)).sum(0).flatten(1)


def _luminance(images: Tensor) -> Tensor:
    return _light(images).mean(1)


def _opponent(images: Tensor, axis: str) -> Tensor:
    red, green, blue = images.flatten(2).mean(2).unbind(1)
    return red - green if axis == "red_green" else (red + green) / 2 - blue


def _contrast(images: Tensor) -> Tensor:
    return _light(images).std(1)


def _hue(images: Tensor) -> Tensor:
    red, green, blue = images.flatten(2).mean(2).unbind(1)
    across, up = red - (green + blue) / 2, math.sqrt(3) / 2 * (green - blue)
    turn = torch.atan2(up, across + 1e-9) / (2 * math.pi)
    turn = turn - turn.floor()
    faint = across.square() + up.square() < FAINTEST * FAINTEST
    return torch.where(faint, turn.new_tensor(math.nan), turn)


@final
@dataclass(frozen=True)
class Measure:
    """A number of an image, in equal cells over a range; the cells at the ends have no far edge.

    Attributes:
        name: told with the results; two measures of one name are one to the name of a run.
        low, high: the range.
        cells: how many, at least 2.
        of: images `(n, 3, height, width)` in [0, 1] to `(n,)`, with gradients; NaN where the
            measure has no meaning: such an image is in no cell.
        circular: whether the range closes on itself, as hue does.

    Example:
        >>> from invariscope.search.strategies import Measure
        >>> Measure("red", 0, 1, 4, lambda images: images[:, 0].mean((1, 2))).cells
        4
    """

    name: str
    low: float
    high: float
    cells: int
    of: Callable[[Tensor], Tensor] = field(repr=False)
    circular: bool = False

    def __post_init__(self) -> None:
        validate.at_least(f"cells of {self.name}", self.cells, 2)
        validate.above(f"high of {self.name}", self.high, self.low)

    def place(self, values: Tensor) -> Tensor:
        """Express values in cells from the lowest edge: 1.5 is the middle of the second."""
        return (values - self.low) / (self.high - self.low) * self.cells

    def plain(self) -> list[Any]:
        """Describe the measure as plain data."""
        return [self.name, self.low, self.high, self.cells]


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("luminance", 0, 1, 5, _luminance),
        Measure("contrast", 0, 0.4, 4, _contrast),
        Measure("hue", 0, 1, 6, _hue, circular=True),
        Measure("red_green", -0.3, 0.3, 4, partial(_opponent, axis="red_green")),
        Measure("yellow_blue", -0.3, 0.3, 4, partial(_opponent, axis="yellow_blue")),
    )
}
# The stretch, which the search measures itself: `of` is not asked.
DISTANCE = Measure("distance", 0, 1, 4, lambda images: images.new_zeros(len(images)))


@final
@dataclass(frozen=True)
class Cells:
    """A grid of kinds of image, over the distance and some measures.

    Attributes:
        measures: beside the distance, which has four cells up to the farthest image met.

    Example:
        >>> from invariscope.search.strategies import Cells
        >>> cells = Cells.named(["luminance", "hue"])
        >>> cells.count, [measure.name for measure in cells.measures]
        (120, ['luminance', 'hue'])
    """

    measures: tuple[Measure, ...]

    def __post_init__(self) -> None:
        names = [measure.name for measure in self.measures]
        if not names or len(set(names)) < len(names) or DISTANCE.name in names:
            raise InputError(
                f"the measures of cells are {names}; expected at least one, each once, and "
                "beside the distance, which is always one"
            )

    @classmethod
    def named(cls, names: Sequence[str]) -> "Cells":
        """Make cells of known measures.

        Raises:
            InputError: an unknown name, one named twice, or none.
        """
        return cls(tuple(MEASURES[validate.one_of("measure", n, MEASURES)] for n in names))

    @property
    def axes(self) -> tuple[Measure, ...]:
        """The distance and the measures."""
        return (DISTANCE, *self.measures)

    @property
    def count(self) -> int:
        """How many cells there are."""
        return math.prod(axis.cells for axis in self.axes)

    def describe(self) -> list[list[Any]]:
        """Describe the measures as plain data."""
        return [measure.plain() for measure in self.measures]

    def check(self, images: Tensor) -> None:
        """Check the measures: a number for each image, with gradients to the pixels.

        Raises:
            InputError: a measure gives something else.
        """
        for measure in self.measures:
            try:
                found: Any = measure.of(images)
            except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
                raise InputError(
                    f"measure {measure.name!r} failed for images of shape {tuple(images.shape)} "
                    f"in torch, with gradients ({error})"
                ) from error
            shape = tuple(getattr(found, "shape", ()))
            if not isinstance(found, Tensor) or shape != (len(images),):
                raise InputError(
                    f"measure {measure.name!r} gives {type(found).__name__} of shape {shape} for "
                    f"{number_of(len(images), 'image')}; expected a tensor with a number an image"
                )
            if len(images) > 1:
                self._check_spread(measure, found.detach())
            if not found.requires_grad:
                raise InputError(
                    f"measure {measure.name!r} passes no gradients to the image, which candidates "
                    "climb into cells by; compute it by torch operations alone"
                )

    @staticmethod
    def _check_spread(measure: Measure, found: Tensor) -> None:
        """Check that a measure tells random images apart, as hue does not where all are grey."""
        known = found[found.isfinite()]
        told = number_of(len(found), "random image")
        if not len(known):
            raise InputError(
                f"measure {measure.name!r} has no meaning for any of {told} of the generator, as "
                "hue has none for grey ones: no cell could be filled; leave it out"
            )
        spread = float(known.max() - known.min())
        if spread < SAME * (measure.high - measure.low):
            raise InputError(
                f"measure {measure.name!r} is {float(known[0]):.4g} for every one of {told} of the "
                "generator: it would sort them by nothing but rounding; leave it out"
            )

    def columns(self, images: Tensor) -> dict[str, Tensor]:
        """Measure images as columns of a table, by the measures' names, float64 on the CPU."""
        measured = self.measured(images).cpu().double().unbind(1)
        return dict(zip((measure.name for measure in self.measures), measured, strict=True))

    def measured(self, images: Tensor) -> Tensor:
        """Measure images `(n, 3, height, width)`, `(n, measures)`; gradients pass."""
        return torch.stack([measure.of(images) for measure in self.measures], 1)

    def places(self, far: Tensor, measured: Tensor) -> Tensor:
        """Express distances and measures in cells, `(…, axes)`.

        Args:
            far: `(…,)` distance as a share of the farthest.
            measured: `(…, measures)`.
        """
        columns = [far, *measured.unbind(-1)]
        pairs = zip(self.axes, columns, strict=True)
        return torch.stack([axis.place(column) for axis, column in pairs], -1)

    def inside(self, places: Tensor) -> Tensor:
        """Number the cell along each axis, `(…, axes)` int64; −1 where there is none."""
        most = torch.tensor([axis.cells - 1 for axis in self.axes], device=places.device)
        cell = places.nan_to_num().floor().long().clamp(min=0).minimum(most)
        return torch.where(places.isnan().any(-1, keepdim=True), -1, cell)

    def numbers(self, cell: Tensor) -> Tensor:
        """Number cells `(…, axes)` in one row, `(…,)`; −1 where there is none."""
        number = torch.zeros_like(cell[..., 0])
        for axis, column in zip(self.axes, cell.unbind(-1), strict=True):
            number = number * axis.cells + column
        return torch.where((cell < 0).any(-1), -1, number)

    def near(self, cell: Tensor, steps: Tensor) -> Tensor:
        """Step from cells to others, `(…, axes)`; at an end of the grid a step is not taken."""
        moved = cell + steps
        columns = []
        for axis, column in zip(self.axes, moved.unbind(-1), strict=True):
            ends = column % axis.cells if axis.circular else column.clamp(0, axis.cells - 1)
            columns.append(ends)
        return torch.stack(columns, -1)

    def outside(self, places: Tensor, cell: Tensor) -> Tensor:
        """Sum how many cells' widths images are outside a cell, `(…,)`; gradients pass.

        A cell at an end of the grid has no edge there; an image without the measure counts as one
        cell outside.
        """
        total = torch.zeros_like(places[..., 0])
        for k, axis in enumerate(self.axes):
            gap = places[..., k] - (cell[..., k] + 0.5)
            if axis.circular:
                gap = (gap + axis.cells / 2) % axis.cells - axis.cells / 2
            else:
                beyond = (cell[..., k] == 0) & (gap < 0)
                beyond |= (cell[..., k] == axis.cells - 1) & (gap > 0)
                gap = torch.where(beyond, torch.zeros_like(gap), gap)
            total = total + (gap.abs() - 0.5).clamp(min=0).nan_to_num(nan=1.0)
        return total

    def best(self, number: Tensor, quality: Tensor) -> Tensor:
        """Choose the image of the best quality in each filled cell, `(filled,)` indices.

        Args:
            number: `(images,)` of each image's cell.
            quality: `(images,)`; of equals the first counts.
        """
        order = torch.argsort(-quality, stable=True)
        order = order[number[order] >= 0]
        order = order[torch.argsort(number[order], stable=True)]
        cells = number[order]
        first = torch.ones_like(cells, dtype=torch.bool)
        first[1:] = cells[1:] != cells[:-1]
        return order[first]
