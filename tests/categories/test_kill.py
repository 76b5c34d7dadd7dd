"""Training that was killed with SIGKILL ends as one that was not."""

import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
import torch

import invariscope
from invariscope.categories.train import Training

HERE = Path(__file__).parent


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    return import_module("killed_worker")


def test_training_goes_on_after_kill_9(picture_folder, data, tmp_path, worker):
    environment = {**os.environ, "PYTHONPATH": str(Path(invariscope.__file__).parents[1])}
    words = [str(HERE / "killed_worker.py"), str(picture_folder), str(tmp_path / "killed")]
    (broken,) = worker.folder_of(data, tmp_path / "killed")
    process = subprocess.Popen([sys.executable, *words], env=environment)
    checkpoint = broken.path / "checkpoint.safetensors"
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 1 <= broken.state()["epoch"] < 40
    (whole,) = worker.folder_of(data, tmp_path / "whole")
    for folder in (broken, whole):
        Training(data, torch.device("cpu")).train([folder])
    first, second = (
        (folder.path / "weights.safetensors").read_bytes() for folder in (broken, whole)
    )
    assert first == second
    assert [row["epoch"] for row in broken.outcome()["history"]] == list(range(1, 41))
