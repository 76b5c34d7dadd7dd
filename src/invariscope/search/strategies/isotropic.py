"""Evolution strategy with one step size for all directions, batched over runs.

CMA-ES with the covariance held at the identity: at 4096 dimensions and 25,000 evaluations the
full matrix stays the identity within 0.4 % (PAPERS §1, "Optimiser facts"), at a fraction of
the cost. Equation numbers are those of Hansen's tutorial (arXiv 1604.00772).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, final

import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.search.reductions import weighted_sum
from invariscope.search.strategies.base import State, Strategy
from invariscope.search.strategies.weights import (
    best_first,
    log_weights,
    observed_weights,
    shortened,
)


@dataclass(frozen=True)
class IsotropicState(State):
    """Mean `(runs, n)`, step size `(runs,)` and evolution path `(runs, n)`, all float64."""

    mean: Tensor
    sigma: Tensor
    path: Tensor


def _effective_size(observed: Tensor) -> Tensor:
    """Look up the variance-effective number `(runs,)` of each run's observed candidates."""
    return _effective_sizes(observed.shape[1], observed.device)[observed.sum(1)]


@lru_cache(maxsize=64)
def _effective_sizes(size: int, device: torch.device) -> Tensor:
    """Compute variance-effective numbers for 0 (as for 1) to `size` candidates."""
    counts = (max(count, 1) for count in range(size + 1))
    sizes = [1 / log_weights(count).square().sum().item() for count in counts]
    return torch.tensor(sizes, dtype=torch.float64, device=device)


@final
@dataclass(frozen=True)
class Isotropic(Strategy):
    """Weighted recombination with cumulative step-size adaptation.

    Attributes:
        mean_rate: learning rate of the mean, `c_m`; at least 0.
    """

    name: ClassVar[str] = "isotropic"
    mean_rate: float = 1.0

    def __post_init__(self) -> None:
        validate.at_least("mean_rate", self.mean_rate, 0)

    def init(
        self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int
    ) -> IsotropicState:
        mean = mean.to(torch.float64)
        return IsotropicState(
            names=tuple(names),
            generation=torch.zeros(len(names), dtype=torch.int64),
            mean=mean,
            sigma=sigma.to(mean),
            path=torch.zeros_like(mean),
        )

    def _ask(self, state: IsotropicState, size: int) -> Tensor:
        shape = (size, state.mean.shape[1])
        z = seeds.normal(state.streams("ask"), shape, device=state.mean.device)
        return state.mean.unsqueeze(1) + state.sigma.view(-1, 1, 1) * z  # eq. 38

    def _tell(
        self, state: IsotropicState, codes: Tensor, order: Tensor, observed: Tensor
    ) -> IsotropicState:
        n = state.mean.shape[1]
        weights = observed_weights(observed)
        mu_eff = _effective_size(observed).to(state.mean)  # eq. 8
        rate = (mu_eff + 2) / (n + mu_eff + 5)  # eq. 55
        damping = 1 + 2 * (((mu_eff - 1) / (n + 1)).sqrt() - 1).clamp(min=0) + rate
        length = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))  # E‖N(0, I)‖
        z = (codes.to(state.mean) - state.mean.unsqueeze(1)) / state.sigma.view(-1, 1, 1)
        z = shortened(z, math.sqrt(n) + 2 * n / (n + 2))  # no farther than a far sample
        step = weighted_sum(weights, best_first(z, order))  # eq. 41
        gain = (rate * (2 - rate) * mu_eff).sqrt().unsqueeze(1)
        path = (1 - rate).unsqueeze(1) * state.path + gain * step  # eq. 43
        norm = torch.linalg.vector_norm(path, dim=1)
        sigma = state.sigma * torch.exp((rate / damping) * (norm / length - 1))  # eq. 44
        moved = state.mean + self.mean_rate * state.sigma.unsqueeze(1) * step  # eq. 42
        return state.advance(observed, mean=moved, sigma=sigma, path=path)
