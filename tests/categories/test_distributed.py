"""Two gloo processes train one network as one process does."""

from importlib import import_module
from pathlib import Path

import pytest
import torch

from invariscope.categories.data import DataRule, load_data
from invariscope.categories.distributed import wrapper
from invariscope.categories.draws import draw_epoch
from invariscope.categories.train import Training, folders_of

HERE = Path(__file__).parent


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    return import_module("ranked_worker")


def test_two_processes_train_as_one_does(picture_folder, tmp_path, worker, forked):
    words = (2, tmp_path / "meeting", picture_folder, tmp_path / "two")
    ranks = [forked.Process(target=worker.train, args=(rank, *words)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    assert [process.exitcode for process in ranks] == [0, 0]
    data = load_data(DataRule(folder=str(picture_folder), side=worker.SIDE))
    planned = worker.wanted_of(data)
    one, two = folders_of(tmp_path / "one", planned)[0], folders_of(tmp_path / "two", planned)[0]
    Training(data, torch.device("cpu")).train([one])
    first, second = one.outcome()["history"], two.outcome()["history"]
    assert len(first) == 5  # epochs of 4 steps each
    for a, b in zip(first, second, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
        assert a["accuracy"] == pytest.approx(b["accuracy"], abs=1e-6)


def test_every_image_of_a_batch_goes_to_one_process(data, planned):
    whole = draw_epoch(planned[4], data.train.labels, 0)
    parts = [whole.of_rank(rank, 3, 12) for rank in range(3)]
    together = torch.stack([part.order.view(-1, 4) for part in parts], 1).flatten()
    assert torch.equal(together, whole.order)
    assert torch.equal(torch.cat([p.keys for p in parts]).sort().values, whole.keys.sort().values)


def test_batch_norm_on_several_cpus_is_told(monkeypatch):
    monkeypatch.setattr("invariscope.categories.distributed.DistributedDataParallel", lambda n: n)
    told = []
    wrapper(torch.device("cpu"), told.append)(torch.nn.BatchNorm2d(3))
    wrapper(torch.device("cpu"), told.append)(torch.nn.Linear(3, 3))
    assert told == [
        "batch norm counts over each process's part of a batch: a CPU has no SyncBatchNorm"
    ]
