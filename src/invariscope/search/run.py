"""Runs of a search, their results of a generation, and their outcomes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.generators.base import Generator
from invariscope.search.archive import Front
from invariscope.search.objectives import Objective
from invariscope.search.precision import PRECISIONS
from invariscope.search.stopping import ActivationShare, GenerationProgress, Never, StoppingRule


@dataclass(frozen=True)
class TaughtImages:
    """Images that earlier runs showed to the unit of a run, and its answers.

    Attributes:
        codes: `(images, code_dim)` float64.
        activity: `(images,)` float64.
        errors: `(images,)` float64, the standard errors of the activity; by default 0.
    """

    codes: Tensor
    activity: Tensor
    errors: Tensor | None = None

    def describe(self) -> dict[str, Any]:
        """Give how many there are and the sha256 of all, for a run's settings and name."""
        both = torch.cat([self.codes, self.activity.unsqueeze(1)], 1).contiguous()
        digest = hashlib.sha256(both.numpy().tobytes()).hexdigest()
        return {"images": len(both), "sha256": digest}


@dataclass(frozen=True)
class Run:
    """One search: one unit, one stretch site, one task, one seed.

    Attributes:
        name: the only source of randomness; two runs of a search need different names.
        objective: what to search for.
        start: `(code_dim,)` mean of the first generation.
        sigma: first step size, in units of the code.
        generations: the most generations.
        stop: the rule that ends the run earlier.
        milestone: a first rule at which the front so far is kept beside the final one.
        precision: of generator and subject in `Search.step`: `float32`, `bf16`, or `auto`, bf16
            while it ranks alike.
        in_bf16: the objective with the reference's responses in bf16, where there is a reference
            and the run may be evaluated so.
        reference_code: `(code_dim,)` the reference's, where known.
        taught: images of earlier runs from which a twin learns before the first generation.
    """

    name: str
    objective: Objective
    start: Tensor
    sigma: float = 1.0
    generations: int = 500
    stop: StoppingRule = field(default_factory=Never)
    milestone: StoppingRule = field(default_factory=Never)
    precision: str = "float32"
    in_bf16: Objective | None = None
    reference_code: Tensor | None = field(repr=False, default=None)
    taught: TaughtImages | None = field(repr=False, default=None)

    def __post_init__(self) -> None:
        validate.one_of("precision", self.precision, PRECISIONS)
        validate.at_least("generations", self.generations, 1)
        if not self.sigma > 0:
            raise InputError(f"sigma is {self.sigma}; expected a number above 0")
        if not bool(self.start.isfinite().all()):
            raise InputError("the first code of a run holds NaN or infinity; expected numbers")


def check_runs(runs: Sequence[Run], generator: Generator) -> None:
    """Check that the runs of a search differ and fit its generator.

    Raises:
        InputError: no runs, two with one name, or a start that does not fit.
    """
    names = [run.name for run in runs]
    if not runs or len(set(names)) < len(names):
        raise InputError(f"a search needs runs with different names; got {names}")
    for run in runs:
        if tuple(run.start.shape) != (generator.code_dim,):
            raise InputError(
                f"run {run.name!r} starts at a code of shape {tuple(run.start.shape)}; "
                f"{generator.name} takes ({generator.code_dim},)"
            )


@dataclass(frozen=True)
class Milestone:
    """The front when the milestone rule first held, after `generation` generations."""

    generation: int
    front: Front


@dataclass(frozen=True)
class Outcome:
    """The end of a run, or its present state where interrupted.

    Attributes:
        status: `stopped` (the stopping rule fired), `finished` (all generations were used) or
            `interrupted`.
        generations: generations told.
        images: images shown.
        front: the non-dominated candidates of the whole run.
        milestone: the front at the milestone, where it was reached.
        bf16_generations: how many generations were evaluated in bf16.
    """

    run: Run
    status: str
    generations: int
    images: int
    front: Front
    milestone: Milestone | None
    bf16_generations: int = 0


@dataclass(frozen=True)
class StepResult:
    """The result of a generation for a run.

    Attributes:
        run: the run.
        line: the journal's line of the generation, plain data.
        outcome: None while the run goes on.
    """

    run: Run
    line: dict[str, Any]
    outcome: Outcome | None = None


def summary(values: NDArray[np.floating[Any]]) -> list[float | None]:
    """Summarise numbers without NaN: smallest, median, largest; None where there are none."""
    numbers = np.sort(values[~np.isnan(values)].astype(np.float64))
    if len(numbers) == 0:
        return [None, None, None]
    low, high = numbers[(len(numbers) - 1) // 2], numbers[len(numbers) // 2]
    return [float(numbers[0]), float(low + (high - low) / 2), float(numbers[-1])]


def journal_line(
    run: Run,
    progress: GenerationProgress,
    scores: NDArray[np.floating[Any]],
    first: int,
    members: int,
) -> dict[str, Any]:
    """Describe a generation for the journal, as plain data.

    Args:
        scores: `(population, 3)`: stretch, squeeze, activity.
        first: candidates in the generation's first front.
        members: of the archive.
    """
    line: dict[str, Any] = {
        "generation": progress.generation,
        "images": progress.generation * len(scores),
        "stretch": summary(scores[:, 0]),
        "squeeze": summary(scores[:, 1]),
        "activation": summary(scores[:, 2]),
        "told": int((~np.isnan(scores).any(1)).sum()),
        "first_front": first,
        "archive": members,
    }
    if isinstance(run.stop, ActivationShare):
        line["reached"] = run.stop.reached(progress.activations)
    return line
