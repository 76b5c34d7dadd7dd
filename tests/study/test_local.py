"""How the work of a study is shared on one machine."""

import pytest
import torch

from invariscope.cli.study import Where
from invariscope.study.engines import local
from invariscope.study.engines.local import cpu_shares


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of so many cores and gigabytes, and a container's limit."""

    def make(cores, gigabytes, limit="max"):
        monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
        pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": int(gigabytes * 1e9) // 4096}
        monkeypatch.setattr(local.os, "sysconf", pages.__getitem__)
        container = tmp_path / "memory.max"
        container.write_text(f"{limit}\n")
        monkeypatch.setattr(local, "CONTAINER", container)

    return make


@pytest.mark.parametrize(
    ("cores", "gigabytes", "limit", "jobs", "expected"),
    [
        (2, 24, "max", 400, (2, 1)),
        (64, 512, "max", 400, (64, 1)),
        (64, 512, "max", 10, (10, 6)),
        (64, 41, "max", 400, (10, 6)),
        (64, 512, int(13e9), 400, (3, 21)),
        (8, 3, "max", 400, (1, 8)),
        (8, 64, "max", 0, (1, 8)),
        (1, 64, "max", 400, (1, 1)),
    ],
)
def test_a_process_a_core_as_far_as_memory_and_work_go(
    machine, cores, gigabytes, limit, jobs, expected
):
    machine(cores, gigabytes, limit)
    assert cpu_shares(jobs) == expected


@pytest.mark.parametrize("missing", [OSError, ValueError, AttributeError])
def test_a_system_that_does_not_say_its_memory(machine, monkeypatch, missing, tmp_path):
    def nothing(_name):
        raise missing

    machine(4, 1)
    monkeypatch.setattr(local.os, "sysconf", nothing)
    monkeypatch.setattr(local, "CONTAINER", tmp_path / "nothing")
    assert cpu_shares(9) == (4, 1)


def test_what_was_asked_for_counts(machine):
    machine(8, 64)
    shared = Where(device="cpu").sharing(100)
    assert (shared.workers, shared.threads) == (8, 1)
    for asked in (
        Where(device="cpu", workers=2),
        Where(device="cpu", threads=3),
        Where(engine="ray"),
        Where(engine="slurm", gpus=1),
    ):
        assert asked.sharing(100) is asked
