"""The most memory that each way of working takes, each in a process of its own."""

import multiprocessing
import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.cases import CASES, Case
from bench.ours import LockstepLoop
from bench.pair import make_baseline
from invariscope.experiments.plan import SearchOptions

MEGA = 1e6


@dataclass(frozen=True)
class MemoryTask:
    """What a process runs before it tells its largest memory."""

    case: str
    device: str
    runs: int
    population: int
    precision: str
    compiled: bool
    baseline: bool
    threads: int


def _most_resident() -> int:
    """The largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held when this one was started
        lines = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        if lines:
            return int(lines[0].split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _generations(task: MemoryTask, case: Case, folder: str) -> None:
    options = SearchOptions(population=task.population, precision=task.precision)
    if task.baseline:
        baseline = make_baseline(case, options)
        for _ in range(2):
            baseline.generation()
        return
    with LockstepLoop(case, task.runs, Path(folder), options) as ours:
        for _ in range(2):
            ours.generation()


def _measure(task: MemoryTask) -> dict[str, float]:
    torch.set_num_threads(task.threads)
    device = torch.device(task.device)
    case = CASES[task.case](device)
    case.subject.compiled = task.compiled and not task.baseline
    with tempfile.TemporaryDirectory() as folder:
        _generations(task, case, folder)
    most = {"process_mb": _most_resident() / MEGA}
    if device.type == "cuda":
        most["device_mb"] = torch.cuda.max_memory_allocated(device) / MEGA
    return most


def peak_memory(task: MemoryTask) -> dict[str, float]:
    """Two generations in a fresh process; the most memory it held, in megabytes."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        return pool.submit(_measure, task).result()
