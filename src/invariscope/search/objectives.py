"""Stretch, squeeze and activity of candidates, for runs with different units and sites at once.

`stretch = ‖a^κ(x) − a^κ(ref)‖₂` at the stretch site κ (or a subset of its units);
`squeeze = |a_u^ℓ(x) − a_u^ℓ(ref)|` of the target unit, the norm over a set (PAPERS §1).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.search import noise
from invariscope.search.reductions import aligned
from invariscope.search.together import score_together
from invariscope.subjects.base import PIXELS
from invariscope.units import Target

DIRECTIONS = ("either", "down")


@dataclass(frozen=True)
class SearchTask:
    """The direction of stretch and squeeze that a search asks for.

    Attributes:
        signs: factors that turn stretch, squeeze and activity into two costs to minimise.
        tie_break: how candidates inside one front are ordered (see `Objective.tie_break`).
    """

    signs: tuple[tuple[float, float, float], tuple[float, float, float]]
    tie_break: str


TASKS = {
    "invariance": SearchTask(((-1, 0, 0), (0, 1, 0)), "squeeze"),
    "adversarial": SearchTask(((1, 0, 0), (0, -1, 0)), "random"),
    "excitation": SearchTask(((0, 0, 0), (0, 0, -1)), "random"),
}
TIE_BREAKS = ("squeeze", "random", "crowding")


@dataclass(frozen=True)
class Objective:
    """The two objectives of a run.

    Attributes:
        task: `invariance`, `adversarial` or `excitation` (the search for an MEI).
        target: the unit or units whose activity counts.
        site: the stretch site; None for `excitation`.
        subset: entries of the flattened site that count, or None for all.
        direction: `either` (the paper's two-sided squeeze) or `down` (only a loss of activity
            counts: `max(0, a(ref) − a(x))`).
        tie_break: the order inside a front: `squeeze` (the smaller first), `random`, `crowding`
            (the lonelier first).
        site_reference: `(entries,)` the reference's response at the site, after `subset`.
        target_reference: `(units,)` the target's activity for the reference.
    """

    task: str
    target: Target
    site: str | None = None
    subset: tuple[int, ...] | None = None
    direction: str = "either"
    tie_break: str = "squeeze"
    site_reference: Tensor | None = None
    target_reference: Tensor | None = None

    def __post_init__(self) -> None:
        validate.one_of("task", self.task, TASKS)
        validate.one_of("direction", self.direction, DIRECTIONS)
        validate.one_of("order within a front", self.tie_break, TIE_BREAKS)

    @property
    def sites(self) -> tuple[str, ...]:
        """Every site that stretch and squeeze read."""
        sites = self.target.sites if self.site is None else (self.site, *self.target.sites)
        return tuple(dict.fromkeys(sites))


def read_site(response: Tensor, subset: Sequence[int] | None) -> Tensor:
    """Flatten a site's response `(n, *shape)` to `(n, entries)` float32, or a subset."""
    flat = response.flatten(1)
    if subset is not None:
        flat = flat[:, torch.as_tensor(subset, device=flat.device)]
    return flat.float()


def responses_by_site(
    responses: Mapping[str, Tensor] | ArrayLike,
    sites: Sequence[str],
    expected: int,
    pixels: Callable[[], Tensor],
) -> dict[str, Tensor]:
    """Sort responses by site, and check their number at each site.

    Args:
        responses: a mapping by site, or the numbers of the only site beside `pixels`: `(n,)` or
            `(n, units)`.
        expected: number of images.
        pixels: gives the images, where `pixels` is a site that was left out.

    Raises:
        InputError: plain numbers, and several sites they could be of; a missing site, or
            another number of responses.
    """
    if isinstance(responses, Mapping):
        by_site = dict(responses)
    else:
        others = [site for site in sites if site != PIXELS]
        if len(others) != 1:
            raise InputError(f"this search reads {others}; give responses as a mapping by site")
        numbers = responses if isinstance(responses, Tensor) else np.asarray(responses)
        plain = torch.as_tensor(numbers).float()
        by_site = {others[0]: plain.unsqueeze(1) if plain.ndim == 1 else plain}
    if PIXELS in sites and PIXELS not in by_site:
        by_site[PIXELS] = pixels()
    for site in sites:
        if site not in by_site or len(by_site[site]) != expected:
            got = len(by_site[site]) if site in by_site else "none"
            raise InputError(f"expected {expected} responses at site {site!r}; got {got}")
    return by_site


def _distances(response: Tensor, reference: Tensor) -> Tensor:
    """Measure the L2 distance `(n,)` of responses `(n, *shape)` to a reference `(entries,)`.

    Entries are taken in the order in which the response lies in memory, so nothing is copied.
    """
    if response.ndim == 4 and response.is_contiguous(memory_format=torch.channels_last):
        response = response.permute(0, 2, 3, 1)
        channels = response.shape[-1]
        reference = reference.unflatten(0, (channels, -1)).T.flatten()
    return torch.linalg.vector_norm(response.flatten(1).float() - reference, dim=1)


def _squeeze(objective: Objective, activity: Tensor) -> Tensor:
    """Measure how far `(n, units)` activities are from the reference's; 0 for `excitation`."""
    if objective.task == "excitation":
        return torch.zeros_like(activity[:, 0])
    if objective.target_reference is None:
        raise ValueError("an objective with a squeeze needs the reference's activity")
    change = activity - objective.target_reference.to(activity)
    if objective.direction == "down":
        change = change.clamp(max=0)
    return torch.linalg.vector_norm(change, dim=1)


def _set_activity(scores: Tensor, objective: Objective, activity: Tensor) -> None:
    """Write squeeze and mean of `(n, units)` activities into scores `(n, 3)`, in place."""
    scores[:, 1] = _squeeze(objective, activity)
    scores[:, 2] = activity.mean(1)


class Objectives:
    """The objectives of the runs that advance together."""

    def __init__(self, objectives: Sequence[Objective], device: torch.device | str) -> None:
        self.objectives = tuple(objectives)
        self.sites = tuple(dict.fromkeys(site for o in objectives for site in o.sites))
        self._device = torch.device(device)
        signs = [TASKS[o.task].signs for o in objectives]
        self._signs = torch.tensor(signs, dtype=torch.float32, device=self._device)

    def score(self, responses: Mapping[str, Tensor], runs: Tensor) -> Tensor:
        """Measure stretch, squeeze and activity of a batch of candidates.

        Args:
            responses: for each of `sites`, `(n, *shape)`.
            runs: `(n,)` int64 on the CPU: each candidate's objective; candidates of a run stand
                together.

        Returns:
            `(n, 3)` float32. Activity is the mean over a set of units. For `excitation`
            stretch and squeeze are 0. On an accelerator one pass for all runs (`together`).
        """
        if self._device.type == "cuda":
            return score_together(self.objectives, responses, runs.to(self._device))
        parts = [self._score(o, responses, rows) for o, rows in self._parts(runs)]
        return torch.cat(parts)

    def _parts(self, runs: Tensor) -> Iterator[tuple[Objective, slice]]:
        """Give each run's objective and rows."""
        numbers, counts = runs.unique_consecutive(return_counts=True)
        last = 0
        for run, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            first, last = last, last + count
            yield self.objectives[run], slice(first, last)

    def resampled(
        self,
        scores: Tensor,
        responses: Mapping[str, Tensor],
        errors: Mapping[str, Tensor],
        runs: Tensor,
        normal: Tensor,
    ) -> Tensor:
        """Draw scores again within the errors of the targets' responses.

        Args:
            scores: `(n, 3)` from `score`; stretch is taken as it is.
            responses: for each site of the targets, `(n, *shape)`.
            errors: standard errors of some sites' responses, of the same shapes; other sites
                have none.
            runs: `(n,)` as for `score`.
            normal: `(draws, n)` standard normal numbers.

        Returns:
            `(draws, n, 3)`. The units of a set are taken to err alike.
        """
        drawn = scores.expand(len(normal), *scores.shape).clone()
        for objective, rows, activity, error in self._with_errors(responses, errors, runs):
            for scored, numbers in zip(drawn, normal, strict=True):
                shifted = activity + error * numbers[rows].to(error).unsqueeze(1)
                _set_activity(scored[rows], objective, shifted)
        return drawn

    def shrunk(
        self,
        scores: Tensor,
        responses: Mapping[str, Tensor],
        errors: Mapping[str, Tensor],
        runs: Tensor,
    ) -> Tensor:
        """Score the expected activity of each candidate (`noise.shrunk`), `(n, 3)`.

        Args:
            scores, responses, errors, runs: as for `resampled`.
        """
        found = scores.clone()
        for objective, rows, activity, error in self._with_errors(responses, errors, runs):
            expected = noise.shrunk(activity, error, scores[rows, 0])
            _set_activity(found[rows], objective, expected)
        return found

    def errors(
        self, responses: Mapping[str, Tensor], errors: Mapping[str, Tensor], runs: Tensor
    ) -> Tensor:
        """Give standard errors `(n,)` of each candidate's activity; of a set, of a single unit."""
        parts = self._with_errors(responses, errors, runs)
        return torch.cat([error.square().mean(1).sqrt() for *_, error in parts])

    def _with_errors(
        self, responses: Mapping[str, Tensor], errors: Mapping[str, Tensor], runs: Tensor
    ) -> Iterator[tuple[Objective, slice, Tensor, Tensor]]:
        """Give each run's objective and rows, and the targets' activity and errors `(n, units)`."""
        for objective, rows in self._parts(runs):
            target = objective.target
            own = {site: aligned(responses[site][rows]) for site in target.sites}
            deviations = {
                site: aligned(errors[site][rows]) if site in errors else torch.zeros_like(response)
                for site, response in own.items()
            }
            yield objective, rows, target.read(own), target.read(deviations)

    def _score(self, objective: Objective, responses: Mapping[str, Tensor], rows: slice) -> Tensor:
        own = {site: aligned(responses[site][rows]) for site in objective.sites}
        activity = objective.target.read(own)
        scores = torch.zeros(len(activity), 3, device=self._device)
        _set_activity(scores, objective, activity)
        if objective.site is not None:
            if objective.site_reference is None:
                raise ValueError("an objective with a stretch site needs the reference's response")
            reference = objective.site_reference.to(self._device, torch.float32)
            response = own[objective.site]
            if objective.subset is not None:
                response = read_site(response, objective.subset)
            scores[:, 0] = _distances(response, reference)
        return scores

    def costs(self, scores: Tensor) -> Tensor:
        """Turn `(runs, population, 3)` scores into `(runs, population, 2)` costs to minimise.

        A candidate whose activity is NaN (not recorded) has NaN costs.
        """
        signs = self._signs.to(scores.device)
        costs = (scores.nan_to_num().unsqueeze(2) * signs.unsqueeze(1)).sum(-1)
        return costs.masked_fill(scores.isnan().any(-1, keepdim=True), torch.nan)
