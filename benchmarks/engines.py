"""Measure what a task costs beside its work, on each engine that is there.

Hands batches whose runs are done already to the engine: what is left is the way there and back,
and on SLURM the start of Python. Writes `benchmarks/engines.json`.

    python benchmarks/engines.py
"""

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from invariscope import Search, __version__
from invariscope.errors import InputError
from invariscope.jobs.engines import Engine, LocalEngine, RayEngine, SlurmEngine
from invariscope.search.objectives import Objective
from invariscope.search.run import Run
from invariscope.store.run_folder import write_checkpoint
from invariscope.study.batch import RunBatch
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder
from invariscope.study.plan import plan_study
from invariscope.study.runner import StudyRunner
from invariscope.testing.toys import LINEAR, ToyGenerator, ToySubject
from invariscope.units import parse_target

ROOT = Path(__file__).resolve().parent.parent
TEXT = """
[conditions.mei]
subjects = "embedded:standard"
units = "fc:3"
generations = 2
precision = "float32"
tasks = "excitation"
"""
TASKS = {"local": 50, "ray": 50, "slurm": 4}
SIDE = 37  # of a toy whose codes are as long as the paper's: 4107 numbers
GENERATIONS = 50


def begin(store: Path) -> StudyFolder:
    """A study of one run that has ended."""
    folder = StudyFolder(store, "one")
    folder.write(TEXT, plan_study(parse_study(TEXT), store))
    StudyRunner(folder, LocalEngine("cpu")).run()
    return folder


def task_seconds(folder: StudyFolder, start: Callable[[], Engine], tasks: int) -> dict[str, Any]:
    """From the first batch handed over to the last report, and what the engine's start takes."""
    began = time.perf_counter()
    engine = start()
    ready = time.perf_counter()
    planned_runs = tuple(folder.planned_runs())
    waiting = [
        RunBatch(
            number=i,
            news=folder.batches / f"{i}.json",
            planned_runs=planned_runs,
            runs=folder.runs,
        )
        for i in range(tasks)
    ]
    reports: list[Any] = []
    try:
        while len(reports) < tasks:
            free = tasks if engine.slots is None else engine.slots
            engine.submit([waiting.pop() for _ in range(min(free, len(waiting)))])
            reports += engine.poll(1.0, lambda: None)
        ended = time.perf_counter()
    finally:
        engine.stop()
    bad = [report.failed for report in reports if report.failed]
    if bad:
        raise SystemExit(f"a task failed: {bad[0]}")
    return {
        "tasks": tasks,
        "engine_start_seconds": round(ready - began, 2),
        "seconds_a_task": round((ended - ready) / tasks, 4),
        "worker_seconds_a_task": round(sum(r.seconds for r in reports) / tasks, 4),
    }


def checkpoint_bytes(store: Path) -> int:
    """A run's checkpoint with codes of the paper's length, after some generations."""
    generator = ToyGenerator(SIDE)
    grey = torch.zeros(1, generator.code_dim)
    subject = ToySubject(generator.generate(grey))
    target = parse_target(f"{LINEAR}:0", subject.sites())
    reference = generator.generate(grey)[0]
    site = subject.respond(reference[None], ["pixels", LINEAR])
    objective = Objective(
        task="invariance",
        target=target,
        site="pixels",
        site_reference=site["pixels"].flatten(1)[0],
        target_reference=target.read(site)[0],
    )
    run = Run("checkpoint", objective, grey[0].double(), generations=GENERATIONS + 1)
    search = Search(generator, [run])
    for _ in range(GENERATIONS):
        search.step(subject)
    write_checkpoint(store / "x.safetensors", "checkpoint", search.snapshot("checkpoint"))
    return (store / "x.safetensors").stat().st_size


def main() -> None:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=ROOT) as temporary:
        store = Path(temporary)
        folder = begin(store)
        starts: dict[str, Callable[[], Engine]] = {
            "local": lambda: LocalEngine("cpu"),
            "ray": RayEngine,
            "slurm": lambda: SlurmEngine(folder.batches / "slurm"),
        }
        for name, start in starts.items():
            if name == "slurm" and shutil.which("sbatch") is None:
                figures[name] = "SLURM is not installed here"
                continue
            try:
                figures[name] = task_seconds(folder, start, TASKS[name])
            except InputError as error:
                figures[name] = str(error)
        figures["checkpoint_bytes"] = checkpoint_bytes(store)
    figures["machine"] = {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "invariscope": __version__,
    }
    text = json.dumps(figures, indent=1) + "\n"
    (ROOT / "benchmarks" / "engines.json").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
