"""Observations of a run, and the training set of a twin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from invariscope import seeds
from invariscope.search.problem import Problem
from invariscope.search.strategies.twin_goals import Goals

USUAL = 50  # candidates of a generation


@dataclass(frozen=True)
class Observations:
    """Images of a run that were shown and answered.

    Attributes:
        codes: `(images, code_dim)` float64.
        scores: `(images, 3)` float64: stretch, squeeze, activity.
        errors: `(images,)` standard errors of the activity.
        features: `(images, entries)` float64.
        measured: `(images, measures)` float64, the measures of the cells to fill, if any.
        generation, candidate: `(images,)` where each was shown.
    """

    codes: Tensor
    scores: Tensor
    errors: Tensor
    features: Tensor
    measured: Tensor
    generation: Tensor
    candidate: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def feature_sd(self) -> Tensor:
        """Compute the SD of every entry of the features, at least a small share of the largest."""
        spread = self.features.std(0)
        return spread.clamp(min=float(1e-3 * spread.max().clamp(min=1e-9)))

    def standardised(self, rows: Tensor) -> Tensor:
        """Give the features of some images, with mean 0 and SD 1 over all images."""
        return (self.features[rows] - self.features.mean(0)) / self.feature_sd()

    def shown(self) -> "Observations":
        """Select the images that the run itself showed."""
        own = self.generation > 0
        return Observations(*(part[own] for part in vars(self).values()))

    def generations_of(self, usual: int) -> int:
        """Count the generations with as many candidates as some of the usual size, 50, have."""
        return usual * max(1, -(-USUAL // (int(self.candidate.max()) + 1)))

    def without_features(self) -> "Observations":
        """Drop the features and measures of all images."""
        return replace(self, features=self.features[:, :0], measured=self.measured[:, :0])

    def with_generation(
        self,
        generation: int,
        codes: Tensor,
        told: tuple[Tensor, Tensor],
        features: Tensor,
        measured: Tensor,
    ) -> "Observations":
        """Append the candidates of a generation that were recorded.

        Args:
            told: scores and errors.
        """
        scores, errors = told
        known = ~scores.isnan().any(1)
        candidate = torch.arange(len(codes), device=codes.device)
        numbers = torch.full_like(candidate, generation), candidate
        new = [part[known] for part in (codes, scores, errors, features, measured, *numbers)]
        own = self if len(self) else no_images(codes[0], features.shape[1], measured.shape[1])
        pairs = zip(vars(own).values(), new, strict=True)
        return Observations(*(torch.cat([a, b.to(a)]) for a, b in pairs))


@dataclass(frozen=True)
class TrainingSet:
    """The training set of some runs' twins; values have mean 0 and SD 1 in each run.

    Attributes:
        codes, features, measured, values, errors, stretch: `(runs, images, …)`.
        mean, sd: `(runs, 1)` of the values before standardisation.
        centre, spread: `(runs, 1, entries)` mean and SD of the features of all observations.
    """

    codes: Tensor
    features: Tensor
    measured: Tensor
    values: Tensor
    errors: Tensor
    stretch: Tensor
    mean: Tensor
    sd: Tensor
    centre: Tensor
    spread: Tensor

    @classmethod
    def of(
        cls, observations: Sequence[Observations], problems: Sequence[Problem], most: int
    ) -> "TrainingSet":
        """Select at most `most` images of each run and standardise their values."""
        pairs = [(o, _select(o, p, most)) for o, p in zip(observations, problems, strict=True)]
        goals = Goals.of(problems, [o.scores for o in observations])
        scores = torch.stack([o.scores[rows] for o, rows in pairs])
        raw = goals.modelled(scores)
        mean, sd = raw.mean(1, keepdim=True), raw.std(1, keepdim=True).clamp(min=1e-9)
        return cls(
            codes=torch.stack([o.codes[rows] for o, rows in pairs]),
            features=torch.stack([o.standardised(rows) for o, rows in pairs]),
            measured=torch.stack([o.measured[rows] for o, rows in pairs]),
            values=(raw - mean) / sd,
            errors=torch.stack([o.errors[rows] for o, rows in pairs]) / sd,
            stretch=scores[..., 0],
            mean=mean,
            sd=sd,
            centre=torch.stack([o.features.mean(0) for o in observations]).unsqueeze(1),
            spread=torch.stack([o.feature_sd() for o in observations]).unsqueeze(1),
        )

    def standardise(self, features: Tensor) -> Tensor:
        """Put features `(runs, n, entries)` on the scale of `features`."""
        return (features - self.centre) / self.spread


@dataclass(frozen=True)
class RandomNumbers:
    """A generation's random numbers, each run's from streams of its own."""

    normal: Tensor
    uniform: Tensor
    doubt: Tensor

    @classmethod
    def of(cls, streams: Sequence[Sequence[Any]], like: Tensor, size: int) -> "RandomNumbers":
        """Draw a generation's numbers, in the type of `like`, `(runs, n)`."""
        n = like.shape[1]
        return cls(
            seeds.normal([(*s, "step") for s in streams], (size, n)).to(like),
            seeds.uniform([(*s, "choice") for s in streams], (size, 3)).to(like),
            seeds.normal([(*s, "doubt") for s in streams], (size,)).to(like),
        )


def no_images(code: Tensor, entries: int = 0, measures: int = 0) -> Observations:
    """Make observations without an image."""
    empty = code.new_zeros(0, 1, dtype=torch.float64)
    widths = (len(code), 3, entries, measures)
    codes, scores, features, measured = (empty.expand(0, width) for width in widths)
    numbers = empty[:, 0].to(torch.int64)
    return Observations(codes, scores, empty[:, 0], features, measured, numbers, numbers)


def _select(observations: Observations, problem: Problem, most: int) -> Tensor:
    """Select at most `most` images: half near the best for some level, half the last."""
    count = len(observations)
    device = observations.codes.device
    if count <= most:
        return torch.arange(count, device=device)
    goals = Goals.of([problem], [observations.scores])
    levels = torch.linspace(0.05, 0.95, 12, dtype=torch.float64, device=device)
    scores = observations.scores[None]
    utility = goals.utility(
        scores[..., 0].unsqueeze(2), goals.modelled(scores).unsqueeze(2), levels
    )
    regret = (utility.amax(1, keepdim=True) - utility).amin(2)[0]
    regret[count - most // 2 :] = -1
    return torch.argsort(regret, stable=True)[:most].sort().values
