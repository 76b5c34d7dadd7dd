"""The interface of every strategy: ask for codes, tell their order. No strategy sees an image."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from itertools import chain
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from invariscope.generators.base import CodeStatistics, Generator
from invariscope.search.reductions import aligned


@dataclass(frozen=True)
class State:
    """The changing part of a search of some runs.

    Fields are tensors with a leading `runs` axis, or tuples with an item a run.

    Attributes:
        names: the name of each run, the first word of its random streams.
        generation: `(runs,)` int64 on the CPU, generations told.
    """

    names: tuple[str, ...]
    generation: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: list[int] | slice) -> Self:
        """Select runs; a slice shares tensors that are aligned."""
        numbers = range(len(self))[rows] if isinstance(rows, slice) else rows
        parts: dict[str, Any] = {}
        for key, value in vars(self).items():
            own = aligned(value[rows]) if isinstance(value, Tensor) else None
            parts[key] = tuple(value[row] for row in numbers) if own is None else own
        return type(self)(**parts)

    @classmethod
    def cat(cls, states: Sequence[Self]) -> Self:
        """Join the states of different runs."""
        parts: dict[str, Any] = {}
        for key in vars(states[0]):
            values = [vars(state)[key] for state in states]
            joined = torch.cat(values) if isinstance(values[0], Tensor) else chain(*values)
            parts[key] = joined if isinstance(joined, Tensor) else tuple(joined)
        return cls(**parts)

    def streams(self, purpose: str) -> list[tuple[str, int, str]]:
        """Name each run's random stream for this generation."""
        numbers = self.generation.tolist()
        return [(name, number, purpose) for name, number in zip(self.names, numbers, strict=True)]

    def advance(self, observed: Tensor, **new: Tensor) -> Self:
        """Count a generation and take new tensors; a run without answers keeps its own.

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
        """Collect tensors by name, on the CPU; of a tuple, the first run's (`field.inner`)."""
        found: dict[str, Any] = {}
        for key, value in vars(self).items():
            own = value[0] if isinstance(value, tuple) else value
            parts = vars(own).items() if is_dataclass(own) else ()
            found |= {f"{key}.{k}": v for k, v in parts} or {key: own}
        return {key: value.cpu() for key, value in found.items() if isinstance(value, Tensor)}

    def with_tensors(self, tensors: dict[str, Tensor]) -> Self:
        """Replace the tensors of a state of one run by the result of `tensors`."""
        new: dict[str, Any] = {}
        for key, value in vars(self).items():
            own = value[0] if isinstance(value, tuple) else value
            if isinstance(own, Tensor):
                own = tensors[key].to(own.device)
            elif is_dataclass(own):
                parts = {k: tensors[f"{key}.{k}"].to(v.device) for k, v in vars(own).items()}
                own = type(own)(**{k: aligned(v) for k, v in parts.items()})
            new[key] = (own,) if isinstance(value, tuple) else own
        return replace(self, **new)


def _parts(state: State) -> Iterator[slice]:
    """Split the runs of a state: singly on the CPU, all at once on an accelerator.

    A CPU promises the same bits whichever runs stand beside. An operation can take another path,
    and give other last bits, by the shape of its input and by where the input begins in memory:
    computed one by one (and `aligned`), a run meets both alike, alone or among others.
    """
    on_cpu = all(t.device.type == "cpu" for t in vars(state).values() if isinstance(t, Tensor))
    together = 1 if on_cpu else max(len(state), 1)
    return (slice(first, first + together) for first in range(0, len(state), together))


@dataclass(frozen=True)
class Strategy(ABC):
    """Frozen parameters of a search strategy; the changing part is the `State`.

    Parameters that depend on the code space or on the length of a run, and that the user left
    open, are settled by `for_generator` and `with_budget`; most strategies have none.
    """

    name: ClassVar[str]
    budget: ClassVar[int] = 500  # generations of a run that does not say how many

    def with_statistics(self, statistics: CodeStatistics | None) -> "Strategy":
        """Settle parameters that depend on the natural codes; None where these are not known.

        Raises:
            InputError: the strategy cannot do without.
        """
        return self

    def for_generator(self, generator: Generator) -> "Strategy":
        """Settle parameters that depend on a generator, and hold the strategy to its codes.

        Raises:
            InputError: the strategy needs what this generator has not, such as gradients.
        """
        return self.with_statistics(generator.code_statistics)

    def with_budget(self, generations: int) -> "Strategy":
        """Settle parameters that depend on a run's most generations, for `init` alone."""
        return self

    def describe(self) -> dict[str, Any]:
        """Give name and parameters as plain data, for a run's settings and name."""
        return {"name": self.name, **asdict(self)}

    @abstractmethod
    def init(self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int) -> State:
        """Make the state before the first generation.

        Args:
            names: one name a run.
            mean: `(runs, code_dim)` where the search starts.
            sigma: `(runs,)` the first step size, in units of the code.
            population: candidates a generation.
        """

    def ask(self, state: Any, size: int) -> Tensor:
        """Draw codes to try, `(runs, size, code_dim)` float64."""
        return torch.cat([self._ask(state[rows], size) for rows in _parts(state)])

    def tell(self, state: Any, codes: Tensor, order: Tensor, observed: Tensor) -> Any:
        """Learn from a generation, and give the state after.

        Args:
            codes: `(runs, size, code_dim)`; they need not come from `ask`.
            order: `(runs, size)` indices, best first.
            observed: `(runs, size)` bool: which candidates were answered; the others come last
                in `order` and teach nothing.
        """
        parts = [
            self._tell(state[rows], *(aligned(t[rows]) for t in (codes, order, observed)))
            for rows in _parts(state)
        ]
        return type(state).cat(parts)

    @abstractmethod
    def _ask(self, state: Any, size: int) -> Tensor:
        """Do `ask` for some of the runs."""

    @abstractmethod
    def _tell(self, state: Any, codes: Tensor, order: Tensor, observed: Tensor) -> Any:
        """Do `tell` for some of the runs."""

    def pack(self, state: Any) -> dict[str, Tensor]:
        """Collect all that `unpack` needs of a state of one run, as tensors."""
        return state.tensors()

    def unpack(
        self, name: str, mean: Tensor, sigma: Tensor, population: int, packed: dict[str, Tensor]
    ) -> Any:
        """Restore a packed state, of a run with the same name and start."""
        return self.init([name], mean, sigma, population).with_tensors(packed)
