"""Isotropic search in a code space that was whitened by the codes of natural images."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.generators.base import CodeStatistics
from invariscope.search.reductions import lower_solutions, products
from invariscope.search.strategies.base import Strategy
from invariscope.search.strategies.isotropic import Isotropic, IsotropicState

# Added to the variances, as a share of their mean, where a covariance has no inverse.
RIDGE = 1e-6


@final
@dataclass(frozen=True)
class WhiteningMap:
    """The linear map between white codes and codes, `code = root · white`.

    `root · rootᵀ` is the natural codes' covariance over the square of their mean SD, so that a
    white step of size 1 is a step of that natural shape whose components have SD 1 on average.

    Attributes:
        sha256: of the covariance.
        root: `(n, n)` float64, lower triangular, on the CPU.
    """

    sha256: str
    root: Tensor = field(compare=False, repr=False)
    _moved: dict[torch.device, Tensor] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, statistics: CodeStatistics) -> "WhiteningMap":
        """Make the map from the statistics of natural codes.

        Raises:
            InputError: a covariance with no component that varies, or with numbers missing.
        """
        covariance = statistics.covariance.detach().to("cpu", torch.float64).contiguous()
        scaled = covariance / covariance.diagonal().sqrt().mean().square()
        root, failed = torch.linalg.cholesky_ex(scaled)
        if bool(failed):
            ridge = RIDGE * scaled.diagonal().mean() * torch.eye(len(scaled), dtype=torch.float64)
            root, failed = torch.linalg.cholesky_ex(scaled + ridge)
        if bool(failed) or not bool(root.isfinite().all()):
            raise InputError(
                "the covariance of the natural codes is not one (its eigenvalues must be at "
                "least 0, and some above); measure it again, or use strategy 'isotropic'"
            )
        return cls(hashlib.sha256(covariance.numpy().tobytes()).hexdigest(), root)

    def _root(self, device: torch.device) -> Tensor:
        if device not in self._moved:
            self._moved[device] = self.root.to(device)
        return self._moved[device]

    def codes(self, white: Tensor) -> Tensor:
        """Turn white codes into codes, `(runs, size, n)`."""
        return products(white, self._root(white.device).T)

    def white(self, codes: Tensor) -> Tensor:
        """Turn codes into white codes, `(runs, size, n)`."""
        return lower_solutions(self._root(codes.device), codes)


@final
@dataclass(frozen=True)
class Whitened(Strategy):
    """`Isotropic` on codes that are whitened by the covariance of natural codes.

    Its state, and what it packs, is that of `Isotropic` in white coordinates. The first step
    size is the mean of its components' SDs in the code space.

    Attributes:
        mean_rate: learning rate of the mean, `c_m`; at least 0.
        whitening: set by `with_statistics`; in a run's settings its sha256 stands for it.
    """

    name: ClassVar[str] = "whitened"
    mean_rate: float = 1.0
    whitening: WhiteningMap | None = None

    def __post_init__(self) -> None:
        validate.at_least("mean_rate", self.mean_rate, 0)

    def with_statistics(self, statistics: CodeStatistics | None) -> "Whitened":
        if self.whitening is not None:
            return self
        if statistics is None:
            raise InputError(
                "strategy 'whitened' needs the covariance of natural codes, which this generator "
                "does not have; use 'isotropic', or generator 'embedded'"
            )
        return replace(self, whitening=WhiteningMap.of(statistics))

    def describe(self) -> dict[str, Any]:
        covariance = self.whitening.sha256 if self.whitening else None
        return {"name": self.name, "mean_rate": self.mean_rate, "covariance": covariance}

    @property
    def _inner(self) -> Isotropic:
        return Isotropic(mean_rate=self.mean_rate)

    def _map(self, n: int) -> WhiteningMap:
        known = 0 if self.whitening is None else len(self.whitening.root)
        if self.whitening is None or known != n:
            raise InputError(
                f"strategy 'whitened' has the covariance of codes of length {known}, and the "
                f"start has length {n}; call with_statistics with those of the generator"
            )
        return self.whitening

    def init(
        self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int
    ) -> IsotropicState:
        start = mean.to(torch.float64).unsqueeze(1)
        white = self._map(mean.shape[1]).white(start).squeeze(1)
        return self._inner.init(names, white, sigma, population)

    def _ask(self, state: IsotropicState, size: int) -> Tensor:
        return self._map(state.mean.shape[1]).codes(self._inner.ask(state, size))

    def _tell(
        self, state: IsotropicState, codes: Tensor, order: Tensor, observed: Tensor
    ) -> IsotropicState:
        white = self._map(state.mean.shape[1]).white(codes.to(state.mean))
        return self._inner.tell(state, white, order, observed)
