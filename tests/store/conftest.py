"""Settings, an outcome and a run folder to write it to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from invariscope.search.archive import Front
from invariscope.search.objectives import Objective
from invariscope.search.run import Milestone, Outcome, Run
from invariscope.store.run_folder import RunFolder
from invariscope.store.settings import RunSettings
from invariscope.units import Target, Unit

LABELS = {"subject": "toy", "generator": "paint", "unit": "bee"}
CONTEXT = {"machine": "abacus", "precision": "float32"}


@pytest.fixture
def settings():
    return RunSettings(
        subject={"kind": "toy", "blur": None},
        generator={"kind": "paint"},
        unit="out:1",
        site="pixels",
        task="invariance",
        strategy={"name": "isotropic", "mean_rate": 1.0},
        start={"mean": "zero", "sigma": 1.0},
        stop={"rule": "never"},
        milestone={"rule": "never"},
    )


@pytest.fixture
def open_run(tmp_path, settings):
    return lambda: RunFolder(tmp_path, settings, LABELS, CONTEXT)


@pytest.fixture
def folder(tmp_path, settings):
    return tmp_path / settings.folder_name


@pytest.fixture
def make_outcome():
    objective = Objective("invariance", Target((Unit("out", (1,)),)), "pixels")

    def make(status="finished", members=3):
        rows = torch.arange(members, dtype=torch.float32)
        front = Front(
            scores=torch.stack([rows + 0.25, rows / 3, 1 - rows], 1),
            codes=rows.unsqueeze(1).expand(-1, 6),
            generation=torch.arange(members) + 1,
            candidate=torch.arange(members),
        )
        run = Run("toy", objective, torch.zeros(6))
        return Outcome(run, status, 7, 350, front, Milestone(4, front))

    return make


@pytest.fixture
def checkpoint():
    return lambda generation: {
        "strategy.generation": torch.tensor([generation]),
        "strategy.mean": torch.rand(1, 6).double(),
    }


@pytest.fixture(scope="session")
def order(pytestconfig):
    """Gives an order to one process that has everything imported (see `searcher.py`).

    Its warnings are errors, but for those that pytest was told to pass over (`-W`).
    """
    passed_over = [f"-W{rule}" for rule in pytestconfig.getoption("pythonwarnings") or ()]
    program = str(Path(__file__).with_name("searcher.py"))
    with subprocess.Popen(
        [sys.executable, "-Werror", *passed_over, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:

        def give(**asked):
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield give
        process.stdin.close()
