"""Studies of the small convolutional world in `worlds.py`."""

import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from invariscope.experiments import pictures
from invariscope.jobs.engines import LocalEngine
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder
from invariscope.study.loading import load_generator_cached, load_subject_cached
from invariscope.study.plan import plan_study
from invariscope.study.runner import StudyRunner

WORLDS = Path(__file__).with_name("worlds.py")
SHARED = f"""
[shared]
subjects = "{WORLDS}:SUBJECT"
generators = "{WORLDS}:generator"
units = "fc:0-1"
generations = 4
population = 8
precision = "float32"
"""
CONDITION = """
[conditions.invariance]
stretch = ["pixels", "conv1"]
seeds = 2
"""


def text_of(conditions=CONDITION, *, subject="subject", top="", **changed):
    """The text of a study file; `changed` are lines of its shared table."""
    shared = SHARED.replace("SUBJECT", subject)
    for key, value in changed.items():
        lines = [line for line in shared.splitlines() if not line.startswith(f"{key} =")]
        shared = "\n".join([*lines, f"{key} = {value}"])
    return f"{top}\n{shared}\n{conditions}"


@contextmanager
def quick():
    """Power does not fail here, and few pictures are enough."""
    with patch.object(os, "fsync", lambda handle: None), patch.object(pictures, "MOST", 2):
        yield


@pytest.fixture(autouse=True, scope="module")
def _quick():
    with quick():
        yield


@pytest.fixture(scope="session")
def study_text():
    return text_of


@pytest.fixture
def begin(tmp_path):
    """Plans a study in a store and gives its folder."""

    def make(text=None, name="small", store=tmp_path / "store"):
        text = text_of() if text is None else text
        folder = StudyFolder(Path(store), name)
        folder.write(text, plan_study(parse_study(text), tmp_path, allow_code=True))
        return folder

    return make


class Counting:
    """An engine that does what the local one does, and notes every batch."""

    def __init__(self, slots=1):
        self.inner, self.batches = LocalEngine("cpu"), []
        self.slots, self.name = slots, "counting"

    def submit(self, batches):
        self.batches += batches
        self.inner.submit(batches)

    def poll(self, seconds, watch):
        return self.inner.poll(seconds, watch)

    def stop(self):
        self.inner.stop()

    @property
    def runs(self):
        return [run for batch in self.batches for run in batch.planned_runs]


@pytest.fixture
def run_study():
    """Works a study through on this machine; gives its progress and the engine."""

    def go(folder, *, runs_per_job=3, watch=None):
        engine = Counting()
        progress = StudyRunner(folder, engine, runs_per_job=runs_per_job, watch=watch).run()
        return progress, engine

    return go


@pytest.fixture
def world():
    return (
        load_subject_cached(f"{WORLDS}:subject", "cpu"),
        load_generator_cached(f"{WORLDS}:generator", "cpu"),
    )


def _finish(base):
    """Works a small study through."""
    roles = f'[roles]\n"{WORLDS}:subject" = "robust"\n'
    text = text_of(top=f"[measure]\naffine = true\n{roles}")
    folder = StudyFolder(base / "store", "small")
    folder.write(text, plan_study(parse_study(text), base, allow_code=True))
    with quick():
        StudyRunner(folder, LocalEngine("cpu")).run()


@pytest.fixture(scope="session")
def finished(once):
    """A study that has ended; do not change it."""
    return StudyFolder(once("finished", _finish) / "store", "small")


@pytest.fixture
def copied(finished, tmp_path):
    """A study that has ended, to change."""
    shutil.copytree(finished.store, tmp_path / "copy")
    return StudyFolder(tmp_path / "copy", finished.name)


def contents(runs):
    """Every file of a folder of runs but the seconds that they took, by its name."""
    files = {p.relative_to(runs).as_posix(): p for p in Path(runs).rglob("*") if p.is_file()}
    read = {}
    for name, path in files.items():
        if name.endswith("outcome.json"):
            read[name] = json.loads(path.read_text()) | {"seconds": 0, "sha256": ""}
        elif not name.endswith("index.jsonl"):
            read[name] = path.read_bytes()
    return read


@pytest.fixture
def same_store():
    """Asserts that two stores hold the same runs, bit for bit."""

    def check(one, other):
        left, right = contents(one / "runs"), contents(other / "runs")
        assert left.keys() == right.keys()
        assert [name for name in left if left[name] != right[name]] == []

    return check
