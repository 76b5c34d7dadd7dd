"""Strategies that see scores and the problem, not only the order of candidates."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.search.problem import Problem
from invariscope.search.strategies.base import Strategy


@dataclass(frozen=True)
class InformedStrategy(Strategy):
    """A strategy that is asked and told with the problems of its runs.

    A run's proposals depend on its own name, scores and problem alone, to the bit on a CPU:
    there each run is computed by itself.
    """

    @abstractmethod
    def propose(self, state: Any, size: int, problems: Sequence[Problem]) -> Tensor:
        """Codes to try, `(runs, size, code_dim)` float64.

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
        """The state after a generation.

        Args:
            codes: `(runs, size, code_dim)`; they need not be those that `propose` gave.
            scores: `(runs, size, 3)` stretch, squeeze, activity as measured; NaN where a
                candidate was not recorded.
            errors: `(runs, size)` standard errors of the activity; 0 where none are known.
            problems: one a run.
        """

    def take(
        self,
        state: Any,
        codes: Tensor,
        measured: tuple[Tensor, Tensor | None],
        problems: Sequence[Problem],
    ) -> Any:
        """The state after a generation, of scores `(runs × size, 3)` and errors, if any."""
        shape = codes.shape[:2]
        scores, errors = measured
        errors = torch.zeros(shape) if errors is None else errors.unflatten(0, shape)
        own = scores.to(codes.device).unflatten(0, shape)
        return self.learn(state, codes, own, errors.to(codes.device), problems)

    def _ask(self, state: Any, size: int) -> Tensor:  # noqa: ARG002
        raise InputError(f"strategy {self.name!r} needs the problem: use it through Search")

    def _tell(self, state: Any, codes: Tensor, order: Tensor, observed: Tensor) -> Any:  # noqa: ARG002
        raise InputError(f"strategy {self.name!r} needs scores: use it through Search")


def ask(strategy: Strategy, state: Any, size: int, problems: Sequence[Problem]) -> Tensor:
    """Codes to try, `(runs, size, code_dim)`, from a strategy that sees the problem or not."""
    if isinstance(strategy, InformedStrategy):
        return strategy.propose(state, size, problems)
    return strategy.ask(state, size)


def tell(
    strategy: Strategy,
    state: Any,
    ranked: tuple[Tensor, Tensor, Tensor],
    measured: tuple[Tensor, Tensor | None],
    problems: Sequence[Problem],
) -> Any:
    """The state after a generation.

    Args:
        ranked: codes, their order and which were told, as for `Strategy.tell`.
        measured: scores `(runs × size, 3)` and errors, as for `InformedStrategy.take`.
    """
    if isinstance(strategy, InformedStrategy):
        return strategy.take(state, ranked[0], measured, problems)
    return strategy.tell(state, *ranked)
