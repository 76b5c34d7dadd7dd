"""Pareto ranking of candidates by two costs, for many runs at once.

Both costs are minimised. A candidate dominates another when it is no worse in both and better
in one; front 0 is dominated by none, front k + 1 only by candidates of fronts up to k
(PAPERS §1, "Rank").
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope import seeds


def dominates(costs: Tensor, others: Tensor | None = None) -> Tensor:
    """Compare candidates pair by pair for dominance.

    Args:
        costs: `(runs, candidates, 2)`, minimised; NaN is worse than any number.
        others: `(runs, others, 2)`, costs that may be dominated; by default `costs`.

    Returns:
        `(runs, candidates, others)` bool; `[r, i, j]` is whether i dominates j.
    """
    first = costs.nan_to_num(torch.inf, torch.inf, -torch.inf)
    second = first if others is None else others.nan_to_num(torch.inf, torch.inf, -torch.inf)
    first, second = first.unsqueeze(2), second.unsqueeze(1)
    return (first <= second).all(-1) & (first < second).any(-1)


def fronts(costs: Tensor) -> Tensor:
    """Find the index of each candidate's front, 0 for the best.

    In O(n log n) for n candidates of a run (Jensen 2003, IEEE Trans. Evol. Comput. 7): from the
    smallest first cost on, a candidate lies behind every front whose smallest second cost so far
    is not above its own, and those second costs rise from front to front.

    Args:
        costs: `(…, candidates, 2)`, minimised. A candidate with a NaN cost comes in a front
            behind every candidate without one.

    Returns:
        `(…, candidates)` int64, on the device of the costs.
    """
    known = costs.detach().double().cpu().numpy()
    index = np.zeros(known.shape[:-1], dtype=np.int64)
    rows = known.reshape(-1, *known.shape[-2:])
    for own, points in zip(index.reshape(-1, costs.shape[-2]), rows, strict=True):
        _fronts_of_a_run(points, own)
    return torch.from_numpy(index).to(costs.device)


def _fronts_of_a_run(points: NDArray[np.float64], index: NDArray[np.int64]) -> None:
    """Write the fronts of costs `(candidates, 2)` into `index`."""
    unknown = np.isnan(points[:, 0]) | np.isnan(points[:, 1])
    ranked = np.lexsort((points[:, 1], points[:, 0]))
    smallest: list[float] = []  # second cost of each front's last member, ascending
    last: list[float] = []  # that member's first cost
    for candidate in ranked[~unknown[ranked]].tolist():
        first, second = points[candidate].tolist()
        front = bisect_right(smallest, second)
        if front and smallest[front - 1] == second and last[front - 1] == first:
            front -= 1  # equal in both costs: neither dominates
        index[candidate] = front
        if front == len(smallest):
            smallest.append(second)
            last.append(first)
        else:
            smallest[front], last[front] = second, first
    index[unknown] = len(smallest)


def crowding(costs: Tensor, front: Tensor) -> Tensor:
    """Compute the crowding distance inside each front (Deb et al. 2002).

    Args:
        costs: `(runs, candidates, 2)`, without NaN.
        front: `(runs, candidates)` from `fronts`.

    Returns:
        `(runs, candidates)`: summed over both costs, the gap between a candidate's two
        neighbours in its front over the front's range, so larger where neighbours are far;
        infinite at a front's ends.
    """
    distance = torch.zeros_like(costs[..., 0])
    for cost in costs.unbind(-1):
        # Sorted by front, then by cost: neighbours in a front are neighbours in the row.
        by_cost = torch.argsort(cost, dim=1, stable=True)
        order = by_cost.gather(1, torch.argsort(front.gather(1, by_cost), dim=1, stable=True))
        value, block = cost.gather(1, order), front.gather(1, order)
        step = (value[:, 1:] - value[:, :-1]).masked_fill(block[:, 1:] != block[:, :-1], torch.inf)
        ends = torch.full_like(value[:, :1], torch.inf)
        gap = torch.cat([ends, step], 1) + torch.cat([step, ends], 1)
        same = block.unsqueeze(2) == block.unsqueeze(1)
        high = value.unsqueeze(1).masked_fill(~same, -torch.inf).amax(2)
        low = value.unsqueeze(1).masked_fill(~same, torch.inf).amin(2)
        span = (high - low).where(high > low, torch.ones_like(high))
        distance.scatter_add_(1, order, gap / span)
    return distance


def within_fronts(
    costs: Tensor,
    squeeze: Tensor,
    front: Tensor,
    rules: Sequence[str],
    streams: Sequence[tuple[seeds.Word, ...]],
) -> Tensor:
    """Compute keys that order candidates inside a front, `(runs, candidates)`, smaller first.

    Args:
        costs: `(runs, candidates, 2)`.
        squeeze: `(runs, candidates)`.
        front: `(runs, candidates)` from `fronts`.
        rules: of each run: `random`, `crowding`, or the squeeze.
        streams: each run's random stream.
    """
    tie_break = squeeze.clone()
    if rows := [row for row, rule in enumerate(rules) if rule == "random"]:
        draws = seeds.normal([streams[row] for row in rows], (squeeze.shape[1],))
        tie_break[rows] = draws.to(tie_break.dtype)
    if rows := [row for row, rule in enumerate(rules) if rule == "crowding"]:
        known = costs[rows].nan_to_num(nan=3e38)
        tie_break[rows] = -crowding(known, front[rows])
    return tie_break


def expected_fronts(drawn: Tensor) -> Tensor:
    """Average the index of each candidate's front over draws of uncertain costs.

    A candidate that dominates another by a difference within the noise is ahead of it in some
    draws only, so its lead is small; without noise every draw is the same, and the result is
    `fronts`.

    Args:
        drawn: `(draws, runs, candidates, 2)`, minimised.

    Returns:
        `(runs, candidates)` float64.
    """
    return fronts(drawn.flatten(0, 1)).unflatten(0, drawn.shape[:2]).double().mean(0)


def order(costs: Tensor, tie_break: Tensor, front: Tensor | None = None) -> Tensor:
    """Sort candidates from best to worst: by front, then by `tie_break`, then by position.

    Args:
        costs: `(runs, candidates, 2)`, minimised.
        tie_break: `(runs, candidates)`, the smaller first inside a front; NaN last.
        front: `(runs, candidates)`, each candidate's front; by default `fronts(costs)`.

    Returns:
        `(runs, candidates)` int64: indices, best first. Every index appears once.
    """
    by_within = torch.argsort(torch.nan_to_num(tie_break, nan=torch.inf), dim=1, stable=True)
    front = (fronts(costs) if front is None else front).gather(1, by_within)
    return by_within.gather(1, torch.argsort(front, dim=1, stable=True))
