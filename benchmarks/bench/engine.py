"""`bench engine`: the whole measurement as plain data."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from bench.cases import CASES
from bench.machine import describe
from bench.memory import MemoryTask, peak_memory
from bench.pair import measure_pair
from bench.sweep import sweep as sweep_cost
from bench.targets import targets
from invariscope import validate
from invariscope.errors import InputError
from invariscope.experiments.plan import SearchOptions

SCHEMA = 1
RUNS = {"cpu": 2, "cuda": 64}
MOST_GENERATIONS = 200  # of a run's 500, since the split and the warm-up take some too


def bench_engine(
    names: Sequence[str],
    device: torch.device,
    *,
    generations: int = 10,
    runs: int | None = None,
    options: SearchOptions | None = None,
    compiled: bool = False,
    memory: bool = True,
    sweep: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure the engine beside the original's way.

    Args:
        names: cases, of `CASES`.
        device: where networks run.
        generations: counted of each side.
        runs: that our loop advances together; by default 2 on a CPU, 64 on an accelerator.
        compiled: whether our subject is compiled.
        memory: whether to measure memory, each side in a process of its own.
        sweep: whether to measure the loop's own cost against runs and dimensions.
        say: told what comes next.

    Returns:
        `schema`, `machine`, `cases`, `sweep`, `targets`: what `--out` keeps.

    Raises:
        InputError: an unknown case, or a number of generations or runs out of range.
    """
    validate.at_least("generations", generations, 1)
    if generations > MOST_GENERATIONS:
        raise InputError(f"generations is {generations}; expected at most {MOST_GENERATIONS}")
    runs = runs if runs is not None else RUNS.get(device.type, 8)
    validate.at_least("runs", runs, 1)
    for name in names:
        validate.one_of("case", name, CASES)
    options = options or SearchOptions()
    figures: dict[str, Any] = {"schema": SCHEMA, "machine": describe(device), "cases": {}}
    for name in names:
        say(f"{name}: {generations} generations of each, in turn")
        case = CASES[name](device)
        case.subject.compiled = compiled
        found = measure_pair(case, runs=runs, generations=generations, options=options)
        del case
        if memory:
            say(f"{name}: memory")
            for side in ("baseline", "ours"):
                task = MemoryTask(
                    case=name,
                    device=str(device),
                    runs=runs,
                    population=options.population,
                    precision=found["ours"]["precision"],
                    compiled=compiled,
                    baseline=side == "baseline",
                    threads=torch.get_num_threads(),
                )
                found[side]["peak"] = peak_memory(task)
        figures["cases"][name] = found
    if sweep:
        say("the loop's own cost against runs and dimensions")
        figures["sweep"] = sweep_cost(device)
    figures["targets"] = targets(figures)
    return figures
