"""A preempted SLURM job waits for its requeue, and not for ever."""

import sys
import types

import pytest

from invariscope.jobs.engines import slurm


class Task:
    """A job of submitit whose state is told."""

    job_id = "12_0"
    state = "RUNNING"

    def done(self):
        return self.state in ("COMPLETED", "FAILED")

    def result(self):
        return "report"


class Executor:
    """Takes any parameters and gives one task."""

    def __init__(self, **words):
        self.task = Task()

    def update_parameters(self, **words):
        self.words = words

    def map_array(self, work, jobs):
        return [self.task for _ in jobs]


class Work:
    """A job as an engine sees it."""

    def at(self, device, threads):
        return self


@pytest.fixture
def engine(monkeypatch, tmp_path):
    """The engine on a stand-in for submitit, on a clock of its own."""
    library, core, utils = (types.ModuleType(name) for name in ("submitit", "core", "utils"))
    library.AutoExecutor, library.core, core.utils = Executor, core, utils
    utils.UncompletedJobError = utils.FailedJobError = RuntimeError
    for name, module in {"submitit": library, "submitit.core": core}.items():
        monkeypatch.setitem(sys.modules, name, module)
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: None)
    monkeypatch.setattr(slurm, "time", clock)
    monkeypatch.setattr(slurm, "lost", lambda job, reason: reason)
    made = slurm.SlurmEngine(tmp_path)
    made.submit([Work()])
    return made, made._executor.task, now


def ended(engine):
    return engine.poll(0, lambda: None)


def test_a_job_that_stays_preempted_is_given_up_after_ten_minutes(engine):
    made, task, now = engine
    task.state = "PREEMPTED"
    assert ended(made) == []
    now[0] = 599.0
    assert ended(made) == []
    now[0] = 601.0
    assert ended(made) == [
        "SLURM job 12_0 was preempted and not put back within 10 minutes; `study retry` goes on"
    ]
    assert ended(made) == []


def test_a_job_that_is_put_back_starts_its_patience_again(engine):
    made, task, now = engine
    for state, at in (("PREEMPTED", 0), ("PENDING", 500), ("PREEMPTED", 900), ("RUNNING", 1400)):
        task.state, now[0] = state, at
        assert ended(made) == []
    task.state = "COMPLETED"
    assert ended(made) == ["report"]
