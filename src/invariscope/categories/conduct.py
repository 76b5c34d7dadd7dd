"""Work a study of networks through: trained, then measured; what is done is never done again."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from invariscope.categories.evaluate import ABLATION, ANSWERS, INVARIANCE, TAU
from invariscope.categories.job import SEARCH, TRAIN, NetworkJob
from invariscope.categories.plan import PlannedNetwork
from invariscope.categories.study import NetworkStudy
from invariscope.categories.train import TOGETHER
from invariscope.invariance.result import SETTINGS
from invariscope.jobs.engines.base import Engine
from invariscope.store.files import make_folder

AT_ONCE = 4  # networks of a job, where they come one after the other anyway
POLL = 1.0


class NetworkConductor:
    """Hands networks to an engine and keeps what comes back.

    Args:
        study: what to work through.
        engine: where; started and stopped by the caller.
        together: networks that advance together in a job; by default what suits its device.
        stacks: whether its devices are such that networks advance in stacked form.
        compiled: whether training steps are compiled.
        watch: told (done, all, what workers last told) about once a second.
    """

    def __init__(
        self,
        study: NetworkStudy,
        engine: Engine,
        *,
        together: int | None = None,
        stacks: bool = False,
        compiled: bool = False,
        watch: Callable[[int, int, list[dict[str, Any]]], None] = lambda done, every, news: None,
    ) -> None:
        self.study, self.engine, self.watch = study, engine, watch
        self._together, self._stacks, self._compiled = together, stacks, compiled
        self._jobs = make_folder(study.path / "jobs")
        self._number, self._last_report = 0, 0.0

    def _job(self, task: str, planned: Sequence[PlannedNetwork], tau: float) -> NetworkJob:
        self._number += 1
        asked = self.study.asked
        return NetworkJob(
            self._number,
            task,
            tuple(planned),
            asked.rule,
            asked.base,
            self.study.path,
            self._jobs / f"{self._number}.json",
            asked.paradigm.transformations,
            asked.tested,
            tau,
            self._together,
            self._compiled,
        )

    def _left(self, task: str) -> list[PlannedNetwork]:
        if task == TRAIN:
            return [own for own in self.study.trainable if not self.study.folder(own).done]
        every = len(self.study.planned[0].classes)
        missing = []
        for own in self.study.trained:
            place = self.study.folder(own).path
            needed = [ANSWERS] if task == SEARCH else [f"{INVARIANCE}/{SETTINGS}"]
            if own.count == every:
                needed.append(TAU if task == SEARCH else ABLATION)
            if any(not (place / name).exists() for name in needed):
                missing.append(own)
        return missing

    def _size(self, task: str, left: int) -> int:
        """Networks of a job: no slot stays empty."""
        if task == TRAIN and self._together:
            return self._together
        most = TOGETHER["cuda"] if task == TRAIN and self._stacks else AT_ONCE
        slots = self.engine.slots or left
        return max(1, min(most, -(-left // max(slots, 1))))

    def run(self, task: str, tau: float = 0.1) -> None:
        """Do one task for every network that lacks it; the study's `failed` names what failed.

        Raises:
            StoreError: the study's folder cannot be written.
        """
        left = self._left(task)
        batches: dict[tuple[str, ...], list[PlannedNetwork]] = defaultdict(list)
        for own in left:
            batches[own.batch_key].append(own)
        size = self._size(task, len(left))
        waiting = [
            self._job(task, own[k : k + size], tau)
            for own in batches.values()
            for k in range(0, len(own), size)
        ]
        every, under_way = len(left), {}
        while waiting or under_way:
            free = len(waiting) if self.engine.slots is None else self.engine.slots - len(under_way)
            started, waiting = waiting[:free], waiting[free:]
            under_way |= {job.number: job for job in started}
            self.engine.start(started)
            self._tell(task, every)
            for report in self.engine.ended(POLL, lambda: self._tell(task, every)):
                job = under_way.pop(report.number)
                for name in job.names:
                    self.study.failed.pop(name, None)
                self.study.failed |= report.failed
                self.study.save_failed()
        self._tell(task, every, now=True)

    def _tell(self, task: str, every: int, *, now: bool = False) -> None:
        if not now and time.monotonic() - self._last_report < 1:
            return
        self._last_report = time.monotonic()
        news = []
        for path in sorted(self._jobs.glob("*.json")):
            with suppress(OSError, ValueError):
                news.append(json.loads(path.read_text()))
        self.watch(every - len(self._left(task)), every, news)
