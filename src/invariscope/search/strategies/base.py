"""What every strategy promises: ask for codes, tell their order. It knows nothing of images."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class State:
    """Where some runs stand; every tensor has a leading `runs` axis.

    Attributes:
        names: the name of each run, the first word of its random streams.
        generation: `(runs,)` int64 on the CPU, generations told.
    """

    names: tuple[str, ...]
    generation: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: Sequence[int]) -> Self:
        """The state of some of the runs."""
        parts: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            parts[field.name] = (
                value[torch.as_tensor(list(rows), dtype=torch.int64, device=value.device)]
                if isinstance(value, Tensor)
                else tuple(value[row] for row in rows)
            )
        return type(self)(**parts)

    @classmethod
    def cat(cls, states: Sequence[Self]) -> Self:
        """The states of different runs as one."""
        parts: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(state, field.name) for state in states]
            parts[field.name] = (
                torch.cat(values)
                if isinstance(values[0], Tensor)
                else tuple(item for value in values for item in value)
            )
        return cls(**parts)

    def streams(self, purpose: str) -> list[tuple[str, int, str]]:
        """The name of each run's random stream for this generation."""
        return [
            (name, generation, purpose)
            for name, generation in zip(self.names, self.generation.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class Strategy(ABC):
    """Frozen parameters of a search strategy; what changes is in its `State`."""

    name: ClassVar[str]

    @abstractmethod
    def init(self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int) -> State:
        """The state before the first generation.

        Args:
            names: one name a run.
            mean: `(runs, code_dim)` where the search starts.
            sigma: `(runs,)` the first step size, in units of the code.
            population: candidates a generation.
        """

    @abstractmethod
    def ask(self, state: Any, size: int) -> Tensor:
        """Codes to try, `(runs, size, code_dim)` float64."""

    @abstractmethod
    def tell(self, state: Any, codes: Tensor, order: Tensor, told: Tensor) -> Any:
        """The state after a generation.

        Args:
            codes: `(runs, size, code_dim)`; they need not be those that `ask` gave.
            order: `(runs, size)` indices, best first.
            told: `(runs, size)` bool: which candidates were answered; the others come last
                in `order` and teach nothing.
        """

    @abstractmethod
    def pack(self, state: Any) -> dict[str, Tensor]:
        """All that `unpack` needs, as tensors, for a state of one run."""

    @abstractmethod
    def unpack(
        self, name: str, mean: Tensor, sigma: Tensor, population: int, packed: dict[str, Tensor]
    ) -> Any:
        """The state that `pack` saw, of a run with the same name and start."""


def log_weights(size: int) -> Tensor:
    """Positive recombination weights of the better half, `(size,)` float64, summing to 1.

    `w_i ∝ ln((size + 1) / 2) − ln(i)`, i = 1 … (Hansen, The CMA Evolution Strategy: A
    Tutorial, arXiv 1604.00772, eq. 49).
    """
    ranks = torch.arange(1, size + 1, dtype=torch.float64)
    raw = (math.log((size + 1) / 2) - torch.log(ranks)).clamp(min=0)
    raw[max(size // 2, 1) :] = 0
    if size == 1:
        raw[0] = 1.0
    return raw / raw.sum() if size else raw


def told_weights(told: Tensor) -> Tensor:
    """Each run's weights by place in its order, `(runs, size)`, over the candidates it was told.

    A run that was told nothing has weights 0.
    """
    runs, size = told.shape
    weights = torch.zeros(runs, size, dtype=torch.float64)
    for run, count in enumerate(told.sum(1).tolist()):
        weights[run, :count] = log_weights(count)
    return weights.to(told.device)
