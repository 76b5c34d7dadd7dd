"""Stretch, squeeze and activity of candidates, for runs with different units and sites at once.

`stretch = ‖a^κ(x) − a^κ(ref)‖₂` at the stretch site κ (or a subset of its units);
`squeeze = |a_u^ℓ(x) − a_u^ℓ(ref)|` of the target unit, the norm over a set (PAPERS §1).
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from invariscope import validate
from invariscope.devices import upload
from invariscope.errors import InputError
from invariscope.plurals import number_of
from invariscope.search import noise
from invariscope.search.reductions import aligned
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
        flat = flat[:, upload(torch.as_tensor(subset), flat.device)]
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
        InputError: plain numbers, and several sites they could be of; a missing site, another
            number of responses, or an infinite one.
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
            raise InputError(
                f"expected {number_of(expected, 'response')} at site {site!r}; got {got}"
            )
        if infinite := int(torch.isinf(by_site[site]).flatten(1).any(1).sum()):
            raise InputError(
                f"{number_of(infinite, 'response')} of {expected} at site {site!r} hold an "
                "infinite number; expected finite ones, or NaN where an image was not recorded"
            )
    return by_site


def _distances(response: Tensor, references: Tensor) -> Tensor:
    """Measure the L2 distance `(n,)` of responses `(n, *shape)` to references `(…, entries)`.

    Entries are taken in the order in which the response lies in memory, so nothing is copied.
    """
    if response.ndim == 4 and response.is_contiguous(memory_format=torch.channels_last):
        response = response.permute(0, 2, 3, 1)
        references = references.unflatten(1, (response.shape[-1], -1)).mT.flatten(1)
    return torch.linalg.vector_norm(response.flatten(1).float() - references, dim=1)


def _set_activity(
    scores: Tensor, objective: Objective, activity: Tensor, references: Tensor
) -> None:
    """Write squeeze and mean of `(…, units)` activities into scores `(…, 3)`, in place."""
    scores[..., 2] = activity.mean(-1)
    if objective.task != "excitation":
        change = activity - references
        change = change.clamp(max=0) if objective.direction == "down" else change
        scores[..., 1] = torch.linalg.vector_norm(change, dim=-1)


def _target(objective: Objective) -> Hashable:
    """Name the part of an objective that squeeze and activity depend on."""
    return objective.target, objective.direction, objective.task


def _stretch_site(objective: Objective) -> Hashable:
    """Name the part of an objective that stretch depends on."""
    return objective.site, objective.subset


class Objectives:
    """The objectives of the runs that advance together.

    Args:
        objectives: one a run.
        device: of the scores.
        together: score the runs that share a site or target at once; by default on accelerators,
            where each operation has to be launched: none more for each run more.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        device: torch.device | str,
        *,
        together: bool | None = None,
    ) -> None:
        self.objectives = tuple(objectives)
        self.sites = tuple(dict.fromkeys(site for o in objectives for site in o.sites))
        self._device = torch.device(device)
        self._together = self._device.type == "cuda" if together is None else together
        signs = [TASKS[o.task].signs for o in objectives]
        self._signs = torch.tensor(signs, dtype=torch.float32)

    def sites_of(self, runs: Tensor) -> tuple[str, ...]:
        """List the sites that `score` reads for the runs `(n,)` of a batch.

        A site that is asked for can change another's last digits (a batch norm is folded only
        where neither side of it is tapped), so a run is asked for its own sites alone; where runs
        are scored together, for all.
        """
        if self._together:
            return self.sites
        own = (self.objectives[number] for number in runs.unique_consecutive().tolist())
        return tuple(dict.fromkeys(site for objective in own for site in objective.sites))

    def score(self, responses: Mapping[str, Tensor], runs: Tensor) -> Tensor:
        """Measure stretch, squeeze and activity of a batch of candidates.

        Args:
            responses: for each of `sites_of(runs)`, `(n, *shape)`.
            runs: `(n,)` int64 on the CPU: each candidate's objective; candidates of a run stand
                together.

        Returns:
            `(n, 3)` float32. Activity is the mean over a set of units. For `excitation`
            stretch and squeeze are 0.
        """
        scores = torch.zeros(len(runs), 3, device=self._device)
        for numbers, rows, own in self._groups(runs, _target):
            first = self.objectives[numbers[0]]
            tapped = {site: aligned(responses[site][rows]) for site in first.target.sites}
            activity = first.target.read(tapped)
            references = self._references(numbers, "target_reference", activity)[own]
            part = torch.zeros(len(activity), 3, device=self._device)
            _set_activity(part, first, activity, references)
            scores[rows] = part
        for numbers, rows, own in self._groups(runs, _stretch_site):
            first = self.objectives[numbers[0]]
            if first.site is not None:
                response = aligned(responses[first.site][rows])
                if first.subset is not None:
                    response = read_site(response, first.subset)
                references = self._references(numbers, "site_reference", scores)[own]
                scores[rows, 0] = _distances(response, references)
        return scores

    def _references(self, numbers: list[int], name: str, like: Tensor) -> Tensor:
        """Stack a reference of some objectives, `(objectives, entries)`; zeros where needless."""
        values = [getattr(self.objectives[number], name) for number in numbers]
        if self.objectives[numbers[0]].task == "excitation":
            return like.new_zeros(len(numbers), 1)
        if any(value is None for value in values):
            raise ValueError("an objective with stretch or squeeze needs the reference's responses")
        return torch.stack([value.to(like) for value in values])

    def _groups(
        self, runs: Tensor, key: Callable[[Objective], Hashable]
    ) -> Iterator[tuple[list[int], slice | Tensor, slice | Tensor]]:
        """Group runs to score at once: objectives, rows, and each row's objective in the group."""
        if not self._together:
            yield from (([run], rows, slice(None)) for run, rows in self._parts(runs))
            return
        groups: dict[Hashable, list[int]] = {}
        for number, objective in enumerate(self.objectives):
            groups.setdefault(key(objective), []).append(number)
        for numbers in groups.values():
            index = torch.full((len(self.objectives),), -1)
            index[numbers] = torch.arange(len(numbers))
            own = index[runs]
            rows = (own >= 0).nonzero().squeeze(1)
            every = len(rows) == len(runs)  # nothing to copy
            yield (
                numbers,
                slice(None) if every else upload(rows, self._device),
                upload(own[rows], self._device),
            )

    def _parts(self, runs: Tensor) -> Iterator[tuple[int, slice]]:
        """Give each run's number and rows."""
        numbers, counts = runs.unique_consecutive(return_counts=True)
        last = 0
        for run, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            first, last = last, last + count
            yield run, slice(first, last)

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
        for number, rows, activity, error in self._with_errors(responses, errors, runs):
            shifted = activity + error * normal[:, rows].to(error).unsqueeze(2)
            reference = self._references([number], "target_reference", activity)
            _set_activity(drawn[:, rows], self.objectives[number], shifted, reference)
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
        for number, rows, activity, error in self._with_errors(responses, errors, runs):
            expected = noise.shrunk(activity, error, scores[rows, 0])
            reference = self._references([number], "target_reference", activity)
            _set_activity(found[rows], self.objectives[number], expected, reference)
        return found

    def with_expected(self, run: int, scores: Tensor, expected: Tensor) -> Tensor:
        """Put another activity into a run's scores `(n, 3)`.

        Args:
            expected: `(n,)` the mean activity; of a set of units the squeeze.
        """
        found, objective = scores.clone(), self.objectives[run]
        if objective.task != "excitation" and len(objective.target.units) > 1:
            found[:, 1] = expected.clamp(min=0).to(found)
            return found
        reference = self._references([run], "target_reference", found)
        _set_activity(found, objective, expected.unsqueeze(1).to(found), reference)
        return found

    def errors(
        self, responses: Mapping[str, Tensor], errors: Mapping[str, Tensor], runs: Tensor
    ) -> Tensor:
        """Give standard errors `(n,)` of each candidate's activity; of a set, of a single unit."""
        parts = self._with_errors(responses, errors, runs)
        return torch.cat([error.square().mean(1).sqrt() for *_, error in parts])

    def _with_errors(
        self, responses: Mapping[str, Tensor], errors: Mapping[str, Tensor], runs: Tensor
    ) -> Iterator[tuple[int, slice, Tensor, Tensor]]:
        """Give each run's number and rows, and the targets' activity and errors `(n, units)`."""
        for run, rows in self._parts(runs):
            target = self.objectives[run].target
            own = {site: aligned(responses[site][rows]) for site in target.sites}
            deviations = {
                site: aligned(errors[site][rows]) if site in errors else torch.zeros_like(response)
                for site, response in own.items()
            }
            yield run, rows, target.read(own), target.read(deviations)

    def costs(self, scores: Tensor) -> Tensor:
        """Turn `(runs, population, 3)` scores into `(runs, population, 2)` costs to minimise.

        A candidate whose activity is NaN (not recorded) has NaN costs.
        """
        signs = upload(self._signs, scores.device)
        costs = (scores.nan_to_num().unsqueeze(2) * signs.unsqueeze(1)).sum(-1)
        return costs.masked_fill(scores.isnan().any(-1, keepdim=True), torch.nan)
