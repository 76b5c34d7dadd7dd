"""Scores of runs with different units, sites and references in few, large operations.

`Objectives.score` for accelerators, where each operation has to be launched: a launch for each
site or target that runs share, and none for each run more.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def _groups(
    objectives: Sequence[Any], key: Callable[[Any], Hashable]
) -> Iterator[tuple[Any, list[int]]]:
    """Group objectives by a key: the first of each group, and the numbers of all."""
    found: dict[Hashable, list[int]] = {}
    for number, objective in enumerate(objectives):
        found.setdefault(key(objective), []).append(number)
    for numbers in found.values():
        yield objectives[numbers[0]], numbers


def _of_rows(values: Sequence[Tensor], numbers: list[int], runs: Tensor, size: int) -> Tensor:
    """Spread some runs' tensors over their candidates, `(n, entries)`; any for other runs."""
    index = torch.zeros(size, dtype=torch.int64)
    index[numbers] = torch.arange(len(numbers))
    return torch.stack([*values]).index_select(0, index.to(runs.device)[runs])


def score_together(
    objectives: Sequence[Any], responses: Mapping[str, Tensor], runs: Tensor
) -> Tensor:
    """Measure stretch, squeeze and activity `(n, 3)` float32 of candidates of all objectives.

    Args:
        objectives: `Objective`s, with their references on the responses' device.
        responses: for each site, `(n, *shape)`.
        runs: `(n,)` int64 on that device, each candidate's objective.
    """
    count, device = len(objectives), runs.device
    scores = torch.zeros(len(runs), 3, device=device)

    def where(numbers: list[int]) -> Tensor:
        own = torch.zeros(count, dtype=torch.bool)
        own[numbers] = True
        return own.to(device)[runs]

    for first, numbers in _groups(objectives, lambda o: (o.target, o.direction, o.task)):
        activity = first.target.read(responses)
        squeeze = torch.zeros_like(scores[:, 1])
        if first.task != "excitation":
            references = [objectives[i].target_reference.to(activity) for i in numbers]
            change = activity - _of_rows(references, numbers, runs, count)
            change = change.clamp(max=0) if first.direction == "down" else change
            squeeze = torch.linalg.vector_norm(change, dim=1)
        found = torch.stack([squeeze, activity.mean(1)], 1)
        scores[:, 1:] = torch.where(where(numbers).unsqueeze(1), found, scores[:, 1:])
    for first, numbers in _groups(objectives, lambda o: (o.site, o.subset)):
        if first.site is None:
            continue
        response = responses[first.site].flatten(1).float()
        if first.subset is not None:
            response = response[:, torch.as_tensor(first.subset, device=device)]
        references = [objectives[i].site_reference.to(response) for i in numbers]
        apart = response - _of_rows(references, numbers, runs, count)
        stretch = torch.linalg.vector_norm(apart, dim=1)
        scores[:, 0] = torch.where(where(numbers), stretch, scores[:, 0])
    return scores
