"""A study on the CPU: one process with all threads, or one a core with one thread.

    python benchmarks/workers.py [REPEATS]

Both work on the same runs in turn, each in a new store, the start of the workers counted.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

from bench.machine import describe
from invariscope.jobs.engines.local import LocalEngine
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder
from invariscope.study.plan import plan_study
from invariscope.study.runner import StudyRunner

TEXT = """
[shared]
subjects = "embedded:robust"
units = "fc:0-7"
generations = 90
stop = false
[conditions.excitation]
tasks = "excitation"
seeds = 4
"""


def images_a_second(workers: int, threads: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        store = Path(name)
        folder = StudyFolder(store, "study")
        folder.write(TEXT, plan_study(parse_study(TEXT), store))
        with LocalEngine("cpu", threads, workers) as engine:
            runner = StudyRunner(folder, engine)
            began = time.monotonic()
            runner.run()
            return runner.images / (time.monotonic() - began)


def main(repeats: int = 3) -> None:
    cores = torch.get_num_threads()
    found: dict[str, list[float]] = {"one": [], "shared": []}
    for _ in range(repeats):
        found["one"].append(images_a_second(1, cores))
        found["shared"].append(images_a_second(cores, 1))
    rates: dict[str, Any] = {key: round(median(values), 1) for key, values in found.items()}
    figures = {
        "command": "python benchmarks/workers.py",
        "machine": describe(torch.device("cpu")),
        "images_per_second": {
            f"one process, {cores} threads": rates["one"],
            f"{cores} processes, threads each: 1": rates["shared"],
        },
        "ratio": round(rates["shared"] / rates["one"], 2),
        "each": found,
    }
    text = json.dumps(figures, indent=1)
    (Path(__file__).parent / "workers.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
