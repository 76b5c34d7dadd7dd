"""The state of a twin search, and the runs that are computed together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from invariscope.search import ranking
from invariscope.search.objectives import Objectives
from invariscope.search.problem import Problem
from invariscope.search.strategies.isotropic import IsotropicState
from invariscope.search.strategies.twin_data import Observations

BEST = 4  # members that a candidate of a level may start from
TOGETHER = 8  # runs that an accelerator computes at once


@dataclass(frozen=True)
class TwinState(IsotropicState):
    """Observations and hyperparameters of some runs, and the plain search that goes on.

    Mean, step size and path are those of the plain search: at a run's start until its front has
    settled.

    Attributes:
        settled: `(runs,)` bool on the CPU, whether a run is the plain search's by now.
        observations: each run's images so far; without features where it has settled.
        learnt: each run's hyperparameters, `(4 + blocks,)`; empty before the first generation.
        credit: `(runs, kinds)` each kind of candidate's recent gain of the front.
    """

    settled: Tensor
    observations: tuple[Observations, ...]
    learnt: tuple[Tensor, ...]
    credit: Tensor


def handed_over(
    state: TwinState, settled: Sequence[bool], problems: Sequence[Problem]
) -> TwinState:
    """Hand newly settled runs over to the plain search and drop their features.

    It begins at the run's start; a search for excitation, of one image, at the best so far.
    """
    mean, observations = state.mean.clone(), list(state.observations)
    for row, (own, problem) in enumerate(zip(state.observations, problems, strict=True)):
        if settled[row] and not state.settled[row]:
            observations[row] = own.without_features()
            if problem.objective.task == "excitation":
                mean[row] = own.codes[own.scores[:, 2].argmax()]
    now = torch.tensor(settled)
    return replace(state, mean=mean, settled=now, observations=tuple(observations))


def plain_order(problem: Problem, scores: Tensor, stream: tuple[str, int, str]) -> Tensor:
    """Sort candidates with scores `(n, 3)` as a plain search does, `(1, n)`, best first."""
    own = scores[None].float().cpu()
    costs = Objectives([problem.objective], "cpu").costs(own)
    rules = [problem.objective.tie_break]
    within = ranking.within_fronts(costs, own[..., 1], ranking.fronts(costs), rules, [stream])
    return ranking.order(costs, within).to(scores.device)


def enough(state: TwinState) -> bool:
    """Tell if every run has images enough for a twin."""
    return min(map(len, state.observations)) >= BEST


def together(state: TwinState, problems: Sequence[Problem]) -> Iterator[list[int]]:
    """Group the rows that a twin proposes for and that are computed at once: on a CPU singly."""
    rows = [row for row, settled in enumerate(state.settled.tolist()) if not settled]
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
