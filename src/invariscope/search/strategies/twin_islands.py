"""The evolution strategies that go on where a twin's proposals stop improving."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from invariscope.search import ranking
from invariscope.search.objectives import Objectives
from invariscope.search.problem import Problem
from invariscope.search.strategies.isotropic import Isotropic, IsotropicState
from invariscope.search.strategies.twin_data import Observations
from invariscope.search.strategies.twin_goals import Goals

SIZE = 5  # candidates of an island
STRATEGY = Isotropic()


@dataclass(frozen=True)
class Islands:
    """Isotropic searches of one run that share a generation.

    Each island goes on from the twin's front, for the farthest image at a level of its own. The
    last search is the plain strategy from the run's own start, with the other half of the
    candidates: it finds basins that the twin has not met.

    Attributes:
        mean, path: `(searches, code_dim)`; none before the run is handed over.
        sigma: `(searches,)`.
    """

    mean: Tensor
    sigma: Tensor
    path: Tensor

    def __len__(self) -> int:
        return len(self.mean)

    @classmethod
    def none(cls, like: Tensor) -> "Islands":
        """Make no searches, for codes `(code_dim,)`."""
        empty = like.new_zeros(0, len(like))
        return cls(empty, empty.sum(1), empty)

    @classmethod
    def on(
        cls, problem: Problem, shown: Observations, start: tuple[Tensor, Tensor], size: int
    ) -> "Islands":
        """Begin an island at the best image for each of some levels, and the plain search.

        Args:
            start: the run's first mean `(code_dim,)` and step size.
            size: candidates of all searches together.
        """
        mean, sigma = start
        goals = Goals.of([problem], [shown.scores])
        utility = _utility(goals, shown.scores, _levels(size // (2 * SIZE), mean))
        means = torch.cat([shown.codes[utility.argmax(1)], mean.unsqueeze(0)])
        return cls(means, sigma.expand(len(means)).clone(), torch.zeros_like(means))

    def ask(self, stream: Sequence[str | int], size: int) -> Tensor:
        """Draw the candidates of a generation, `(size, code_dim)`.

        Args:
            stream: the first words of the searches' random streams.
        """
        parts = self._parts(stream, size)
        return torch.cat([STRATEGY.ask(own, rows.stop - rows.start)[0] for own, rows in parts])

    def told(
        self, stream: Sequence[str | int], codes: Tensor, scores: Tensor, goals: Goals
    ) -> "Islands":
        """Move each island by the order of its candidates at its level, the last by the front.

        Args:
            codes, scores: `(size, code_dim)` and `(size, 3)`, as asked; NaN where not recorded.
            goals: of the run.
        """
        levels, moved = _levels(len(self) - 1, codes), []
        for i, (own, rows) in enumerate(self._parts(stream, len(codes))):
            told, known = scores[None, rows], ~scores[None, rows].isnan().any(2)
            if i < len(levels):
                utility = _utility(goals, scores[rows], levels[i : i + 1])
                order = torch.argsort(-utility.masked_fill(~known, -torch.inf), dim=1, stable=True)
            else:
                order = _order(goals.problems[0], told, (*stream, "shuffle"))
            moved.append(STRATEGY.tell(own, codes[None, rows], order, known))
        after = IsotropicState.cat(moved)
        return replace(self, mean=after.mean, sigma=after.sigma, path=after.path)

    def _parts(
        self, stream: Sequence[str | int], size: int
    ) -> Iterator[tuple[IsotropicState, slice]]:
        """Give each search's state and the rows of its candidates."""
        name, generation, *_ = stream
        for i in range(len(self)):
            last = size if i == len(self) - 1 else SIZE * (i + 1)
            state = IsotropicState(
                names=(f"{name} island {i}",),
                generation=torch.tensor([int(generation)]),
                mean=self.mean[i : i + 1],
                sigma=self.sigma[i : i + 1],
                path=self.path[i : i + 1],
            )
            yield state, slice(SIZE * i, last)


def _levels(count: int, like: Tensor) -> Tensor:
    """Spread the levels of the unit's goal evenly."""
    return (torch.arange(count, dtype=torch.float64, device=like.device) + 0.5) / max(count, 1)


def _utility(goals: Goals, scores: Tensor, levels: Tensor) -> Tensor:
    """Measure the utility of images `(n, 3)` at each level, `(levels, n)`."""
    modelled = goals.modelled(scores[None])
    return goals.utility(scores[None, :, 0], modelled, levels.unsqueeze(1))


def _order(problem: Problem, scores: Tensor, stream: Sequence[str | int]) -> Tensor:
    """Sort candidates with scores `(1, n, 3)` as a plain search does, `(1, n)` on their device."""
    objective, own = problem.objective, scores.float().cpu()
    costs = Objectives([objective], "cpu").costs(own)
    rules = [objective.tie_break]
    within = ranking.within_fronts(costs, own[..., 1], ranking.fronts(costs), rules, [stream])
    return ranking.order(costs, within).to(scores.device)
