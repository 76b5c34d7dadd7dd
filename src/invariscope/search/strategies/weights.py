"""Recombination of ranked candidates (Hansen's tutorial, arXiv 1604.00772)."""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor


def log_weights(size: int) -> Tensor:
    """Compute positive weights of the better half, `(size,)` float64, summing to 1.

    `w_i ∝ ln((size + 1) / 2) − ln(i)`, i = 1 … (eq. 49).
    """
    ranks = torch.arange(1, size + 1, dtype=torch.float64)
    raw = (math.log((size + 1) / 2) - torch.log(ranks)).clamp(min=0)
    raw[max(size // 2, 1) :] = 0
    if size == 1:
        raw[0] = 1.0
    return raw / raw.sum() if size else raw


def worse_half(size: int) -> Tensor:
    """Compute sizes of negative weights of the worse half, `(size,)` float64.

    Sizes grow as `ln(i) − ln((size + 1) / 2)` (eq. 49) and sum to 1, or are 0 for one candidate.
    """
    ranks = torch.arange(1, size + 1, dtype=torch.float64)
    raw = (torch.log(ranks) - math.log((size + 1) / 2)).clamp(min=0)
    return raw / raw.sum().clamp(min=1e-300)


def observed_weights(observed: Tensor, rule: Callable[[int], Tensor] = log_weights) -> Tensor:
    """Spread weights over each run's observed candidates, `(runs, size)`, best first.

    A run without observed candidates has weights 0.

    Args:
        observed: `(runs, size)` bool.
        rule: the weights `(count,)` of a number of candidates.
    """
    return _by_count(observed.shape[1], rule, observed.device)[observed.sum(1)]


@lru_cache(maxsize=64)
def _by_count(size: int, rule: Callable[[int], Tensor], device: torch.device) -> Tensor:
    """Tabulate a rule's weights, `(size + 1, size)`; row `count` is for so many candidates."""
    weights = torch.zeros(size + 1, size, dtype=torch.float64)
    for count in range(1, size + 1):
        weights[count, :count] = rule(count)
    return weights.to(device)


def best_first(candidates: Tensor, order: Tensor) -> Tensor:
    """Sort candidates by their order, `(runs, size, n)`; 0 where a number is missing."""
    return candidates.gather(1, order.unsqueeze(2).expand_as(candidates)).nan_to_num()


def shortened(z: Tensor, longest: float) -> Tensor:
    """Shorten standardised codes `(runs, size, n)` to a norm of at most `longest`.

    What an injected code far outside the distribution can teach is bounded so (Hansen 2011,
    arXiv 1110.4181).
    """
    size = torch.linalg.vector_norm(z, dim=2, keepdim=True)
    return z * (longest / size.clamp(min=1e-300)).clamp(max=1)
