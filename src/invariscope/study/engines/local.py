"""This machine: one process; with several GPUs a worker process each."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import final

import torch

from invariscope.devices import pick_device
from invariscope.study.batch import Batch, Report, work
from invariscope.study.engines.base import Engine, lost


def local_devices(device: str = "auto") -> list[str]:
    """The devices that runs go to: every GPU where `auto` or `cuda` is asked, else that one.

    Raises:
        InputError: this machine has no such device.
    """
    picked = pick_device(device)
    if picked.type == "cuda" and picked.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(picked)]


@final
class LocalEngine(Engine):
    """Batches one after another in this process; with several GPUs, a worker process each.

    Args:
        device: see `local_devices`.
        threads: torch's threads on the CPU.
    """

    name = "local"

    def __init__(self, device: str = "auto", threads: int | None = None) -> None:
        self._free = local_devices(device)
        self._threads = threads
        self.slots = len(self._free)
        self._own: list[Batch] = []
        self._away: dict[Future[Report], Batch] = {}
        self._pool: ProcessPoolExecutor | None = None
        if self.slots > 1:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.slots, mp_context=spawn)

    def start(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            given = replace(batch, device=self._free.pop(), threads=self._threads)
            if self._pool is None:
                self._own.append(given)
            else:
                self._away[self._pool.submit(work, given)] = given

    def ended(self, seconds: float, watch: Callable[[], None]) -> list[Report]:
        if self._own:
            batch = self._own.pop()
            self._free.append(batch.device)
            return [work(batch, watch)]
        done, _ = wait(self._away, timeout=seconds, return_when=FIRST_COMPLETED)
        reports = []
        for future in done:
            batch = self._away.pop(future)
            self._free.append(batch.device)
            try:
                reports.append(future.result())
            except BrokenProcessPool:
                reports.append(lost(batch, "the worker process was killed; `study retry` goes on"))
        return reports

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
