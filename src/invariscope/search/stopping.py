"""Stopping rules: when a run has reached its goal. Rules compose with `&` and `|`."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from invariscope import validate


@dataclass(frozen=True)
class GenerationProgress:
    """The input of a rule.

    Attributes:
        generation: generations told so far, from 1.
        activations: `(candidates,)` the target's activity for this generation, and where the
            population is below the papers' 50 for generations before: the last 50 candidates or
            a few more. NaN where not recorded.
    """

    generation: int
    activations: NDArray[np.floating[Any]]


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
        validate.one_of("side", self.side, ("above", "below", "at_or_below"))

    def reached(self, activations: NDArray[np.floating[Any]]) -> int:
        """Count the recorded candidates beyond the bound."""
        if self.side == "above":
            return int((activations > self.bound).sum())
        if self.side == "below":
            return int((activations < self.bound).sum())
        return int((activations <= self.bound).sum())

    def met(self, progress: GenerationProgress) -> bool:
        needed = int(np.ceil(self.share * len(progress.activations) - 1e-9))
        return progress.generation >= self.first and self.reached(progress.activations) >= needed

    def describe(self) -> dict[str, Any]:
        return {"rule": "share", **asdict(self)}
