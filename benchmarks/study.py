"""Measure a study of 10,000 finished runs: table, status, reindex, pack, and memory while it runs.

The runs are synthetic: one real run of the embedded network, copied under other names. Also
measured, for the scaling plan in docs/cluster.md: the scheduler's own time a run and a task, the
coordinator's memory with few and with many runs, and what a real run costs in images, seconds
and bytes. Writes `benchmarks/study.json`.

    python benchmarks/study.py [RUNS]
"""

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from invariscope import __version__, load_study
from invariscope.jobs.engines import LocalEngine
from invariscope.jobs.engines.base import Engine
from invariscope.store.record import load_run
from invariscope.study.batch import JobReport, RunBatch
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder
from invariscope.study.index import append_rows, read_rows, rebuild
from invariscope.study.pack import pack_study
from invariscope.study.plan import plan_study
from invariscope.study.planned_run import PlannedRun
from invariscope.study.progress import progress_of
from invariscope.study.runner import StudyRunner, ended_runs

ROOT = Path(__file__).resolve().parent.parent
TEXT = """
[shared]
subjects = "embedded:standard"
units = "fc:3"
generations = GENERATIONS
precision = "float32"
[conditions.invariance]
"""
GENERATIONS = 100  # of the real run
REINDEXED = 200  # run folders whose index is written again; the time is that of one, times the runs


def real(store: Path, generations: int) -> StudyFolder:
    """One MEI and one search of the embedded network, for real."""
    folder = StudyFolder(store, "real")
    text = TEXT.replace("GENERATIONS", str(generations))
    folder.write(text, plan_study(parse_study(text), store))
    StudyRunner(folder, LocalEngine("cpu")).run()
    return folder


def synthetic(folder: StudyFolder, runs: int, store: Path) -> tuple[StudyFolder, list[dict]]:
    """A study of so many runs that differ in name only, with its index; run folders for some."""
    one = next(run for run in folder.planned_runs() if run.needs)
    row = read_rows(folder.runs)[one.name]
    many = StudyFolder(store, "many")
    planned_runs, rows = [], []
    for number in range(runs):
        name = f"{number:064x}"
        run = f"invariance_fc-3_pixels_seed{number}_{name[-12:]}"
        planned_runs.append(replace(one, name=name, folder=run, seed=number, needs=None))
        rows.append({**row, "name": name, "run": run, "seed": number})
    many.write(folder.text(), planned_runs)
    for run in planned_runs:
        place = many.runs / run.folder
        place.mkdir()
        (place / "outcome.json").touch()
    append_rows(many.runs, rows)
    return many, rows


def timed(work: Callable[[], Any], repeats: int = 3) -> float:
    """The shortest of some times, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return round(min(times), 4)


def status(folder: StudyFolder) -> None:
    """What `invariscope study status` does once it is imported."""
    planned_runs = folder.planned_runs()
    progress_of(planned_runs, ended_runs(folder, planned_runs), folder.failed(), folder.news())


def resident_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Nothing(Engine):
    """An engine whose batches end at once: what is left is the scheduler's own time."""

    name = "nothing"

    def __init__(self, rows: dict[str, dict[str, Any]], slots: int) -> None:
        self.rows, self.slots, self.batches = rows, slots, []
        self.count, self.most_mb = 0, 0.0

    def submit(self, batches: list[RunBatch]) -> None:
        self.batches += batches
        self.count += len(batches)

    def poll(self, seconds: float, watch: Callable[[], None]) -> list[JobReport]:  # noqa: ARG002
        batches, self.batches = self.batches, []
        self.most_mb = max(self.most_mb, resident_mb())
        return [
            JobReport(b.number, rows=[self.rows[w.name] for w in b.planned_runs]) for b in batches
        ]

    def stop(self) -> None:
        pass


def scheduled(folder: StudyFolder, rows: list[dict], size: int) -> dict[str, float]:
    """The scheduler's time and memory for a study whose work takes none."""
    (folder.runs / "index.jsonl").unlink(missing_ok=True)
    engine = Nothing({row["name"]: row for row in rows}, slots=64)
    began = time.perf_counter()
    planned_runs: list[PlannedRun] = folder.planned_runs()
    runner = StudyRunner(folder, engine, runs_per_job=size, watch=lambda progress: None)
    ready = time.perf_counter()
    before = resident_mb()
    runner.run()
    ended = time.perf_counter()
    return {
        "runs": len(planned_runs),
        "tasks": engine.count,
        "start_seconds": round(ready - began, 3),
        "ms_a_task": round((ended - ready) / engine.count * 1e3, 3),
        "ms_a_run": round((ended - ready) / len(planned_runs) * 1e3, 4),
        "memory_growth_mb": round(engine.most_mb - before, 1),
    }


def command_seconds(*words: str) -> float:
    """A whole command, the start of Python and its imports counted."""
    command = [sys.executable, "-c", "from invariscope.cli import main; main()", *words]
    return timed(lambda: subprocess.run(command, check=True, capture_output=True))  # noqa: S603


def reindexed(folder: StudyFolder, store: Path) -> dict[str, float]:
    """The index of real run folders written again."""
    one = next(run for run in folder.planned_runs() if run.needs)
    runs = store / "again" / "runs"
    runs.mkdir(parents=True)
    for number in range(REINDEXED):
        shutil.copytree(folder.runs / one.folder, runs / f"{number}")
    began = time.perf_counter()
    rebuild(runs)
    seconds = time.perf_counter() - began
    return {"runs": REINDEXED, "ms_a_run": round(seconds / REINDEXED * 1e3, 2)}


def cost(folder: StudyFolder) -> dict[str, Any]:
    """What a real search cost."""
    one = next(run for run in folder.planned_runs() if run.needs)
    record = load_run(folder.runs / one.folder)
    row = read_rows(folder.runs)[one.name]
    return {
        "generations": row["generations"],
        "images": row["images"],
        "seconds": row["seconds"],
        "images_per_second": round(row["images"] / row["seconds"], 1),
        "bytes": row["bytes"],
        "front_members": len(record.front),
        "files": sum(path.is_file() for path in record.path.rglob("*")),
        "index_bytes": len(json.dumps(row)) + 1,
    }


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        store = Path(temporary)
        began = time.perf_counter()
        folder = real(store / "real", GENERATIONS)
        figures: dict[str, Any] = {"search": cost(folder)}
        figures["study_seconds"] = round(time.perf_counter() - began, 1)
        few, few_rows = synthetic(folder, runs // 10, store / "few")
        many, rows = synthetic(folder, runs, store / "many")
        figures |= {
            "runs": runs,
            "table_seconds": timed(lambda: load_study(many.path).table()),
            "status_seconds": timed(lambda: status(many)),
            "index_mb": round((many.runs / "index.jsonl").stat().st_size / 1e6, 2),
        }
        (store / "many.toml").write_text(many.text())
        shutil.copy(store / "many.toml", store / "many" / "many.toml")
        asked = ("study", "status", str(store / "many.toml"), "--out", str(store / "many"))
        figures["status_command_seconds"] = command_seconds(*asked)
        figures["reindex"] = reindexed(folder, store)
        figures["reindex_all_seconds"] = round(figures["reindex"]["ms_a_run"] * runs / 1e3, 1)
        figures["pack_seconds"] = timed(lambda: pack_study(folder, store / "x.tar"), 1)
        figures["scheduler"] = [
            scheduled(few, few_rows, 8),
            scheduled(many, rows, 8),
            scheduled(many, rows, 1),
        ]
    figures["targets"] = {
        "table below 2 s": figures["table_seconds"] < 2,
        "status below 1 s": figures["status_seconds"] < 1,
    }
    figures["machine"] = {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "invariscope": __version__,
    }
    text = json.dumps(figures, indent=1) + "\n"
    (ROOT / "benchmarks" / "study.json").write_text(text)
    print(text)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
