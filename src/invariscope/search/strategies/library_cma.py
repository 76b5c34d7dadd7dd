"""The reference strategy: CMA-ES as the library `cma` has it, one optimiser a run."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope import seeds
from invariscope.search.strategies.base import State, Strategy


class _Optimiser:
    """A library optimiser whose normal draws come from named streams."""

    def __init__(self, name: str, mean: Tensor, sigma: float, population: int) -> None:
        import cma  # noqa: PLC0415  (slow to import, and only this strategy needs it)

        self.name = name
        self.generation = 0
        options = {
            "popsize": population,
            "seed": math.nan,  # a number would seed NumPy's global stream
            "randn": self._randn,
            "verbose": -9,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns about options it accepts
            self.library = cma.CMAEvolutionStrategy(mean.double().cpu().numpy(), sigma, options)
        self.asked: list[NDArray[np.float64]] | None = None

    def _randn(self, *shape: int) -> NDArray[np.float64]:
        return seeds.numpy_stream(self.name, self.generation, "ask").standard_normal(shape)

    def ask(self, size: int) -> NDArray[np.float64]:
        asked = self.asked
        if asked is None or len(asked) != size:
            asked = self.asked = list(self.library.ask(size))
        return np.stack(asked)

    def tell(self, codes: NDArray[np.float64], order: NDArray[np.int64]) -> None:
        # Codes that were asked for go back as the very objects, others count as injected.
        asked = self.asked
        same = asked is not None and np.array_equal(codes, np.stack(asked))
        values = np.empty(len(order))
        values[order] = np.arange(len(order))
        self.library.tell(asked if same else list(codes), values.tolist())
        self.generation += 1
        self.asked = None


@dataclass(frozen=True)
class LibraryState(State):
    """Attributes: `optimisers`, one a run, which change in place; `orders`, what each was told."""

    optimisers: tuple[_Optimiser, ...]
    orders: tuple[tuple[tuple[int, ...], ...], ...]


@final
@dataclass(frozen=True)
class LibraryCma(Strategy):
    """CMA-ES with a full covariance matrix, through the library `cma`.

    A run resumes by replaying the orders it was told, since its codes follow from them.
    """

    name: ClassVar[str] = "cma"

    def init(
        self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int
    ) -> LibraryState:
        starts = zip(names, mean, sigma.tolist(), strict=True)
        optimisers = tuple(_Optimiser(name, row, s, population) for name, row, s in starts)
        generation = torch.zeros(len(names), dtype=torch.int64)
        return LibraryState(tuple(names), generation, optimisers, ((),) * len(names))

    def ask(self, state: LibraryState, size: int) -> Tensor:
        codes = [torch.from_numpy(optimiser.ask(size)) for optimiser in state.optimisers]
        return torch.stack(codes)

    def tell(self, state: LibraryState, codes: Tensor, order: Tensor, told: Tensor) -> LibraryState:
        rows: list[tuple[tuple[int, ...], ...]] = []
        moves = zip(state.optimisers, codes.double().cpu().numpy(), order.cpu(), told, strict=True)
        for (optimiser, own, ranks, answered), before in zip(moves, state.orders, strict=True):
            if bool(answered.any()):
                optimiser.tell(own, ranks.numpy())
            else:  # a generation without an answer is drawn anew
                optimiser.generation, optimiser.asked = optimiser.generation + 1, None
            kept = ranks.tolist() if bool(answered.any()) else []
            rows.append((*before, tuple(kept)))
        return replace(state, generation=state.generation + 1, orders=tuple(rows))

    def pack(self, state: LibraryState) -> dict[str, Tensor]:
        orders = state.orders[0]
        width = max((len(order) for order in orders), default=0)
        padded = [list(order) or [-1] * width for order in orders]
        return {
            "generation": state.generation,
            "orders": torch.tensor(padded, dtype=torch.int32).reshape(len(orders), width),
        }

    def unpack(
        self, name: str, mean: Tensor, sigma: Tensor, population: int, packed: dict[str, Tensor]
    ) -> Any:
        state = self.init([name], mean, sigma, population)
        for order in packed["orders"].long():
            told = (order >= 0).unsqueeze(0)
            state = self.tell(state, self.ask(state, len(order)), order.unsqueeze(0), told)
        return state
