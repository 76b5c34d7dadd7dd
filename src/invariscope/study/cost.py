"""Costs of a study before anything starts: images, time and disk."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from invariscope.experiments.chunk import choose_chunk
from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.plan import plan
from invariscope.search.search import Search
from invariscope.search.strategies import without_cells
from invariscope.study.loading import load_generator_cached, load_subject_cached
from invariscope.study.planned_run import PlannedRun

GENERATIONS = 3  # that are timed, after one that is not
# Bytes of a run, where none has ended yet: a front of so many members with codes in float32, so
# many PNGs of so many bytes a pixel, and a journal line a generation.
MEMBERS, PICTURES, PIXEL_BYTES, LINE_BYTES = 150, 26, 1.6, 330


@dataclass(frozen=True)
class Cost:
    """The highest cost of some runs.

    Attributes:
        runs: how many, those that are done not counted.
        meis: how many of them find a reference.
        done: how many are there already.
        images: the most that are shown.
        bytes: on disk.
    """

    runs: int
    meis: int
    done: int
    images: int
    bytes: float


def _guess(run: PlannedRun, code_dim: int, side: int) -> float:
    """Guess the bytes of a run without measurements."""
    pictures = PICTURES * side * side * PIXEL_BYTES
    return MEMBERS * code_dim * 4 + pictures + run.options["generations"] * LINE_BYTES


def cost_of(planned_runs: Sequence[PlannedRun], rows: Mapping[str, Mapping[str, Any]]) -> Cost:
    """Add up the cost of the runs that are not done.

    Args:
        rows: the index; where a run of the same generator has ended, its bytes are taken.
    """
    left = [run for run in planned_runs if run.name not in rows]
    sizes: dict[str, list[int]] = {}
    for run in planned_runs:
        if run.name in rows:
            sizes.setdefault(run.generator, []).append(rows[run.name]["bytes"])
    size = 0.0
    for run in left:
        if known := sizes.get(run.generator):
            size += sum(known) / len(known)
        else:
            generator = load_generator_cached(run.generator, "cpu")
            size += _guess(run, generator.code_dim, generator.image_size)
    return Cost(
        runs=len(left),
        meis=sum(run.task == "excitation" for run in left),
        done=len(planned_runs) - len(left),
        images=sum(run.images for run in left),
        bytes=size,
    )


def measure_rate(planned_runs: Iterable[PlannedRun], device: str = "auto") -> float:
    """Measure the images a second of a process, from a few generations of each kind of run.

    Every subject with each generator is timed with an MEI's search, the whole network; the mean
    is weighted by the images that its runs show. Nothing is kept.
    """
    kinds: dict[tuple[str, str], list[PlannedRun]] = {}
    for run in planned_runs:
        kinds.setdefault((run.subject, run.generator), []).append(run)
    images = seconds = 0.0
    for runs in kinds.values():
        share = sum(run.images for run in runs)
        images += share
        seconds += share / _rate(runs[0], device)
    return images / seconds


def _rate(run: PlannedRun, device: str) -> float:
    subject, generator = (
        load_subject_cached(run.subject, device),
        load_generator_cached(run.generator, device),
    )
    options = run.search_options
    options = replace(options, strategy=without_cells(options.strategy))
    (planned,) = plan(subject, generator, run.unit, task="excitation", options=options)
    chunk = choose_chunk(subject, generator, planned.run.objective.sites, options.population, 1)
    evaluator = Evaluator(subject, generator, options, chunk)
    search = Search(
        generator,
        [evaluator.run(evaluator.settled(planned))],
        strategy=options.strategy,
        population=options.population,
    )
    with subject.folding():
        search.step(subject)
        began = time.perf_counter()
        for _ in range(GENERATIONS):
            search.step(subject)
    return GENERATIONS * options.population / (time.perf_counter() - began)
