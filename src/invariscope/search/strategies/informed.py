"""Strategies that see scores and the problem, not only the order of candidates."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from invariscope.errors import InputError
from invariscope.search.problem import Problem
from invariscope.search.strategies.base import Strategy


@dataclass(frozen=True)
class ShownImages:
    """Images of a run so far, with the activity expected of another measurement.

    Attributes:
        codes: `(images, code_dim)`.
        scores: `(images, 3)` stretch, squeeze, activity as measured.
        expected: `(images,)` activity; of a set of units the squeeze.
        generation, candidate: `(images,)` where each was shown.
        growth: the share of the front's area that the last `SETTLING` generations added; of a
            search that fills cells, of the sum of what is reached in each cell.
        members: `(members,)` rows of the images that the run has found, where these are not the
            non-dominated ones: the best of each cell.
    """

    codes: Tensor
    scores: Tensor
    expected: Tensor
    generation: Tensor
    candidate: Tensor
    growth: float
    members: Tensor | None = None


@dataclass(frozen=True)
class InformedStrategy(Strategy):
    """A strategy that is asked and told with the problems of its runs.

    A run's proposals depend on its own name, scores and problem alone, to the bit on a CPU:
    there each run is computed by itself.
    """

    @abstractmethod
    def propose(self, state: Any, size: int, problems: Sequence[Problem]) -> Tensor:
        """Propose codes to try, `(runs, size, code_dim)` float64.

        Args:
            problems: one a run.
        """

    @abstractmethod
    def learn(
        self,
        state: Any,
        codes: Tensor,
        scores: Tensor,
        errors: Tensor,
        problems: Sequence[Problem],
    ) -> Any:
        """Learn from a generation, and give the state after.

        Args:
            codes: `(runs, size, code_dim)`; they need not come from `propose`.
            scores: `(runs, size, 3)` stretch, squeeze, activity as measured; NaN where a
                candidate was not recorded.
            errors: `(runs, size)` standard errors of the activity; 0 where none are known.
            problems: one a run.
        """

    @abstractmethod
    def expected(self, state: Any, problems: Sequence[Problem]) -> list[ShownImages | None]:
        """Give each run's images so far with the activity to expect; None where too few teach.

        Where every answer was exact, the activity to expect is the measured one.

        Args:
            problems: one a run.
        """

    def _ask(self, state: Any, size: int) -> Tensor:
        raise InputError(f"strategy {self.name!r} needs the problem: use it through Search")

    def _tell(self, state: Any, codes: Tensor, order: Tensor, observed: Tensor) -> Any:
        raise InputError(f"strategy {self.name!r} needs scores: use it through Search")
