"""CMA-ES with a diagonal covariance matrix, batched over runs.

The method of the library `cma` with `CMA_diagonal=True`: separable CMA-ES (Ros & Hansen 2008,
PPSN X), whose standard deviations change by an exponential update (Hansen 2008, Adaptive
Encoding, PPSN X; Akimoto & Hansen 2020, Diagonal Acceleration) with negative weights for the
worse half. Equation numbers are those of Hansen's tutorial (arXiv 1604.00772).

Two of the library's defaults are left out: mirrored samples in populations below 6, and
two-point step-size adaptation for codes of length 300 and more; the step size is adapted by
its path at every length (`AdaptSigma=CMAAdaptSigmaCSA`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Generic, NamedTuple, TypeVar, final

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
    worse_half,
)

# No own sample is ever this much longer than √n (probability below e^-24), so only codes that
# were injected are shortened.
MARGIN = 7.0

Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True)
class SeparableState(State):
    """Mean, step size and standard deviations of each run's normal distribution.

    Attributes:
        mean: `(runs, n)` float64.
        sigma: `(runs,)` float64.
        std: `(runs, n)` float64, each component's SD in units of `sigma`.
        path: `(runs, n)` float64, the evolution path of the step size.
        long_path: `(runs, n)` float64, the evolution path of the standard deviations.
    """

    mean: Tensor
    sigma: Tensor
    std: Tensor
    path: Tensor
    long_path: Tensor


class Rates(NamedTuple, Generic[Number]):
    """Constants for a number of candidates and a code length."""

    mu_eff: Number
    c_sigma: Number
    damping: Number
    c_c: Number
    c1: Number
    c_mu: Number
    negative: Number


@lru_cache(maxsize=256)
def rates(count: int, n: int) -> Rates[float]:
    """Compute the library's constants for `count` candidates of length `n`.

    `mu_eff` is eq. 8. `c_sigma` is eq. 55 with another offset; `damping` is that of eq. 55 with
    the part that grows with `mu_eff` up to three times as large. `c_c`, `c1` and `c_mu` are
    the separable learning rates, `negative` the sum of the negative weights' sizes (eq. 50-53,
    without the bound for a positive definite matrix, which the exponential update is anyway).
    """
    mu_eff = 1 / float(log_weights(count).square().sum())
    step = min(0.5, (mu_eff + 2) / (n + mu_eff + 3))
    factor = max(1.0, 3 * (1 - math.pow(0.5, n / 9)))
    excess = max(0.0, factor * math.sqrt((mu_eff - 1) / (n + 1)) - 1)
    c1 = 1 / (n + 2 * math.sqrt(n) + mu_eff / n)
    mu = min(1 - c1, (mu_eff + 1 / mu_eff - 1.75) / (n + 4 * math.sqrt(n) + mu_eff / 2))
    worse = worse_half(count)
    mu_minus = float(worse.sum().square() / worse.square().sum().clamp(min=1e-300))
    return Rates(
        mu_eff=mu_eff,
        c_sigma=step,
        damping=1 + 2 * excess + step,
        c_c=(1 + 1 / n + mu_eff / n) / (math.sqrt(n) + 1 / n + 2 * mu_eff / n),
        c1=c1,
        c_mu=mu,
        negative=min(1 + c1 / mu, 1 + 2 * mu_minus / (mu_eff + 2)),
    )


def normal_length(n: int) -> float:
    """Compute `E‖N(0, I)‖`: exact up to n = 100, above by a series, as the library does."""
    if n > 100:
        return math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (32 * n * n))
    return math.sqrt(2) * math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2))


@final
@dataclass(frozen=True)
class Separable(Strategy):
    """CMA-ES that adapts a standard deviation for each component.

    Attributes:
        mean_rate: learning rate of the mean, `c_m`; at least 0.
        std_rate: factor on the learning rates of the standard deviations, in [0, 1]; with 0
            they stay equal.
    """

    name: ClassVar[str] = "separable"
    mean_rate: float = 1.0
    std_rate: float = 1.0

    def __post_init__(self) -> None:
        validate.at_least("mean_rate", self.mean_rate, 0)
        validate.between("std_rate", self.std_rate, 0, 1)

    def init(
        self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int
    ) -> SeparableState:
        mean = mean.to(torch.float64)
        return SeparableState(
            names=tuple(names),
            generation=torch.zeros(len(names), dtype=torch.int64),
            mean=mean,
            sigma=sigma.to(mean),
            std=torch.ones_like(mean),
            path=torch.zeros_like(mean),
            long_path=torch.zeros_like(mean),
        )

    def _ask(self, state: SeparableState, size: int) -> Tensor:
        shape = (size, state.mean.shape[1])
        z = seeds.normal(state.streams("ask"), shape, device=state.mean.device)
        steps = state.sigma.view(-1, 1, 1) * (state.std.unsqueeze(1) * z)
        return state.mean.unsqueeze(1) + steps  # eq. 38-40

    def _tell(
        self, state: SeparableState, codes: Tensor, order: Tensor, observed: Tensor
    ) -> SeparableState:
        n = state.mean.shape[1]
        counts = [max(count, 1) for count in observed.sum(1).tolist()]
        table = torch.tensor([rates(count, n) for count in counts], dtype=torch.float64)
        c = Rates[Tensor](*table.to(state.mean).T.unsqueeze(2))  # each (runs, 1)
        z = best_first(_standardised(state, codes), order)
        step = weighted_sum(observed_weights(observed), z)  # eq. 41
        shift = c.mu_eff.sqrt() * step
        path = (1 - c.c_sigma) * state.path + (c.c_sigma * (2 - c.c_sigma)).sqrt() * shift  # eq. 43
        calm = _calm(state, path, c)
        gain = calm * (c.c_c * (2 - c.c_c)).sqrt()
        long_path = (1 - c.c_c) * state.long_path + gain * shift  # eq. 45
        c1 = c.c1 * (1 - (1 - calm) * c.c_c * (2 - c.c_c))  # eq. 46
        grown = self._grown(z, long_path, c1, c, observed)
        norm = torch.linalg.vector_norm(path, dim=1, keepdim=True)
        change = (c.c_sigma / c.damping * (norm / normal_length(n) - 1)).clamp(-1, 1)  # eq. 44
        moved = self.mean_rate * state.sigma.unsqueeze(1) * state.std * step
        return state.advance(
            observed,
            mean=state.mean + moved,  # eq. 42
            sigma=state.sigma * torch.exp(change.squeeze(1)),
            std=state.std * grown,
            path=path,
            long_path=long_path,
        )

    def _grown(
        self, z: Tensor, long_path: Tensor, c1: Tensor, c: Rates[Tensor], observed: Tensor
    ) -> Tensor:
        """Compute the factors `(runs, n)` on the standard deviations.

        A component of eq. 47 is `1 + x`, its exponential form `2^(x/2)` for an SD. No factor
        exceeds what was seen along the component.
        """
        ranks = torch.arange(observed.shape[1], device=observed.device)
        answered = ranks < observed.sum(1, keepdim=True)
        weights = observed_weights(observed) - c.negative * observed_weights(observed, worse_half)
        excess, long_excess = z.square() - 1, long_path.square() - 1
        learnt = c1 * long_excess + c.c_mu * weighted_sum(weights, excess)
        grown = torch.exp(self.std_rate * (math.log(2) / 2) * learnt)
        seen = torch.where(answered.unsqueeze(2), excess.abs(), 0).amax(1)
        return torch.minimum(grown, torch.maximum(seen, long_excess.abs()) / 2 + 1)


def _standardised(state: SeparableState, codes: Tensor) -> Tensor:
    """Turn codes into draws of N(0, I), `(runs, size, n)`, no longer than √n + 7."""
    scale = state.sigma.unsqueeze(1) * state.std
    z = (codes.to(state.mean) - state.mean.unsqueeze(1)) / scale.unsqueeze(1)
    return shortened(z, math.sqrt(z.shape[2]) + MARGIN)


def _calm(state: SeparableState, path: Tensor, c: Rates[Tensor]) -> Tensor:
    """Compute `h_σ`, `(runs, 1)`: 0 while the step size grows fast, else 1 (after eq. 45)."""
    n = path.shape[1]
    times = 2.0 * (state.generation.to(path).unsqueeze(1) + 1)
    faded = torch.exp(times * torch.log(1 - c.c_sigma))
    length = path.square().sum(1, keepdim=True) / (1 - faded)
    return (length / n < 2 + 4 / (n + 1)).to(path)
