"""The images a twin learns from: what was shown, and what of it counts for the process."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope.search.problem import Problem
from invariscope.search.strategies.twin_goals import Goals


@dataclass(frozen=True)
class Shown:
    """The images that one run was answered for.

    Attributes:
        codes: `(shown, code_dim)` float64.
        scores: `(shown, 3)` float64: stretch, squeeze, activity.
        errors: `(shown,)` standard errors of the activity.
        features: `(shown, entries)` float64.
    """

    codes: Tensor
    scores: Tensor
    errors: Tensor
    features: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def feature_sd(self) -> Tensor:
        """The SD of every entry, none near 0."""
        spread = self.features.std(0)
        return spread.clamp(min=float(1e-3 * spread.max().clamp(min=1e-9)))

    def standardised(self, rows: Tensor) -> Tensor:
        """The features of some images, with mean 0 and SD 1 over all."""
        return (self.features[rows] - self.features.mean(0)) / self.feature_sd()

    def with_more(self, *more: Tensor) -> "Shown":
        """These images and others."""
        own = (self.codes, self.scores, self.errors, self.features)
        return Shown(*(torch.cat([a, b.to(a)]) for a, b in zip(own, more, strict=True)))


@dataclass(frozen=True)
class Data:
    """What twins of some runs learn from; values have mean 0 and SD 1 in each run."""

    codes: Tensor
    features: Tensor
    values: Tensor
    errors: Tensor
    stretch: Tensor
    mean: Tensor
    sd: Tensor
    centre: Tensor
    spread: Tensor

    @classmethod
    def of(cls, shown: Sequence[Shown], problems: Sequence[Problem], most: int) -> "Data":
        kept = [_kept(own, problem, most) for own, problem in zip(shown, problems, strict=True)]
        goals = Goals.of(problems, shown)
        scores = torch.stack([own.scores[k] for own, k in zip(shown, kept, strict=True)])
        raw = goals.modelled(scores)
        mean, sd = raw.mean(1, keepdim=True), raw.std(1, keepdim=True).clamp(min=1e-9)
        return cls(
            codes=torch.stack([own.codes[k] for own, k in zip(shown, kept, strict=True)]),
            features=torch.stack([own.standardised(k) for own, k in zip(shown, kept, strict=True)]),
            values=(raw - mean) / sd,
            errors=torch.stack([o.errors[k] for o, k in zip(shown, kept, strict=True)]) / sd,
            stretch=scores[..., 0],
            mean=mean,
            sd=sd,
            centre=torch.stack([own.features.mean(0) for own in shown]).unsqueeze(1),
            spread=torch.stack([own.feature_sd() for own in shown]).unsqueeze(1),
        )

    def standardise(self, features: Tensor) -> Tensor:
        """Features `(runs, n, entries)` on the scale of `features`."""
        return (features - self.centre) / self.spread


def no_images(code: Tensor, entries: int = 0) -> Shown:
    """No image yet."""
    empty = code.new_zeros(0, dtype=torch.float64)
    return Shown(
        empty.view(0, 1).expand(0, len(code)),
        empty.view(0, 1).expand(0, 3),
        empty,
        empty.view(0, 1).expand(0, entries),
    )


def _kept(shown: Shown, problem: Problem, most: int) -> Tensor:
    """Which images count, at most so many: half those nearest the best, and the last ones."""
    count = len(shown)
    device = shown.codes.device
    if count <= most:
        return torch.arange(count, device=device)
    goals = Goals.of([problem], [shown])
    weights = torch.linspace(0.1, 0.95, 12, dtype=torch.float64, device=device)
    scores = shown.scores[None]
    utility = goals.utility(
        scores[..., 0].unsqueeze(2), goals.modelled(scores).unsqueeze(2), weights
    )
    regret = (utility.amax(1, keepdim=True) - utility).amin(2)[0]
    regret[count - most // 2 :] = -1
    return torch.argsort(regret, stable=True)[:most].sort().values
