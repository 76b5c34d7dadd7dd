"""SLURM: arrays of tasks through submitit; preempted tasks go back to the queue."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from invariscope.errors import InputError
from invariscope.jobs.engines.base import Engine, lost
from invariscope.jobs.job import Job, JobReport, work_as_worker
from invariscope.optional import optional_library

POLL = 1.0
PREEMPTED = "PREEMPTED"
PATIENCE = 600.0  # seconds until a preempted job that SLURM does not put back is given up
TIMEOUTS = 100  # of submitit three end a job, which is too few for days of work


class SlurmTask:
    """The function that a SLURM task calls; a preempted task is queued again and its runs go on."""

    def __call__(self, job: Job) -> JobReport:
        return work_as_worker(job)

    def checkpoint(self, job: Job) -> Any:
        """Give submitit the same call again, since the runs keep their own checkpoints."""
        import submitit  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

        return submitit.helpers.DelayedSubmission(self, job)


@final
class SlurmEngine(Engine):
    """Every ready job is a task of an array; every node must see the store's folder.

    Args:
        logs: a folder that all nodes see, for submitit's own files.
        cpus: of a task, and its torch threads.
        gpus: of a task.
        at_once: tasks of an array that may run together.
        timeouts: how often a job that reached its time limit is put back before it counts as
            failed; its runs go on from their checkpoints each time.
        options: further parameters of submitit's `update_parameters`, such as
            `slurm_partition` or `timeout_min`.

    Raises:
        InputError: submitit or SLURM is not installed, or an option that submitit has not.
    """

    name = "slurm"
    slots = None

    def __init__(
        self,
        logs: Path,
        *,
        cpus: int = 1,
        gpus: int = 0,
        at_once: int = 1000,
        timeouts: int = TIMEOUTS,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        submitit: Any = optional_library("submitit", "cluster")
        utils: Any = submitit.core.utils
        logging.getLogger("submitit").setLevel(logging.ERROR)
        try:
            self._executor = submitit.AutoExecutor(
                folder=logs, cluster="slurm", slurm_max_num_timeout=timeouts
            )
            asked: dict[str, Any] = {"cpus_per_task": cpus, "gpus_per_node": gpus, "name": "sns"}
            asked |= {"timeout_min": 240, "slurm_array_parallelism": at_once}
            asked |= dict(options or {})
            self._executor.update_parameters(**asked)
        except (RuntimeError, NameError, ValueError, TypeError) as error:
            raise InputError(f"SLURM cannot be used as asked: {error}") from error
        self._failures = (utils.UncompletedJobError, utils.FailedJobError)
        self._device = "cuda" if gpus else "cpu"
        self._threads = cpus
        self._under_way: dict[str, tuple[Any, Job]] = {}
        self._preempted: dict[str, float] = {}  # since when a job has been preempted

    def submit(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        placed = [job.at(self._device, self._threads) for job in jobs]
        tasks = self._executor.map_array(SlurmTask(), placed)
        self._under_way |= {t.job_id: (t, job) for t, job in zip(tasks, placed, strict=True)}

    def poll(self, seconds: float, watch: Callable[[], None]) -> list[JobReport]:  # noqa: ARG002
        until = time.monotonic() + seconds
        while True:
            done = [
                key
                for key, (task, _) in self._under_way.items()
                if task.done() or self._stays_preempted(key, task.state)
            ]
            if done or time.monotonic() >= until:
                return [self._report(key) for key in done]
            time.sleep(min(POLL, seconds))

    def _stays_preempted(self, key: str, state: str) -> bool:
        """Tell whether SLURM has given a preempted job up, as with PreemptMode=CANCEL.

        To submitit a preempted job is one that will run again, however long that takes.
        """
        if state != PREEMPTED:
            self._preempted.pop(key, None)
            return False
        since = self._preempted.setdefault(key, time.monotonic())
        return time.monotonic() - since > PATIENCE

    def _report(self, key: str) -> JobReport:
        task, job = self._under_way.pop(key)
        if not task.done():
            return lost(
                job,
                f"SLURM job {key} was preempted and not put back within {PATIENCE / 60:.0f} "
                "minutes; `study retry` goes on",
            )
        try:
            return task.result()
        except self._failures as error:
            said = next(
                (line for line in str(error).splitlines() if line.strip()), "no reason given"
            )
            return lost(job, f"SLURM job {key} failed ({said}); `study retry` goes on")

    def stop(self) -> None:
        for task, _ in self._under_way.values():
            task.cancel()
