"""Measure whole commands on many runs: processor seconds and peak memory, at a size and a quarter.

`load_study` (and its table), `report`, `analyze` and `coefficient`, each in a process of its own,
imports counted. Runs are copies of a few real ones (`bench.copies`), which `study verify` finds
whole; photos are noise. Writes `benchmarks/growth.json` and its table in `benchmarks/README.md`
and `docs/measured.md`.

    python benchmarks/growth.py [NAME ...] [--store FOLDER]

With names, such as `report`, the other figures of the file stay. A store that is given is kept, and
the next time its runs need not be made again.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench import copies
from bench.machine import describe
from first_run import fill
from invariscope.study.folder import StudyFolder
from invariscope.study.index import append_rows, read_rows
from invariscope.study.verify import verify_store

HERE = Path(__file__).resolve().parent
FILE = HERE / "growth.json"
PAGES = (HERE / "README.md", HERE.parent / "docs" / "measured.md")
TELL = """
import atexit, os, pathlib, re
def tell():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path(os.environ["TELL"]).write_text(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
atexit.register(tell)
"""
TABLE = "import sys; from invariscope import load_study; load_study(sys.argv[1]).table()"
COMMAND = "import sys; from invariscope.cli import main; main()"
WHAT = {
    "load_study": "runs, `load_study(…).table()`",
    "report": "searches, `invariscope report`",
    "analyze": "searches, `invariscope analyze`",
    "coefficient": "photos, `invariscope coefficient embedded:standard`",
}
SIZES = {"load_study": 10_000, "report": 1_000, "analyze": 400, "coefficient": 400}
TIMES = 4  # the size over the smaller one


def whole_process(*words: str) -> dict[str, float]:
    """Run Python; its processor seconds and peak resident memory in MB.

    The process tells its peak itself: the one that the system tells of a child is at least as
    large as its parent was.
    """
    code, *arguments = words
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.NamedTemporaryFile("r") as told:
        command = [sys.executable, "-c", TELL + code, *arguments]
        subprocess.run(  # noqa: S603
            command, check=True, stdout=subprocess.DEVNULL, env=env | {"TELL": told.name}
        )
        peak = int(told.read())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"processor_seconds": round(seconds, 2), "peak_mb": round(peak * 1024 / 1e6)}


def indexed(store: Path, runs: int) -> str:
    """Make a study whose runs are rows of the index alone: what a table reads."""
    few = copies.make_study(store, 1, "one")
    one = next(run for run in few.planned_runs() if run.needs)
    row = read_rows(few.runs)[one.name]
    many = StudyFolder(store / f"indexed{runs}", "many")
    if many.begun:
        return str(many.path)
    planned = []
    for number in range(runs):
        name = f"{number:064x}"
        folder = f"{one.folder[:-12]}{name[-12:]}"
        planned.append(replace(one, name=name, folder=folder, seed=number))
    many.write(few.text(), planned)
    own = ({"name": run.name, "run": run.folder, "seed": run.seed} for run in planned)
    append_rows(many.runs, [row | new for new in own])
    return str(many.path)


def searched(store: Path, runs: int) -> str:
    """Make a study of copied runs."""
    return str(copies.make_study(store, runs // copies.SEARCHES_A_SEED, f"of{runs}").path)


def photographed(store: Path, photos: int) -> str:
    """Make a folder of photos of smooth noise, ten classes."""
    stream, place = np.random.default_rng(0), store / f"photos{photos}"
    for number in range(photos):
        folder = place / f"class{number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(stream.integers(0, 256, (13, 13, 3), dtype=np.uint8))
        small.resize((104, 104), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return str(place)


def measured(name: str, size: int, store: Path) -> dict[str, float]:
    """Measure a command at a size."""
    if name == "load_study":
        return whole_process(TABLE, indexed(store, size))
    if name == "coefficient":
        words = (photographed(store, size), "--out", tempfile.mkdtemp(dir=store))
        return whole_process(COMMAND, name, "embedded:standard", *words)
    return whole_process(COMMAND, name, searched(store, size))


def as_markdown(figures: dict[str, Any]) -> str:
    """Make the table of the README."""
    lines = [
        "| of | command | processor s | a quarter of them | peak MB | a quarter of them |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, what in WHAT.items():
        if name not in figures["commands"]:
            continue
        own = figures["commands"][name]
        few, many = own["few"], own["many"]
        unit, command = what.split(", ")
        lines.append(
            f"| {own['size']:,} {unit} | {command} | {many['processor_seconds']:.1f} "
            f"| {few['processor_seconds']:.1f} | {many['peak_mb']:.0f} | {few['peak_mb']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def write(commands: dict[str, Any]) -> None:
    """Keep the figures and their table; what was not measured is missing in both."""
    figures = {
        "command": "python benchmarks/growth.py",
        "unit": "whole process, imports counted, one thread",
        "machine": describe(torch.device("cpu")),
        "commands": commands,
    }
    FILE.write_text(json.dumps(figures, indent=1) + "\n")
    for page in PAGES:
        page.write_text(fill(page.read_text(), "growth.json", as_markdown(figures)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[*WHAT, []])
    parser.add_argument("--store", type=Path)
    asked = parser.parse_args()
    commands = json.loads(FILE.read_text())["commands"] if asked.names else {}
    with tempfile.TemporaryDirectory() as place:
        store = (asked.store or Path(place)).resolve()
        for name in asked.names or WHAT:
            found: dict[str, Any] = {"size": SIZES[name]}
            for key, size in (("few", SIZES[name] // TIMES), ("many", SIZES[name])):
                found[key] = measured(name, size, store)
            commands[name] = found
            print(name, found, flush=True)
            write(commands)
        if (store / "runs").exists() and (faults := verify_store(store).problems):
            raise RuntimeError(f"the copies are not whole: {faults[0]}")


if __name__ == "__main__":
    main()
