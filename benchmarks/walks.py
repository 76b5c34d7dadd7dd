"""How many of the package's functions a journey calls: docs/architecture.md's walks.

Runs each journey once, small, and counts the functions of the package that are called on the
way, each once, without classes' bodies, comprehensions and lambdas.

    python benchmarks/walks.py [FILE]

Writes the counts to FILE, by default benchmarks/walks.json. To count an earlier state of the
package, put its `src` on PYTHONPATH.
"""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
from PIL import Image

import invariscope
from bench.practice import SESSION
from invariscope.cli.app import run

ROOT = str(Path(invariscope.__file__).parent)
STUDY = """
[conditions.invariance]
subjects = "embedded:standard"
units = "fc:3"
generations = 2
population = 10
precision = "float32"
"""


def code_in_demo(folder: Path) -> None:
    """Codes of short searches in `demo`, from the strategy to the page."""
    vars(importlib.import_module("invariscope.cli.demo"))["REDUCED"] = 2
    if run(["demo", "--out", str(folder / "demo"), "--device", "cpu"]):
        raise SystemExit("the demo failed")


def study_file_to_table_row(folder: Path) -> None:
    """A study of an MEI and a search, from its file to the rows of its table."""
    (folder / "small.toml").write_text(STUDY)
    words = [str(folder / "small.toml"), "--out", str(folder / "store"), "--device", "cpu"]
    if run(["study", "run", *words]):
        raise SystemExit("the study failed")
    if len(invariscope.load_study(folder / "store").table()) != 2:
        raise SystemExit("the study's table does not hold its two runs")


def photo_to_coefficient(folder: Path) -> None:
    """Photos in a folder to the invariance coefficients of a layer."""
    stream = np.random.default_rng(0)
    (folder / "photos" / "ant").mkdir(parents=True)
    for number in range(4):
        pixels = stream.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / "ant" / f"{number}.png")
    subject = invariscope.load_subject("embedded:standard")
    photos = invariscope.open_folder(folder / "photos")
    invariscope.invariance_coefficient(
        subject, photos, ["blur"], sites="layer4", tau=0.1, out=folder / "out"
    )


def rig_response_to_front(folder: Path) -> None:
    """A session with a simulated rig in another process, to a front on held-back repeats."""
    stream = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for number in range(4):
        pixels = stream.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    (folder / "session.toml").write_text(SESSION)
    words = [str(folder / "session.toml"), "--out", str(folder / "out")]
    main = [sys.executable, "-c", "from invariscope.cli import main; main()"]
    rig = [*main, "rig", "simulate", *words, "--units", "fc:3", "fc:5"]
    with subprocess.Popen(rig, stdout=subprocess.DEVNULL) as other:  # noqa: S603
        try:
            if run(["rig", "serve", *words]):
                raise SystemExit("the session failed")
        finally:
            other.terminate()
    if not list((folder / "out" / "runs").glob("*/front.parquet")):
        raise SystemExit("the session left no front")


JOURNEYS = (
    code_in_demo,
    study_file_to_table_row,
    photo_to_coefficient,
    rig_response_to_front,
)


def is_function(code: CodeType) -> bool:
    """Tell a named function from a class's body, a comprehension and a lambda."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED) and not code.co_name.startswith("<")


def functions_of(journey: Callable[[Path], None]) -> int:
    """Count the package's functions that a journey calls."""
    called: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ROOT) and is_function(code):
            called.add(code)

    with tempfile.TemporaryDirectory() as folder:
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            journey(Path(folder))
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return len(called)


def import_all() -> None:
    """Import every module of the package, so that what runs on import does not count."""
    for found in pkgutil.walk_packages(invariscope.__path__, "invariscope."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def main(path: Path) -> None:
    """Count the functions of every journey."""
    import_all()
    counts = {journey.__name__: functions_of(journey) for journey in JOURNEYS}
    figures = {"command": "python benchmarks/walks.py", "functions": counts}
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".json"))
