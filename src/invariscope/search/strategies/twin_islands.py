"""The evolution strategy that goes on where a twin's proposals stop improving."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from invariscope.search.problem import Problem
from invariscope.search.strategies.isotropic import Isotropic, IsotropicState
from invariscope.search.strategies.twin_data import Observations
from invariscope.search.strategies.twin_goals import Goals

SIZE = 5  # candidates of an island
STEP = 1.0  # the first step size, in SD of the natural codes
LEVELS = (0.1, 0.9)  # of the unit's goal: those of the first and of the last island
STRATEGY = Isotropic()


@dataclass(frozen=True)
class Islands:
    """Small isotropic searches of one run, each for the farthest image at a level of its own.

    Attributes:
        mean, path: `(islands, code_dim)`; no islands before the run is handed over.
        sigma: `(islands,)`.
    """

    mean: Tensor
    sigma: Tensor
    path: Tensor

    def __len__(self) -> int:
        return len(self.mean)

    @classmethod
    def none(cls, like: Tensor) -> "Islands":
        """Make no islands, for codes `(code_dim,)`."""
        empty = like.new_zeros(0, len(like))
        return cls(empty, empty.sum(1), empty)

    @classmethod
    def on(cls, problem: Problem, shown: Observations, size: int, sd: float) -> "Islands":
        """Begin an island at the best image for each of some levels.

        Args:
            size: candidates of all islands together.
            sd: of the natural codes.
        """
        count = max(1, size // SIZE)
        goals = Goals.of([problem], [shown.scores])
        utility = _utility(goals, shown.scores, _levels(count, shown.codes))
        mean = shown.codes[utility.argmax(1)]
        return cls(mean, mean.new_full((count,), STEP * sd), torch.zeros_like(mean))

    def ask(self, stream: Sequence[str | int], size: int) -> Tensor:
        """Draw the candidates of a generation, `(size, code_dim)`; the first islands may have more.

        Args:
            stream: the first words of the islands' random streams.
        """
        counts = _counts(len(self), size)
        state = self._state(stream)
        most = STRATEGY.ask(state, max(counts))
        return torch.cat([most[i, :count] for i, count in enumerate(counts)])

    def told(
        self, stream: Sequence[str | int], codes: Tensor, scores: Tensor, goals: Goals
    ) -> "Islands":
        """Move each island by the order of its candidates at its level.

        Args:
            codes, scores: `(size, code_dim)` and `(size, 3)`, as asked; NaN where not recorded.
            goals: of the run.
        """
        levels = _levels(len(self), codes)
        state, moved = self._state(stream), []
        first = 0
        for i, count in enumerate(_counts(len(self), len(codes))):
            own = slice(first, first + count)
            utility = _utility(goals, scores[own], levels[i : i + 1])
            known = ~scores[own].isnan().any(1)
            order = torch.argsort(-utility.masked_fill(~known, -torch.inf), dim=1, stable=True)
            told = STRATEGY.tell(state[i : i + 1], codes[own][None], order, known[None])
            moved.append(told)
            first += count
        after = IsotropicState.cat(moved)
        return replace(self, mean=after.mean, sigma=after.sigma, path=after.path)

    def _state(self, stream: Sequence[str | int]) -> IsotropicState:
        name, generation, *_ = stream
        return IsotropicState(
            names=tuple(f"{name} island {i}" for i in range(len(self))),
            generation=torch.full((len(self),), int(generation), dtype=torch.int64),
            mean=self.mean,
            sigma=self.sigma,
            path=self.path,
        )


def _levels(count: int, like: Tensor) -> Tensor:
    low, high = LEVELS
    return torch.linspace(low, high, count, dtype=torch.float64, device=like.device)


def _counts(islands: int, size: int) -> list[int]:
    """Share the candidates of a generation among islands."""
    return [size // islands + (i < size % islands) for i in range(islands)]


def _utility(goals: Goals, scores: Tensor, levels: Tensor) -> Tensor:
    """Measure the utility of images `(n, 3)` at each level, `(levels, n)`."""
    modelled = goals.modelled(scores[None])
    return goals.utility(scores[None, :, 0], modelled, levels.unsqueeze(1))
