"""Ray: tasks that each carry a job, on a cluster that runs or on this machine."""

import logging
import os
import socket
import warnings
from collections.abc import Callable, Sequence
from typing import Any, final

from invariscope.errors import InputError
from invariscope.jobs.engines.base import Engine, lost
from invariscope.jobs.job import Job, JobReport, work_as_worker
from invariscope.optional import optional_library

ANSWER_SECONDS = 10.0


def _check_answers(address: str | None) -> None:
    """Make sure that something listens at `host:port`; Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if not port.isdecimal() or "/" in host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise InputError(f"no Ray cluster at {address!r}: {error.strerror or error}") from error


@final
class RayEngine(Engine):
    """Ray's own scheduler decides where a job runs; every node must see the store's folder.

    Args:
        address: of a running cluster (`auto`, `host:port`); None starts Ray on this machine.
        cpus: of a task, and its torch threads.
        gpus: of a task; 0.25 lets four tasks share a GPU.
        retries: how often a task is started again when its worker or node dies. The runs go on
            from their checkpoints.

    Raises:
        InputError: Ray is not installed, or no cluster answers at the address.
    """

    name = "ray"
    slots = None

    def __init__(
        self, address: str | None = None, *, cpus: int = 1, gpus: float = 0.0, retries: int = 3
    ) -> None:
        self._ray: Any = optional_library("ray", "cluster", "Ray")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        _check_answers(address)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._ray.init(
                    address=address,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    include_dashboard=None if address else False,
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"no Ray cluster at {address!r}: {error}") from error
        self._device = "cuda" if gpus else "cpu"
        self._threads = cpus
        as_task: Any = self._ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=retries)
        self._task: Any = as_task(work_as_worker)
        self._under_way: dict[Any, Job] = {}

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            placed = job.at(self._device, self._threads)
            self._under_way[self._task.remote(placed)] = placed

    def poll(self, seconds: float, watch: Callable[[], None]) -> list[JobReport]:  # noqa: ARG002
        done, _ = self._ray.wait(list(self._under_way), timeout=seconds)
        reports = []
        for reference in done:
            job = self._under_way.pop(reference)
            try:
                reports.append(self._ray.get(reference))
            except self._ray.exceptions.RayError as error:
                said = str(error).strip().splitlines()[0]
                reports.append(lost(job, f"Ray lost the task ({said}); `study retry` goes on"))
        return reports

    def stop(self) -> None:
        for reference in self._under_way:
            self._ray.cancel(reference, force=True)
        self._ray.shutdown()
