"""How far the cells of a quality-diversity search are filled, and the cells to aim at next."""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope.search.problem import Problem
from invariscope.search.strategies.twin_cells import Cells
from invariscope.search.strategies.twin_data import Observations
from invariscope.search.strategies.twin_goals import Goals

ANYWHERE = 0.25  # share of candidates that aim at any cell, filled ones beside or not


@dataclass(frozen=True)
class FilledCells:
    """The images of one run in their cells.

    Attributes:
        cells: the grid.
        reached: `(images,)` the unit's goal as a share.
        cell: `(images, axes)`; −1 where an image is in none.
        number: `(images,)` of its cell; −1 where an image is in none.
    """

    cells: Cells
    reached: Tensor
    cell: Tensor
    number: Tensor

    @classmethod
    def of(
        cls,
        cells: Cells,
        problem: Problem,
        observations: Observations,
        modelled: Tensor | None = None,
    ) -> "FilledCells":
        """Put images into their cells.

        Args:
            modelled: `(images,)` activity to expect; by default the measured one.
        """
        scores = observations.scores[None]
        goals = Goals.of([problem], [scores[0]])
        own = goals.modelled(scores) if modelled is None else modelled[None]
        far = scores[0, :, 0] / goals.farthest[0]
        cell = cells.inside(cells.places(far, observations.measured))
        return cls(
            cells=cells,
            reached=goals.reached(scores[..., 0], own)[0],
            cell=cell,
            number=cells.numbers(cell),
        )

    def best(self) -> Tensor:
        """Choose the image of each filled cell that reaches most, `(filled,)`."""
        return self.cells.best(self.number, self.reached)

    def total(self, among: Tensor) -> float:
        """Sum the shares that the best images of the cells reach, among `(images,)` bool."""
        near = self.reached.clamp(min=0)
        return float(near[self.cells.best(torch.where(among, self.number, -1), near)].sum())

    def gain(self, new: int) -> Tensor:
        """Measure the gain of each image from `new` on over the best before in the cell, `(n,)`."""
        near = self.reached.clamp(min=0)
        best = near.new_zeros(self.cells.count + 1)  # the last for images of no cell
        chosen = self.cells.best(self.number[:new], near[:new])
        best[self.number[chosen]] = near[chosen]
        gain = (near[new:] - best[self.number[new:]]).clamp(min=0)
        return torch.where(self.number[new:] < 0, torch.zeros_like(gain), gain)

    def aims(self, uniform: Tensor) -> Tensor:
        """Choose the cell that each candidate is to fill, `(candidates, axes)`.

        Three of four are filled cells or lie beside one; the others may be any.

        Args:
            uniform: random numbers, `(candidates, 2 + axes)`.
        """
        axes = uniform.new_tensor([axis.cells for axis in self.cells.axes])
        anywhere = (uniform[:, 2:] * axes).long()
        filled = self.best()
        if not len(filled):
            return anywhere
        pick = filled[(uniform[:, 0] * len(filled)).long().clamp(max=len(filled) - 1)]
        steps = (uniform[:, 2:] * 3).long().clamp(max=2) - 1
        beside = self.cells.near(self.cell[pick], steps)
        return torch.where(uniform[:, 1:2] < ANYWHERE, anywhere, beside)


@dataclass(frozen=True)
class AimedCells:
    """The cells that some runs' candidates are to fill.

    Attributes:
        cells: the grid.
        cell: `(runs, candidates, axes)`.
    """

    cells: Cells
    cell: Tensor

    def outside(self, far: Tensor, measured: Tensor, *, each: bool = False) -> Tensor:
        """Sum how many cells' widths images are outside the cells aimed at.

        Args:
            far: `(runs, n)` stretch as a share of the farthest.
            measured: `(runs, n, measures)`.
            each: whether every image counts for every candidate, `(runs, candidates, n)`; else
                the images are the candidates' own, `(runs, candidates)`.
        """
        places = self.cells.places(far, measured)
        if each:
            return self.cells.outside(places.unsqueeze(1), self.cell.unsqueeze(2))
        return self.cells.outside(places, self.cell)
