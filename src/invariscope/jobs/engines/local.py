"""This machine: one process; with several GPUs a worker process each."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import final

import torch

from invariscope.devices import pick_device
from invariscope.jobs.engines.base import Engine, lost
from invariscope.jobs.job import Job, JobReport, work
from invariscope.memory import keep_freed_memory

RETRIES = 2
HEARTBEAT = 0.5  # seconds between two looks whether the engine is still there


def local_devices(device: str = "auto") -> list[str]:
    """List the devices for runs: every GPU where `auto` or `cuda` is asked, else a single device.

    Raises:
        InputError: this machine has no such device.
    """
    picked = pick_device(device)
    if picked.type == "cuda" and picked.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(picked)]


def _begin_worker(stop: Event) -> None:
    """End this process with the engine's; Ctrl-C comes from the engine alone, and only once."""
    os.setpgrp()
    keep_freed_memory()
    # While runs advance, their checkpoints are written first (`experiments.execute`).
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    engine = multiprocessing.parent_process()
    assert engine is not None

    def follow() -> None:
        while engine.is_alive():
            if stop.wait(HEARTBEAT):
                return os.kill(os.getpid(), signal.SIGINT)
        return os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@final
class LocalEngine(Engine):
    """Works on jobs in this process, or with several GPUs or workers in a process each.

    A job whose worker process dies is started again, `RETRIES` times; its runs go on from
    their checkpoints.

    Args:
        device: see `local_devices`.
        threads: torch's threads on the CPU.
        workers: jobs at a time on each device.
    """

    name = "local"

    def __init__(self, device: str = "auto", threads: int | None = None, workers: int = 1) -> None:
        self._free = local_devices(device) * workers
        self._threads = threads
        self.slots = len(self._free)
        self._own: list[Job] = []
        self._away: dict[Future[JobReport], Job] = {}
        self._deaths: dict[int, int] = {}
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            placed = job.at(self._free.pop(), self._threads)
            if self.slots == 1:
                self._own.append(placed)
            else:
                self._hand_over(placed)

    def _hand_over(self, job: Job) -> None:
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._stop = spawn.Event()
            self._pool = ProcessPoolExecutor(self.slots, spawn, _begin_worker, (self._stop,))
        self._away[self._pool.submit(work, job)] = job

    def poll(self, seconds: float, watch: Callable[[], None]) -> list[JobReport]:
        if self._own:
            job = self._own.pop()
            self._free.append(job.device)
            return [work(job, watch)]
        done, _ = wait(self._away, timeout=seconds, return_when=FIRST_COMPLETED)
        if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
            return self._after_death()
        return [self._report(future) for future in done]

    def _report(self, future: Future[JobReport]) -> JobReport:
        job = self._away.pop(future)
        self._free.append(job.device)
        return future.result()

    def _after_death(self) -> list[JobReport]:
        """Start new workers after a worker's death took the pool away."""
        wait(self._away)
        self.stop()
        self._pool = None
        reports = []
        for future, job in list(self._away.items()):
            if future.exception() is None:
                reports.append(self._report(future))
                continue
            del self._away[future]
            self._deaths[job.number] = deaths = self._deaths.get(job.number, 0) + 1
            if deaths <= RETRIES:
                self._hand_over(job)
            else:
                self._free.append(job.device)
                reports.append(lost(job, "its worker process died; `study retry` goes on"))
        return reports

    def stop(self) -> None:
        if self._pool is None:
            return
        if not all(future.done() for future in self._away):
            self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
