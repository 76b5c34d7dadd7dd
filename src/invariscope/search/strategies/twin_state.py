"""The state of a twin search, and the runs that are computed together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from invariscope.search.problem import Problem
from invariscope.search.strategies.base import State
from invariscope.search.strategies.twin_data import Observations
from invariscope.search.strategies.twin_islands import Islands

BEST = 4  # members that a candidate of a level may start from
TOGETHER = 8  # runs that an accelerator computes at once


@dataclass(frozen=True)
class TwinState(State):
    """Observations and hyperparameters of some runs.

    Attributes:
        mean: `(runs, code_dim)` where each run was to start.
        sigma: `(runs,)` the first step size.
        observations: each run's images so far.
        learnt: each run's hyperparameters, `(4 + blocks,)`; empty before the first generation.
        credit: `(runs, kinds)` each kind of candidate's recent gain of the front.
        islands: what each run goes on with once its front has settled; empty before.
    """

    mean: Tensor
    sigma: Tensor
    observations: tuple[Observations, ...]
    learnt: tuple[Tensor, ...]
    credit: Tensor
    islands: tuple[Islands, ...]


def enough(state: TwinState) -> bool:
    """Tell if every run has images enough for a twin."""
    return min(map(len, state.observations)) >= BEST


def together(state: TwinState, problems: Sequence[Problem]) -> Iterator[list[int]]:
    """Group the rows without islands that are computed at once: on a CPU singly."""
    rows = [row for row, islands in enumerate(state.islands) if not len(islands)]
    if state.mean.device.type == "cpu":
        yield from ([row] for row in rows)
        return
    groups: dict[Any, list[int]] = {}
    for row in rows:
        own, problem = state.observations[row], problems[row]
        o = problem.objective
        single = len(o.target.units) == 1
        key = (len(own), len(state.learnt[row]), o.task, o.site, o.direction, single)
        groups.setdefault(key, []).append(row)
    for alike in groups.values():
        for first in range(0, len(alike), TOGETHER):
            yield alike[first : first + TOGETHER]
