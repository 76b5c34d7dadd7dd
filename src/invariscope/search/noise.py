"""Uncertainty of noisy responses: draws within the errors, probabilities, expected activity."""

from collections.abc import Callable

import torch
from torch import Tensor

from invariscope import seeds

DRAWS = 64


def normal(streams: list[tuple[str, int, str]], population: int) -> Tensor:
    """Draw standard normal numbers, `(DRAWS, runs × population)` float32, a stream a run."""
    numbers = seeds.normal([*streams], (DRAWS, population), dtype=torch.float32)
    return numbers.transpose(0, 1).flatten(1)


def p_top_half(drawn: Tensor, order: Callable[[Tensor], Tensor]) -> Tensor:
    """Count how often each candidate comes in the better half of its run's population.

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


def shrunk(activity: Tensor, error: Tensor, stretch: Tensor) -> Tensor:
    """Shrink each candidate's activity to the value expected of another measurement.

    The best of many noisy candidates was lucky too. Each is drawn to the line of activity over
    stretch that fits its generation, by the share of its variance around the line that is noise
    (empirical Bayes; Efron & Morris 1975), so that a front holds good candidates, not lucky
    candidates.

    Args:
        activity: `(n, units)`; NaN where not recorded.
        error: `(n, units)` standard errors, NaN as above.
        stretch: `(n,)`, known without noise.

    Returns:
        `(n, units)`, unchanged where there is no error or where fewer than four were recorded.
    """
    found = activity.clone()
    for unit in range(activity.shape[1]):
        known = ~activity[:, unit].isnan() & ~error[:, unit].isnan()
        values, noise = activity[known, unit].double(), error[known, unit].double().square()
        if len(values) < 4 or not noise.any():
            continue
        away = stretch[known].to(values)
        spread = away.std()
        line, terms = torch.full_like(values, float(values.mean())), 1
        if spread > 0:
            centred = (away - away.mean()) / spread
            slope = (centred * values).sum() / centred.square().sum()
            line, terms = line + slope * centred, 2
        apart = values - line
        own = (apart.square().sum() / (len(values) - terms) - noise.mean()).clamp(min=0)
        sure = torch.where(noise > 0, own / (own + noise), 1.0)
        found[known, unit] = (line + sure * apart).to(found)
    return found
