"""Training that was killed with SIGKILL ends as one that was not."""

import time
from importlib import import_module
from pathlib import Path
from signal import SIGKILL

import pytest
import torch

from invariscope.categories.train import Training

HERE = Path(__file__).parent


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    return import_module("killed_worker")


def test_training_goes_on_after_kill_9(picture_folder, data, tmp_path, worker, forked):
    (broken,) = worker.folder_of(data, tmp_path / "killed")
    process = forked.Process(target=worker.train, args=(picture_folder, tmp_path / "killed"))
    process.start()
    checkpoint = broken.path / "checkpoint.safetensors"
    while not checkpoint.exists() and process.is_alive():
        time.sleep(0.02)
    process.kill()
    process.join()
    assert process.exitcode == -SIGKILL
    assert 1 <= broken.state()["epoch"] < 40
    (whole,) = worker.folder_of(data, tmp_path / "whole")
    for folder in (broken, whole):
        Training(data, torch.device("cpu")).train([folder])
    first, second = (
        (folder.path / "weights.safetensors").read_bytes() for folder in (broken, whole)
    )
    assert first == second
    assert [row["epoch"] for row in broken.outcome()["history"]] == list(range(1, 41))
