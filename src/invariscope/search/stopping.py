"""Stopping rules: when a run has reached its goal. Rules compose with `&` and `|`."""

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from invariscope import validate

SETTLING = 4  # generations over which the growth of a front counts
SETTLED = 0.02  # share of its area below which a front that grows so little has settled
SIDES = ("above", "below", "at_or_below")


@dataclass(frozen=True)
class GenerationProgress:
    """The input of a rule.

    Attributes:
        generation: generations told so far, from 1.
        activations: `(candidates,)` the target's activity for this generation, and where the
            population is below the papers' 50 for generations before: the last 50 candidates or
            a few more. NaN where not recorded.
        members: `(members,)` the target's activity for the members of the front so far; where
            a strategy models the activity, the expected one.
        growth: the share of the front's area that the last `SETTLING` generations added; NaN
            where that is not known.
    """

    generation: int
    activations: NDArray[np.floating[Any]]
    members: NDArray[np.floating[Any]] = field(default_factory=lambda: np.zeros(0))
    growth: float = math.nan


class StoppingRule(ABC):
    """A decision after each generation whether a run is done."""

    @abstractmethod
    def met(self, progress: GenerationProgress) -> bool:
        """Decide if the run may stop now."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Describe the rule as plain data, for a run's settings and name."""

    def __or__(self, other: "StoppingRule") -> "StoppingRule":
        return _Both("any", self, other)

    def __and__(self, other: "StoppingRule") -> "StoppingRule":
        return _Both("all", self, other)


@final
@dataclass(frozen=True)
class _Both(StoppingRule):
    how: str
    first: StoppingRule
    second: StoppingRule

    def met(self, progress: GenerationProgress) -> bool:
        answers = (self.first.met(progress), self.second.met(progress))
        return any(answers) if self.how == "any" else all(answers)

    def describe(self) -> dict[str, Any]:
        return {"rule": self.how, "of": [self.first.describe(), self.second.describe()]}


@final
@dataclass(frozen=True)
class Generations(StoppingRule):
    """Stop after a number of generations."""

    most: int

    def __post_init__(self) -> None:
        validate.at_least("generations", self.most, 1)

    def met(self, progress: GenerationProgress) -> bool:
        return progress.generation >= self.most

    def describe(self) -> dict[str, Any]:
        return {"rule": "generations", **asdict(self)}


@final
@dataclass(frozen=True)
class Never(StoppingRule):
    """Never stop by itself; the limit on generations still holds."""

    def met(self, progress: GenerationProgress) -> bool:  # noqa: ARG002
        return False

    def describe(self) -> dict[str, Any]:
        return {"rule": "never"}


def _beyond(activations: NDArray[np.floating[Any]], bound: float, side: str) -> NDArray[np.bool_]:
    """Mark the activities beyond a bound."""
    if side == "above":
        return activations > bound
    if side == "below":
        return activations < bound
    return activations <= bound


@final
@dataclass(frozen=True)
class FrontReaches(StoppingRule):
    """Stop once a member of the front is beyond a bound and the front has settled.

    The rule for strategies whose candidates aim at every level of the unit's goal: their share
    beyond the bound says where they were aimed, not what the search has reached.

    Attributes:
        bound, side: as for `ActivationShare`.
        growth: the front has settled where the last generations added less than this share of
            its area; infinite: it need not settle.
    """

    bound: float
    side: str
    growth: float = math.inf

    def __post_init__(self) -> None:
        validate.one_of("side", self.side, SIDES)
        validate.above("growth", self.growth, 0)

    def met(self, progress: GenerationProgress) -> bool:
        settled = self.growth == math.inf or progress.growth < self.growth
        return settled and bool(_beyond(progress.members, self.bound, self.side).any())

    def describe(self) -> dict[str, Any]:
        own = {"rule": "front", "bound": self.bound, "side": self.side}
        return own if self.growth == math.inf else {**own, "growth": self.growth}


@final
@dataclass(frozen=True)
class ActivationShare(StoppingRule):
    """Stop once a share of the candidates is beyond a bound (PAPERS §1, "Stop").

    Attributes:
        bound: an activity, such as the unit's maximum over natural images.
        side: `above`, `below`, or `at_or_below` (where the bound is a rectified unit's floor).
        share: of the candidates that the rule sees; the paper's 45 of 50 is 0.9.
        first: the first generation at which the rule may fire.
    """

    bound: float
    side: str
    share: float = 0.9
    first: int = 5

    def __post_init__(self) -> None:
        validate.one_of("side", self.side, SIDES)

    def reached(self, activations: NDArray[np.floating[Any]]) -> int:
        """Count the recorded candidates beyond the bound."""
        return int(_beyond(activations, self.bound, self.side).sum())

    def met(self, progress: GenerationProgress) -> bool:
        needed = int(np.ceil(self.share * len(progress.activations) - 1e-9))
        return progress.generation >= self.first and self.reached(progress.activations) >= needed

    def describe(self) -> dict[str, Any]:
        return {"rule": "share", **asdict(self)}
