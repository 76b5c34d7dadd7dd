"""Gaussian processes of a unit's activity over features, several runs at once, in plain torch.

The covariance of two images is `linear · ⟨x, y⟩ + rbf · exp(−|x − y|² / (2 · length²))`, plus noise
(Rasmussen & Williams 2006, ch. 2, 4 and 5). Features come in blocks, such as the layers of a
network; each block has a share of the inner product, learnt with the rest by marginal likelihood.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope.errors import InputError

LINEAR, RBF, LENGTH, NOISE = range(4)  # indices of the logarithms in the hyperparameters
FIRST = (-0.7, -0.7, 0.0, -2.0)
PRIOR_SD = (1.5, 1.5, 0.7, 2.0)
LEAST_NOISE = 1e-4  # of the variance of the values
RATE = 0.1
JITTER = (1e-10, 1e-8, 1e-6)  # of the mean variance, added where rounding spoils a covariance


def first_parameters(runs: int, blocks: int, device: torch.device | str = "cpu") -> Tensor:
    """Make hyperparameters for a process that has learnt nothing, `(runs, 4 + blocks)` float64."""
    own = torch.zeros(runs, 4 + blocks, dtype=torch.float64, device=device)
    own[:, :4] = torch.tensor(FIRST, dtype=torch.float64, device=device)
    return own


def _shares(parameters: Tensor) -> Tensor:
    """Compute each block's share of the inner product, `(runs, blocks)`, summing to 1."""
    return torch.softmax(parameters[:, 4:], 1)


def _grams(features: Tensor, blocks: Sequence[int]) -> Tensor:
    """Compute inner products of every block over its width, `(runs, blocks, points, points)`."""
    parts = features.split(list(blocks), 2)
    return torch.stack([p @ p.mT / p.shape[2] for p in parts], 1)


def _covariance(inner: Tensor, left: Tensor, right: Tensor, parameters: Tensor) -> Tensor:
    """Compute covariances of inner products `(runs, n, m)`, and squared norms."""
    linear, rbf, length, _ = parameters[:, :4].exp().view(-1, 4, 1, 1).unbind(1)
    distance = (left.unsqueeze(2) + right.unsqueeze(1) - 2 * inner).clamp(min=0)
    return linear * inner + rbf * torch.exp(-distance / (2 * length.square()))


def _noisy(covariance: Tensor, errors: Tensor, parameters: Tensor) -> Tensor:
    """Add the variance of measured values to the diagonal of a covariance."""
    noise = parameters[:, NOISE].exp().unsqueeze(1) + LEAST_NOISE + errors.square()
    return covariance + torch.diag_embed(noise)


def negative_log_likelihood(
    features: Tensor, values: Tensor, errors: Tensor, parameters: Tensor, blocks: Sequence[int]
) -> Tensor:
    """Compute the negative log marginal likelihood of each run's values, `(runs,)`.

    Args:
        features: `(runs, points, entries)` float64.
        values: `(runs, points)`.
        errors: `(runs, points)` known standard errors, beside the noise that is learnt.
        parameters: `(runs, 4 + blocks)` logarithms of the linear and the RBF variance, the length
            and the noise's variance; then the blocks' shares as logits.
        blocks: widths of the blocks of features.
    """
    return _likelihood(_grams(features, blocks), values, errors, parameters)


def _factor(covariance: Tensor) -> Tensor:
    """Factorise covariances `(runs, points, points)`, with more on the diagonal where needed.

    Raises:
        InputError: they have no factor, since answers or features are not finite.
    """
    factor, fault = torch.linalg.cholesky_ex(covariance)
    for share in JITTER:
        if not bool(fault.any()):
            return factor
        more = share * covariance.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
        more = torch.diag_embed(more.expand(covariance.shape[:2]))
        factor, fault = torch.linalg.cholesky_ex(covariance + more)
    if not bool(fault.any()):
        return factor
    raise InputError(
        "no twin can be fitted: the answers or the features of the proxy are not finite, or the "
        "proxy answers alike to every image; choose another proxy, such as 'codes'"
    )


def _likelihood(grams: Tensor, values: Tensor, errors: Tensor, parameters: Tensor) -> Tensor:
    inner = torch.einsum("rbnm,rb->rnm", grams, _shares(parameters))
    norms = inner.diagonal(dim1=1, dim2=2)
    covariance = _noisy(_covariance(inner, norms, norms, parameters), errors, parameters)
    factor = _factor(covariance)
    whitened = torch.linalg.solve_triangular(factor, values.unsqueeze(2), upper=False).squeeze(2)
    logs = factor.diagonal(dim1=1, dim2=2).log().sum(1)
    return whitened.square().sum(1) / 2 + logs + values.shape[1] * math.log(2 * math.pi) / 2


def learn_parameters(
    features: Tensor,
    values: Tensor,
    errors: Tensor,
    parameters: Tensor,
    *,
    blocks: Sequence[int],
    steps: int,
) -> Tensor:
    """Climb the marginal likelihood times a wide prior by some steps of Adam.

    Args:
        features, values, errors, blocks: as for `negative_log_likelihood`.
        parameters: `(runs, 4 + blocks)` to go on from.
        steps: of the ascent.
    """
    grams = _grams(features, blocks)
    moving = parameters.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([moving], lr=RATE)
    centre = first_parameters(1, len(blocks), parameters.device)
    spread = torch.ones_like(centre)
    spread[:, :4] = torch.tensor(PRIOR_SD, dtype=spread.dtype, device=spread.device)
    with torch.enable_grad():
        for _ in range(steps):
            optimiser.zero_grad()
            prior = ((moving - centre) / spread).square().sum(1) / 2
            (_likelihood(grams, values, errors, moving) + prior).sum().backward()
            optimiser.step()
    return moving.detach()


@dataclass(frozen=True)
class Process:
    """The posterior of a unit's activity after some images.

    Attributes:
        features: `(runs, points, entries)` float64, scaled by the blocks' shares.
        factor: `(runs, points, points)` Cholesky factor of the values' covariance.
        solved: `(runs, points)` the covariance's inverse times the values.
        parameters: `(runs, 4 + blocks)`.
        blocks: widths of the blocks of features.
    """

    features: Tensor
    factor: Tensor
    solved: Tensor
    parameters: Tensor
    blocks: tuple[int, ...]

    @classmethod
    def of(
        cls,
        features: Tensor,
        values: Tensor,
        errors: Tensor,
        parameters: Tensor,
        blocks: Sequence[int],
    ) -> "Process":
        """Condition on values; arguments as for `negative_log_likelihood`."""
        scaled = _scaled(features, parameters, blocks)
        inner, norms = scaled @ scaled.mT, scaled.square().sum(2)
        covariance = _noisy(_covariance(inner, norms, norms, parameters), errors, parameters)
        factor = _factor(covariance)
        solved = torch.cholesky_solve(values.unsqueeze(2), factor).squeeze(2)
        return cls(scaled, factor, solved, parameters, tuple(blocks))

    def predict(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Predict mean and standard deviation of the noise-free value; gradients pass.

        Args:
            features: `(runs, n, entries)` float64.

        Returns:
            Two tensors `(runs, n)`.
        """
        linear, rbf = self.parameters[:, (LINEAR, RBF)].exp().unsqueeze(2).unbind(1)
        own = _scaled(features, self.parameters, self.blocks)
        norms = own.square().sum(2)
        across = _covariance(
            own @ self.features.mT, norms, self.features.square().sum(2), self.parameters
        )
        mean = (across @ self.solved.unsqueeze(2)).squeeze(2)
        whitened = torch.linalg.solve_triangular(self.factor, across.mT, upper=False)
        variance = linear * norms + rbf - whitened.square().sum(1)
        return mean, variance.clamp(min=1e-10).sqrt()


def _scaled(features: Tensor, parameters: Tensor, blocks: Sequence[int]) -> Tensor:
    """Scale features so that their plain inner product is the weighted inner product."""
    widths = torch.tensor(blocks, dtype=torch.float64, device=features.device)
    each = (_shares(parameters) / widths).sqrt()
    counts = torch.tensor(blocks, device=features.device)
    return features * each.repeat_interleave(counts, 1).unsqueeze(1)
