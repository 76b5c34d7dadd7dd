"""From a user's request to runs: settings, objective, start and stopping rules."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.errors import InputError
from invariscope.experiments.reference import Reference, check_reference
from invariscope.experiments.taught import check_can_be_taught, check_teachers, load_taught
from invariscope.generators.base import Generator
from invariscope.natural.statistics import NaturalStatistics, UnitStatistics
from invariscope.plurals import number_of
from invariscope.search.objectives import TASKS, Objective
from invariscope.search.precision import PRECISIONS
from invariscope.search.run import Run, TaughtImages
from invariscope.search.stopping import (
    SETTLED,
    ActivationShare,
    FrontReaches,
    Never,
    StoppingRule,
)
from invariscope.search.strategies import Strategy, load_strategy, without_cells
from invariscope.search.strategies.informed import InformedStrategy
from invariscope.store.settings import RunSettings
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.kinds import check_answers_differ, natural_kind
from invariscope.subjects.pixels import SIZE
from invariscope.units import Target, find_site, parse_target

TURN = 0.2  # first step of an adversarial search, in root mean squares of its first code
START_SPREAD = 0.1
MOST = 1_000_000_000  # candidates of a generation, generations: far beyond what a search takes


@dataclass(frozen=True)
class SearchOptions:
    """Options that all runs of a search share (PAPERS §1, "Optimiser facts").

    Attributes:
        strategy: a name or a `Strategy`.
        population: candidates a generation, at least 2.
        generations: the most generations, at least 1; by default the strategy's own: 500, of a
            twin 40.
        stop: whether the stopping rule may end a run earlier: the paper's, or of a twin that its
            front has settled beyond the rule's bound.
        sigma: first step size as a share of the natural codes' SD (of 1 where that is not
            known); by default 1. An adversarial search, which starts at the reference's code,
            takes 0.2 of that SD, or 0.2 of the code's own root mean square where that is more.
        tie_break: the order inside a front; by default the paper's for the task.
        precision: of generator and subject while searching: `float32`, `bf16`, or `auto`
            (bf16 where the device has it, while it ranks candidates alike). What is reported
            is measured again in float32.
        taught_by: for a twin, a folder of ended runs, or several: the fronts that they found for
            the same unit of the same subject teach it before its first image.

    Raises:
        InputError: an unknown name, or a number out of range.

    Example:
        >>> import invariscope as iv
        >>> iv.SearchOptions(strategy="separable", population=20, generations=100).stop
        True
        >>> iv.SearchOptions().budget, iv.SearchOptions(strategy="twin").budget
        (500, 40)
    """

    strategy: str | Strategy = "isotropic"
    population: int = 50
    generations: int | None = None
    stop: bool = True
    sigma: float | None = None
    tie_break: str | None = None
    precision: str = "auto"
    taught_by: str | Path | Sequence[str] | None = None

    def __post_init__(self) -> None:
        load_strategy(self.strategy)
        if self.taught_by is not None:
            check_can_be_taught(self.strategy)
            check_teachers(self.taught_by)
        validate.one_of("precision", self.precision, PRECISIONS)
        validate.at_least("population", self.population, 2)
        validate.at_least("generations", self.budget, 1)
        for name, value in (("population", self.population), ("generations", self.budget)):
            validate.between(name, value, 1, MOST)
        if self.sigma is not None and not 0 < self.sigma < math.inf:
            raise InputError(f"sigma is {self.sigma}; expected a number above 0")

    @property
    def budget(self) -> int:
        """The most generations of a run: the option, or the strategy's own number."""
        if self.generations is None:
            return load_strategy(self.strategy).budget
        return self.generations


@dataclass(frozen=True)
class Planned:
    """A run that is ready to start, with settings, labels and reference for the store."""

    settings: RunSettings
    labels: dict[str, Any]
    run: Run
    reference: Reference | None


def resolve_subset(
    subset: int | Sequence[int] | None, site: str, subject: Subject, seed: int = 0
) -> tuple[int, ...] | None:
    """Choose entries of a flattened site: None for all, a number for a random sample.

    Args:
        subset: entries, or how many to draw without repetition.
        seed: of the draw.

    Raises:
        InputError: more than there are, an entry outside, or one named twice.
    """
    if subset is None:
        return None
    sites = subject.sites()
    site = find_site(site, sites)
    entries = 1
    for size in sites[site]:
        entries *= size
    if isinstance(subset, int | np.integer):
        number = int(subset)
        if not 1 <= number <= entries:
            raise InputError(
                f"a sample of {number} from site {site!r}, which has {number_of(entries, 'unit')}"
            )
        stream = seeds.numpy_stream("subset", site, entries, number, seed)
        chosen = stream.choice(entries, number, replace=False)
        return tuple(sorted(int(i) for i in chosen))
    chosen = sorted(subset)
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError("a subset needs at least one unit, and each once")
    if chosen[0] < 0 or chosen[-1] >= entries:
        raise InputError(
            f"a subset of site {site!r} holds {chosen[0]} … {chosen[-1]}; "
            f"its units are 0 … {entries - 1}"
        )
    return tuple(chosen)


def natural_of(subject: Subject, target: Target) -> UnitStatistics | None:
    """Look up the target's statistics over training images, where the subject has a table."""
    return NaturalStatistics.load(subject.natural, subject).of(target) if subject.natural else None


def stopping(
    task: str, natural: UnitStatistics | None, strategy: Strategy
) -> tuple[StoppingRule, StoppingRule]:
    """Make the paper's stopping rule (45 of 50) and milestone (25 of 50) for a task.

    Invariance: candidates above the unit's maximum over natural images; adversarial: below
    its minimum, or at it where that is a rectified unit's floor (PAPERS §1, "Stop"). A strategy
    that aims its candidates at every level of the goal is judged by its front: the milestone is
    a member beyond the bound, and the run stops once the front has settled too.
    """
    if natural is None or task == "excitation":
        return Never(), Never()
    if task == "invariance":
        rule = ActivationShare(natural.maximum, "above")
    else:
        rule = ActivationShare(natural.minimum, "at_or_below" if natural.has_floor else "below")
    if isinstance(strategy, InformedStrategy):
        reached = FrontReaches(rule.bound, rule.side)
        return replace(reached, growth=SETTLED), reached
    return rule, replace(rule, share=0.5, first=1)


def first_step(
    generator: Generator, task: str, reference: Reference | None, sigma: float | None
) -> tuple[float, dict[str, float]]:
    """Choose the first step size, in units of the code, and describe its rule.

    Of an adversarial search counts how far a step turns the code that it starts at. Codes that a
    search found are longer than natural ones, and from one three times as long a step of a natural
    code's size silences nothing. The rule does not name the code, which a study's plan does not
    know yet.
    """
    statistics = generator.code_statistics
    scale = float(statistics.sd.mean()) if statistics else 1.0
    if sigma is not None or task != "adversarial":
        step = (1.0 if sigma is None else sigma) * scale
        return step, {"sigma": step}
    if reference is not None and reference.code is not None:
        code = reference.code.double().cpu()
        away = code - statistics.mean.double().cpu() if statistics else code
        scale = max(scale, float(away.square().mean().sqrt()))
    return TURN * scale, {"share_of_reference": TURN}


def start_code(
    generator: Generator, task: str, reference: Reference | None, seed: int
) -> tuple[Tensor, str]:
    """Draw the first mean code, `(code_dim,)` float64, and name its rule.

    excitation: the natural codes' mean, else 0. adversarial: the reference's code. invariance:
    where the code space is not centred, each component drawn with SD √(0.01·|mean of the
    reference's code|) (the paper's rule); where natural statistics are known, their mean
    plus a tenth of their SD (ours; the paper's rule is degenerate at mean 0).

    Raises:
        InputError: an adversarial search from a reference without a code.
    """
    n, statistics = generator.code_dim, generator.code_statistics
    zero = torch.zeros(n, dtype=torch.float64)
    if task == "excitation":
        return (statistics.mean if statistics else zero), "natural mean" if statistics else "zero"
    if task == "adversarial":
        if reference is None or reference.code is None:
            raise InputError(
                "an adversarial search starts at the reference's code, and this reference has "
                "none; depart from an MEI, or give a code (see Generator.invert)"
            )
        return reference.code.double().cpu(), "reference"
    draws = seeds.normal([("start", seed)], (n,))[0]
    if statistics:
        return statistics.mean + START_SPREAD * statistics.sd * draws, "near natural mean"
    if reference is None or reference.code is None:
        return draws * START_SPREAD, "near zero"
    spread = (0.01 * reference.code.double().mean().abs()).sqrt().cpu()
    return draws * spread, "paper"


def plan(
    subject: Subject,
    generator: Generator,
    unit: str | Iterable[str],
    *,
    task: str,
    reference: Reference | None = None,
    site: str | None = None,
    subset: int | Sequence[int] | None = None,
    direction: str = "either",
    run_seeds: Iterable[int] = (0,),
    options: SearchOptions | None = None,
    taught: TaughtImages | None = None,
) -> list[Planned]:
    """Plan a run for each seed, ready to start.

    Args:
        unit: an address, addresses joined by `+`, or several of them.
        task: `excitation`, `invariance` or `adversarial`.
        reference: the image to depart from; its responses are measured when the runs start,
            in the candidates' chunk shape and precision.
        site: the stretch site.
        subset: entries of the flattened site, or how many to draw.
        direction: `either` or `down`.
        taught: images that the unit has answered, for a twin, in place of `options.taught_by`.

    Raises:
        InputError: an unknown unit, site, task or direction, a subset that does not fit, or a
            unit that answers every natural image alike.
    """
    options = options or SearchOptions()
    sites = subject.sites()
    target = parse_target(unit, sites)
    strategy = _settled(options, task, generator)
    validate.one_of("task", task, TASKS)
    tie_break = options.tie_break or TASKS[task].tie_break
    objective = Objective(task=task, target=target, direction=direction, tie_break=tie_break)
    if task != "excitation":
        site = find_site(site or PIXELS, sites)
        check_reference(reference, generator)
        entries = resolve_subset(subset, site, subject)
        objective = replace(objective, site=site, subset=entries)
    natural = natural_of(subject, target)
    check_answers_differ(str(target), natural_kind(asdict(natural) if natural else None))
    rule, milestone = stopping(task, natural, strategy)
    stop = rule if options.stop else Never()
    step, step_rule = first_step(generator, task, reference, options.sigma)
    taught = taught or load_taught(options.taught_by, subject, generator, target)
    planned = []
    for seed in run_seeds:
        start, rule_name = start_code(generator, task, reference, seed)
        settings = RunSettings(
            subject=subject.identity(),
            generator=generator.identity(),
            unit=str(target),
            site=objective.site,
            subset=objective.subset,
            task=task,
            direction=direction,
            tie_break=objective.tie_break,
            reference=reference.recipe if reference else None,
            natural=asdict(natural) if natural else None,
            strategy=strategy.describe() | ({"taught": taught.describe()} if taught else {}),
            start={"mean": rule_name, **step_rule},
            population=options.population,
            generations=options.budget,
            stop=stop.describe(),
            milestone=milestone.describe(),
            seed=seed,
            precision=options.precision,
        )
        run = Run(
            name=settings.name,
            objective=objective,
            start=start,
            sigma=step,
            generations=options.budget,
            stop=stop,
            milestone=milestone,
            reference_code=reference.code if reference else None,
            taught=taught,
        )
        labels = _labels(subject, generator, target, objective.site)
        planned.append(Planned(settings, labels, run, reference))
    return planned


def _settled(options: SearchOptions, task: str, generator: Generator) -> Strategy:
    """Load the strategy, with the parameters that follow from generator and budget."""
    strategy = load_strategy(options.strategy).for_generator(generator)
    if task == "excitation" and strategy != without_cells(strategy):
        raise InputError(
            "cells are filled by searches from a reference; a search for the most exciting image "
            "finds one: give its strategy without cells"
        )
    return strategy.with_budget(options.budget)


def _labels(
    subject: Subject, generator: Generator, target: Target, site: str | None
) -> dict[str, Any]:
    """Collect a person's names of things, no part of a run's name."""
    sites = list(subject.sites())
    labels: dict[str, Any] = {"subject": subject.name, "generator": generator.name}
    labels[SIZE] = subject.image_size
    if site is not None:
        labels["site_depth"] = sites.index(site)
    first = target.units[0]
    if len(target.units) == 1 and first.site == sites[-1] and subject.classes:
        labels["unit"] = subject.classes[first.index[0]]
    return labels
