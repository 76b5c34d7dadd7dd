"""The reference strategy: CMA-ES of the library `cma`, one optimiser a run."""

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
from invariscope.errors import InputError
from invariscope.search.strategies.base import State, Strategy


class _Optimiser:
    """An optimiser of the library that draws from named streams."""

    def __init__(self, name: str, mean: Tensor, sigma: float, population: int) -> None:
        import cma  # noqa: PLC0415  (slow to import, and only this strategy needs it)

        self.name = name
        self.generation = 0
        self.injected = False
        options = {
            "popsize": population,
            "seed": math.nan,  # a number would seed NumPy's global stream
            "randn": self._randn,
            "verbose": -9,
            # From 300 dimensions on the library would compare two mirrored points instead, which
            # draws from NumPy's global stream; cumulation is what it does below.
            "AdaptSigma": cma.sigma_adaptation.CMAAdaptSigmaCSA,
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

    @property
    def fewest(self) -> int:
        """The fewest answers the library can use: its number of positive weights."""
        return len(self.library.sp.weights.positive_weights)  # pyright: ignore[reportAttributeAccessIssue]

    def tell(self, codes: NDArray[np.float64], ranks: Sequence[int]) -> None:
        # Codes that were asked for go back as the very objects, others count as injected.
        same = np.array_equal(codes, self.ask(len(codes)))
        self.injected |= not same
        pool = self.asked if same and self.asked else list(codes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns when some were not answered
            self.library.tell([pool[i] for i in ranks], list(range(len(ranks))))
        self.skip()

    def skip(self) -> None:
        """Go on to the next generation, with new codes."""
        self.generation += 1
        self.asked = None


@dataclass(frozen=True)
class LibraryState(State):
    """An optimiser for each run, changed in place, and the orders told to each."""

    optimisers: tuple[_Optimiser, ...]
    orders: tuple[tuple[tuple[int, ...], ...], ...]


@final
@dataclass(frozen=True)
class LibraryCma(Strategy):
    """CMA-ES with a full covariance matrix, through the library `cma`.

    A run resumes by replaying the orders told so far, since its codes follow from these. A
    generation with fewer answers than the library has positive weights teaches nothing.
    """

    name: ClassVar[str] = "cma"

    def init(
        self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int
    ) -> LibraryState:
        starts = zip(names, mean, sigma.tolist(), strict=True)
        optimisers = tuple(_Optimiser(name, row, s, population) for name, row, s in starts)
        generation = torch.zeros(len(names), dtype=torch.int64)
        return LibraryState(tuple(names), generation, optimisers, ((),) * len(names))

    def _ask(self, state: LibraryState, size: int) -> Tensor:
        codes = [torch.from_numpy(optimiser.ask(size)) for optimiser in state.optimisers]
        return torch.stack(codes)

    def _tell(
        self, state: LibraryState, codes: Tensor, order: Tensor, observed: Tensor
    ) -> LibraryState:
        rows: list[tuple[tuple[int, ...], ...]] = []
        moves = zip(state.optimisers, codes.double().cpu().numpy(), order, observed, strict=True)
        for (optimiser, own, ranks, answered), before in zip(moves, state.orders, strict=True):
            kept = [i for i in ranks.tolist() if bool(answered[i])]
            if len(kept) < optimiser.fewest:
                kept = []
                optimiser.skip()
            else:
                optimiser.tell(own, kept)
            rows.append((*before, tuple(kept)))
        return replace(state, generation=state.generation + 1, orders=tuple(rows))

    def pack(self, state: LibraryState) -> dict[str, Tensor]:
        if state.optimisers[0].injected:
            raise InputError(
                "a run of strategy 'cma' that was told other codes than it asked for cannot be "
                "packed, since it resumes by replaying; use 'isotropic'"
            )
        orders = state.orders[0]
        width = max((len(order) for order in orders), default=0)
        padded = [[*order, *[-1] * (width - len(order))] for order in orders]
        return {
            "generation": state.generation,
            "orders": torch.tensor(padded, dtype=torch.int32).reshape(len(orders), width),
        }

    def unpack(
        self, name: str, mean: Tensor, sigma: Tensor, population: int, packed: dict[str, Tensor]
    ) -> Any:
        state = self.init([name], mean, sigma, population)
        for row in packed["orders"].long():
            observed = torch.zeros(1, population, dtype=torch.bool)
            observed[0, row[row >= 0]] = True
            order = torch.cat([row[row >= 0], (~observed[0]).nonzero().squeeze(1)])
            state = self.tell(state, self.ask(state, population), order.unsqueeze(0), observed)
        return state
