"""What noisy responses leave open: scores drawn anew within their errors."""

from collections.abc import Callable

import torch
from torch import Tensor

from invariscope import seeds

DRAWS = 64


def normal(streams: list[tuple[str, int, str]], population: int) -> Tensor:
    """Standard normal numbers, `(DRAWS, runs × population)` float32, a stream a run."""
    numbers = seeds.normal([*streams], (DRAWS, population), dtype=torch.float32)
    return numbers.transpose(0, 1).flatten(1)


def better_half(drawn: Tensor, order: Callable[[Tensor], Tensor]) -> Tensor:
    """How often each candidate comes in the better half of its run's population.

    Args:
        drawn: `(draws, runs, population, 3)` scores; NaN where nothing was recorded.
        order: from `(runs, population, 3)` scores to `(runs, population)` indices, best first.

    Returns:
        `(runs, population)` in [0, 1]; 0 where nothing was recorded.
    """
    counts = torch.zeros(drawn.shape[1:3])
    for scores in drawn:
        best = order(scores)[:, : counts.shape[1] // 2].cpu()
        counts.scatter_add_(1, best, torch.ones_like(best, dtype=counts.dtype))
    unknown = drawn[0].isnan().any(-1).cpu()
    return (counts / len(drawn)).masked_fill(unknown, 0.0)
