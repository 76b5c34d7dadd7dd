"""Baseline and engine on one case, generation by generation in turn."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from bench.baseline import OriginalLoop
from bench.cases import Case
from bench.machine import matrix_rate, operations
from bench.ours import LockstepLoop
from bench.timers import PartTimes, Watched
from invariscope.experiments.plan import SearchOptions, plan
from invariscope.experiments.reference import image_reference
from invariscope.store.run_folder import CHECKPOINT_GENERATIONS, CHECKPOINT_SECONDS

WARM = 2  # generations of each that are not counted
WATCHED_BASELINE: list[Watched] = [
    (OriginalLoop, "ask", "strategy"),
    (OriginalLoop, "tell", "strategy"),
    (OriginalLoop, "images", "generator"),
    (OriginalLoop, "respond", "subject"),
    (OriginalLoop, "scores", "objectives"),
    (OriginalLoop, "rank", "ranking"),
]


def make_baseline(case: Case, options: SearchOptions) -> OriginalLoop:
    """The original's way on a case, with the start that our first run has."""
    image = case.generator.generate(case.reference.unsqueeze(0))[0]
    first = plan(
        case.subject,
        case.generator,
        case.address,
        task="invariance",
        reference=image_reference(image, case.generator.image_size, case.reference),
        site=case.site,
        options=options,
    )[0].run
    return OriginalLoop(
        case.generator,
        case.subject,
        unit=case.unit,
        readout=case.readout,
        site=case.site,
        reference=case.reference,
        start=first.start,
        sigma=first.sigma,
        population=options.population,
    )


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """How long a piece of work takes, the device's part included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def split(
    work: Callable[[], object], watched: Sequence[Watched], times: int, device: torch.device
) -> dict[str, float]:
    """Milliseconds a generation by part; `rest` is what no part holds."""
    parts = PartTimes(device)
    for _ in range(times):
        with parts.around(watched, "rest"):
            work()
    return {part: 1e3 * seconds / times for part, seconds in parts.seconds.items()}


def _side(seconds: list[float], images: int) -> dict[str, Any]:
    return {"images_per_second": images / median(seconds), "seconds": seconds}


def _ours_side(ours: LockstepLoop, seconds: list[float], generations: int) -> dict[str, Any]:
    """Our figures; a checkpoint's time is spread over the generations between two."""
    device = ours.case.generator.device
    saving = median(seconds_of(ours.checkpoint, device) for _ in range(3))
    typical = median(seconds)
    between = min(CHECKPOINT_GENERATIONS, max(1.0, CHECKPOINT_SECONDS / typical))
    whole = [s + saving / between for s in seconds]
    parts = split(ours.generation, ours.watched(), generations, device)
    parts["store"] += 1e3 * saving / between
    images = len(ours.planned) * ours.options.population
    side = _side(whole, images)
    rate = operations(ours.case, ours.precision) * side["images_per_second"]
    return {
        **side,
        "split_ms": parts,
        "precision": ours.precision,
        "chunk": ours.evaluator.chunk,
        "matrix_peak_share": rate / matrix_rate(device, ours.precision),
        **{f"{key}_bytes_a_run": size for key, size in ours.bytes().items()},
    }


def measure_pair(
    case: Case, *, runs: int, generations: int, options: SearchOptions
) -> dict[str, Any]:
    """Images a second of both and their ratio (of medians), and where the time goes.

    Args:
        runs: that our loop advances together.
        generations: counted of each, one of the baseline then one of ours.
    """
    device = case.generator.device
    baseline = make_baseline(case, options)
    with (
        tempfile.TemporaryDirectory() as folder,
        LockstepLoop(case, runs, Path(folder), options) as ours,
    ):
        theirs: list[float] = []
        own: list[float] = []
        for _ in range(WARM + generations):
            theirs.append(seconds_of(baseline.generation, device))
            own.append(seconds_of(ours.generation, device))
        few = max(1, generations // 3)
        first = {
            **_side(theirs[WARM:], options.population),
            "split_ms": split(baseline.generation, WATCHED_BASELINE, few, device),
            "checkpoint_bytes_a_run": baseline.checkpoint_bytes(),
        }
        second = _ours_side(ours, own[WARM:], few)
    return {
        "code_dim": case.generator.code_dim,
        "population": options.population,
        "runs": runs,
        "generations": generations,
        "compiled": case.subject.compiled,
        "baseline": first,
        "ours": second,
        "ratio": second["images_per_second"] / first["images_per_second"],
    }
