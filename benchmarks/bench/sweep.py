"""What the loop itself costs a run: trivial networks, many runs, many dimensions."""

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import torch

from bench.cases import TrivialGenerator, TrivialSubject
from invariscope import seeds
from invariscope.experiments.plan import SearchOptions, plan
from invariscope.experiments.reference import depart_from, image_reference
from invariscope.search.run import Run
from invariscope.search.search import Search
from invariscope.subjects.base import PIXELS

RUNS = (1, 4, 16, 64, 256)
DIMENSIONS = (256, 1024, 4096, 8192)
RUNS_OF_DIMENSIONS = 8


def _runs(count: int, generator: TrivialGenerator, subject: TrivialSubject) -> list[Run]:
    code = seeds.normal([("bench", "reference")], (generator.code_dim,))[0]
    image = generator.generate(code.unsqueeze(0))[0]
    planned = plan(
        subject,
        generator,
        "mean:0",
        task="invariance",
        reference=image_reference(image, generator.image_size, code),
        site=PIXELS,
        run_seeds=range(count),
        options=SearchOptions(stop=False),
    )
    return [
        replace(p.run, objective=depart_from(p.run.objective, subject, image, 32)) for p in planned
    ]


def cost(count: int, code_dim: int, device: torch.device, generations: int) -> dict[str, Any]:
    """Milliseconds a run and generation of strategy, ranking and archive, and to start a run."""
    generator, subject = TrivialGenerator(code_dim, device), TrivialSubject(device)
    population = SearchOptions().population
    runs = _runs(count, generator, subject)
    began = time.perf_counter()
    together = count if device.type == "cuda" else 1
    search = Search(generator, runs, population=population, chunk=together * population)
    started = time.perf_counter() - began
    seconds = []
    for _ in range(1 + generations):
        began = time.perf_counter()
        search.step(subject)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return {
        "runs": count,
        "code_dim": code_dim,
        "ms_a_run": 1e3 * median(seconds[1:]) / count,
        "start_ms_a_run": 1e3 * started / count,
    }


def sweep(
    device: torch.device,
    *,
    generations: int = 3,
    runs: Sequence[int] = RUNS,
    dimensions: Sequence[int] = DIMENSIONS,
) -> dict[str, list[dict[str, Any]]]:
    """Cost a run against the number of runs (n = 4096) and against the dimension (8 runs).

    A few runs are timed more often than many, since their times scatter more.
    """
    by_runs = [cost(r, 4096, device, max(generations, 64 // r)) for r in runs]
    by_dimension = [cost(RUNS_OF_DIMENSIONS, n, device, 2 * generations) for n in dimensions]
    return {"runs": by_runs, "dimensions": by_dimension}
