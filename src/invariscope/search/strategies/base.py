"""What every strategy promises: ask for codes, tell their order. It knows nothing of images."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from invariscope.generators.base import CodeStatistics
from invariscope.search.reductions import aligned


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

    def __getitem__(self, rows: Sequence[int] | slice) -> Self:
        """The state of some of the runs; of a slice of them, sharing tensors that are aligned."""
        parts: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(rows, slice):
                part = value[rows]
                parts[field.name] = aligned(part) if isinstance(part, Tensor) else part
            elif isinstance(value, Tensor):
                index = torch.as_tensor(list(rows), dtype=torch.int64, device=value.device)
                parts[field.name] = value[index]
            else:
                parts[field.name] = tuple(value[row] for row in rows)
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

    def advance(self, observed: Tensor, **new: Tensor) -> Self:
        """The state after a generation; a run that was told nothing keeps its own tensors.

        Args:
            observed: `(runs, size)` bool.
            new: tensors of the state by name, each `(runs, …)`.
        """
        some = observed.any(1)
        kept = {
            name: torch.where(some.view(-1, *[1] * (value.ndim - 1)), value, getattr(self, name))
            for name, value in new.items()
        }
        return replace(self, generation=self.generation + 1, **kept)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state by its name, on the CPU."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: v.cpu() for name, v in values.items() if isinstance(v, Tensor)}

    def with_tensors(self, tensors: dict[str, Tensor]) -> Self:
        """The state with those tensors, each on the device of the one it replaces."""
        moved = {name: v.to(getattr(self, name).device) for name, v in tensors.items()}
        return replace(self, **moved)


def _parts(state: State) -> Iterator[slice]:
    """The runs of a state: one by one on the CPU, all at once on an accelerator.

    A CPU promises the same bits whichever runs stand beside. An operation can take another path,
    and give other last bits, by the shape of what it is given and by where that begins in memory:
    computed one by one (and `aligned`), a run meets both alike, alone or among others.
    """
    tensors = (getattr(state, field.name) for field in fields(state))
    on_cpu = all(t.device.type == "cpu" for t in tensors if isinstance(t, Tensor))
    together = 1 if on_cpu else max(len(state), 1)
    return (slice(first, first + together) for first in range(0, len(state), together))


@dataclass(frozen=True)
class Strategy(ABC):
    """Frozen parameters of a search strategy; what changes is in its `State`.

    Parameters that depend on the code space or on the length of a run, and that the user left
    open, are settled by `with_statistics` and `with_budget`; most strategies have none.
    """

    name: ClassVar[str]

    def with_statistics(self, statistics: CodeStatistics | None) -> "Strategy":  # noqa: ARG002
        """The strategy for codes of which these statistics are known; None where they are not.

        Raises:
            InputError: the strategy cannot do without.
        """
        return self

    def with_budget(self, generations: int) -> "Strategy":  # noqa: ARG002
        """The strategy for runs of at most so many generations; only `init` may depend on it."""
        return self

    def describe(self) -> dict[str, Any]:
        """Its name and parameters as plain data, for a run's settings and name."""
        return {"name": self.name, **asdict(self)}

    @abstractmethod
    def init(self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int) -> State:
        """The state before the first generation.

        Args:
            names: one name a run.
            mean: `(runs, code_dim)` where the search starts.
            sigma: `(runs,)` the first step size, in units of the code.
            population: candidates a generation.
        """

    def ask(self, state: Any, size: int) -> Tensor:
        """Codes to try, `(runs, size, code_dim)` float64."""
        return torch.cat([self._ask(state[rows], size) for rows in _parts(state)])

    def tell(self, state: Any, codes: Tensor, order: Tensor, observed: Tensor) -> Any:
        """The state after a generation.

        Args:
            codes: `(runs, size, code_dim)`; they need not be those that `ask` gave.
            order: `(runs, size)` indices, best first.
            observed: `(runs, size)` bool: which candidates were answered; the others come last
                in `order` and teach nothing.
        """
        parts = [
            self._tell(state[rows], *(aligned(given[rows]) for given in (codes, order, observed)))
            for rows in _parts(state)
        ]
        return type(state).cat(parts)

    @abstractmethod
    def _ask(self, state: Any, size: int) -> Tensor:
        """`ask` for some of the runs."""

    @abstractmethod
    def _tell(self, state: Any, codes: Tensor, order: Tensor, observed: Tensor) -> Any:
        """`tell` for some of the runs."""

    @abstractmethod
    def pack(self, state: Any) -> dict[str, Tensor]:
        """All that `unpack` needs, as tensors, for a state of one run."""

    @abstractmethod
    def unpack(
        self, name: str, mean: Tensor, sigma: Tensor, population: int, packed: dict[str, Tensor]
    ) -> Any:
        """The state that `pack` saw, of a run with the same name and start."""
