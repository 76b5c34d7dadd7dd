"""Stretch, squeeze and activity of candidates, for runs with different units and sites at once.

`stretch = ‖a^κ(x) − a^κ(ref)‖₂` at the stretch site κ (or a subset of its units);
`squeeze = |a_u^ℓ(x) − a_u^ℓ(ref)|` of the target unit, the norm over a set (PAPERS §1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope import validate
from invariscope.units import Target

DIRECTIONS = ("either", "down")


@dataclass(frozen=True)
class Task:
    """What a search wants of stretch and squeeze.

    Attributes:
        signs: what turns stretch, squeeze and activity into two costs to minimise.
        within: how candidates inside one front are ordered (see `Objective.within`).
    """

    signs: tuple[tuple[float, float, float], tuple[float, float, float]]
    within: str


TASKS = {
    "invariance": Task(((-1, 0, 0), (0, 1, 0)), "squeeze"),
    "adversarial": Task(((1, 0, 0), (0, -1, 0)), "random"),
    "excitation": Task(((0, 0, 0), (0, 0, -1)), "random"),
}
WITHIN = ("squeeze", "random", "crowding")


@dataclass(frozen=True)
class Objective:
    """One run's two objectives.

    Attributes:
        task: `invariance`, `adversarial` or `excitation` (the search for an MEI).
        target: the unit or units whose activity counts.
        site: the stretch site; None for `excitation`.
        subset: entries of the flattened site that count, or None for all.
        direction: `either` (the paper's two-sided squeeze) or `down` (only a loss of activity
            counts: `max(0, a(ref) − a(x))`).
        within: the order inside a front: `squeeze` (the smaller first), `random`, `crowding`
            (the lonelier first).
        site_reference: `(entries,)` the reference's response at the site, after `subset`.
        target_reference: `(units,)` its activity.
    """

    task: str
    target: Target
    site: str | None = None
    subset: tuple[int, ...] | None = None
    direction: str = "either"
    within: str = "squeeze"
    site_reference: Tensor | None = None
    target_reference: Tensor | None = None

    def __post_init__(self) -> None:
        validate.one_of("task", self.task, TASKS)
        validate.one_of("direction", self.direction, DIRECTIONS)
        validate.one_of("order within a front", self.within, WITHIN)

    @property
    def sites(self) -> tuple[str, ...]:
        """Every site it reads."""
        sites = self.target.sites if self.site is None else (self.site, *self.target.sites)
        return tuple(dict.fromkeys(sites))


def read_site(response: Tensor, subset: Sequence[int] | None) -> Tensor:
    """A site's response `(n, *shape)` flattened to `(n, entries)` float32, or a subset of it."""
    flat = response.flatten(1)
    if subset is not None:
        flat = flat[:, torch.as_tensor(subset, device=flat.device)]
    return flat.float()


class Objectives:
    """The objectives of the runs that advance together."""

    def __init__(self, objectives: Sequence[Objective], device: torch.device | str) -> None:
        self.objectives = tuple(objectives)
        self.sites = tuple(dict.fromkeys(site for o in objectives for site in o.sites))
        self._device = torch.device(device)
        groups: dict[tuple[str, tuple[int, ...] | None], list[int]] = {}
        for run, objective in enumerate(objectives):
            if objective.site is not None:
                groups.setdefault((objective.site, objective.subset), []).append(run)
        self._groups = groups
        self._references = {
            key: torch.stack([self._reference(run) for run in runs]) for key, runs in groups.items()
        }
        signs = [TASKS[o.task].signs for o in objectives]
        self._signs = torch.tensor(signs, dtype=torch.float32, device=self._device)

    def _reference(self, run: int) -> Tensor:
        reference = self.objectives[run].site_reference
        if reference is None:
            raise ValueError("an objective with a stretch site needs the reference's response")
        return reference.to(self._device, torch.float32)

    def score(self, responses: Mapping[str, Tensor], runs: Tensor) -> Tensor:
        """Stretch, squeeze and activity of a batch of candidates.

        Args:
            responses: for each of `sites`, `(n, *shape)`.
            runs: `(n,)` int64 on the CPU: which objective each candidate belongs to.

        Returns:
            `(n, 3)` float32. Activity is the mean over a set of units. For `excitation`
            stretch and squeeze are 0.
        """
        scores = torch.zeros(len(runs), 3, device=self._device)
        for (site, subset), members in self._groups.items():
            rows = torch.isin(runs, torch.tensor(members)).nonzero().squeeze(1)
            if len(rows) == 0:
                continue
            here = torch.tensor([members.index(r) for r in runs[rows].tolist()])
            entries = read_site(responses[site][rows.to(self._device)], subset)
            distance = entries - self._references[site, subset][here.to(self._device)]
            scores[rows.to(self._device), 0] = torch.linalg.vector_norm(distance, dim=1)
        for run in runs.unique().tolist():
            rows = (runs == run).nonzero().squeeze(1).to(self._device)
            self._activity(self.objectives[run], responses, rows, scores)
        return scores

    def _activity(
        self, objective: Objective, responses: Mapping[str, Tensor], rows: Tensor, scores: Tensor
    ) -> None:
        own = {site: responses[site][rows] for site in objective.target.sites}
        activity = objective.target.read(own)
        scores[rows, 2] = activity.mean(1)
        if objective.task == "excitation":
            return
        if objective.target_reference is None:
            raise ValueError("an objective with a squeeze needs the reference's activity")
        change = activity - objective.target_reference.to(activity)
        if objective.direction == "down":
            change = change.clamp(max=0)
        scores[rows, 1] = torch.linalg.vector_norm(change, dim=1)

    def costs(self, scores: Tensor) -> Tensor:
        """The two costs to minimise, `(runs, population, 2)`, of `(runs, population, 3)` scores.

        A candidate whose activity is NaN (not recorded) has NaN costs.
        """
        costs = torch.einsum("rps,rcs->rpc", scores.nan_to_num(), self._signs)
        return costs.masked_fill(scores.isnan().any(-1, keepdim=True), torch.nan)
