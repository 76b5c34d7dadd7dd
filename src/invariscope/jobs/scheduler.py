"""One queue of work over an engine: jobs go out as slots come free, reports come back."""

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, final

from invariscope.jobs.engines.base import Engine
from invariscope.jobs.job import Job, JobReport, read_news

BUSY_WAIT = 5.0  # seconds until an item that another process is writing is tried again
POLL = 1.0


class Schedulable(Protocol):
    """One run or network of a study.

    Attributes:
        name: unique in the study.
        batch_key: what items of one job must share.
    """

    @property
    def name(self) -> str: ...

    @property
    def batch_key(self) -> Hashable: ...


Item = TypeVar("Item", bound=Schedulable)


@final
class Scheduler(Generic[Item]):
    """Work through items until each has ended or failed.

    `add` every item, then `run`. Items of one batch key go out together. An item that departs from
    another one's result waits until that has ended, and fails with it. An item that another
    process is writing is tried again later.

    Args:
        engine: where jobs are worked on; the caller starts and stops it.
        make_job: makes the job of a number and of items that share a batch key.
        keep: called with each round of jobs and reports before they count; may take names out of
            a report's `failed`.
        per_job: the most items of a job; fewer where slots would stay empty.
        watch: called about once a second.
        done: names of items that have ended before.
        failed: sentences, by name, of items that are not to be tried.

    Attributes:
        done, failed: as they are now.
        running: the jobs under way, by number.
    """

    def __init__(
        self,
        engine: Engine,
        make_job: Callable[[int, Sequence[Item]], Job],
        keep: Callable[[Sequence[tuple[Job, JobReport]]], None],
        *,
        per_job: int,
        watch: Callable[[], None] = lambda: None,
        done: Iterable[str] = (),
        failed: Mapping[str, str] | None = None,
    ) -> None:
        self.engine, self.per_job = engine, per_job
        self.done, self.failed = set(done), dict(failed or {})
        self.running: dict[int, Job] = {}
        self._make_job, self._keep, self._watch = make_job, keep, watch
        self._items: dict[str, Item] = {}
        self._ready: dict[Hashable, list[Item]] = defaultdict(list)
        self._dependents: dict[str, list[Item]] = defaultdict(list)
        self._later: list[tuple[float, Item]] = []
        self._number, self._watched = 0, 0.0

    def add(self, item: Item, reference: str | None = None) -> None:
        """Queue an item that has neither ended nor failed.

        Args:
            item: the run or network.
            reference: the name of the item whose result this one departs from, added before.
        """
        if item.name in self.done or item.name in self.failed:
            return
        self._items[item.name] = item
        if reference is None or reference in self.done:
            self._ready[item.batch_key].append(item)
        elif reference in self.failed:
            self._fail(item.name, f"its reference was not found: {self.failed[reference]}")
        else:
            self._dependents[reference].append(item)

    def news(self) -> list[dict[str, Any]]:
        """Read the progress of the jobs under way."""
        return read_news(job.news for job in self.running.values())

    def run(self) -> None:
        """Work until every item has ended or failed.

        Raises:
            StoreError: what was found cannot be kept.
            KeyboardInterrupt: asked to stop; what was found is kept.
        """
        while self._ready or self._later or self.running:
            jobs = self._next()
            self.running |= {job.number: job for job in jobs}
            self.engine.submit(jobs)
            if not self.running:
                time.sleep(BUSY_WAIT / 10)  # all that is left is being written elsewhere
                continue
            reports = self.engine.poll(POLL, self._tell)
            self._keep([(self.running[report.number], report) for report in reports])
            for report in reports:
                self._settle(self.running.pop(report.number), report)
            self._tell()
        self._watch()

    def _tell(self) -> None:
        """Call the watcher, at most once a second."""
        if time.monotonic() - self._watched >= 1:
            self._watched = time.monotonic()
            self._watch()

    def _fail(self, name: str, sentence: str) -> None:
        self.failed[name] = sentence
        for dependent in self._dependents.pop(name, ()):
            self._fail(dependent.name, f"its reference was not found: {sentence}")

    def _next(self) -> list[Job]:
        """Make jobs for the free slots."""
        now, later = time.monotonic(), self._later
        self._later = [(when, item) for when, item in later if when > now]
        for _, item in (entry for entry in later if entry[0] <= now):
            self._ready[item.batch_key].append(item)
        ready, slots = sum(map(len, self._ready.values())), self.engine.slots
        size, free = self.per_job, ready
        if slots is not None:
            size, free = max(1, min(size, -(-ready // slots))), slots - len(self.running)
        jobs: list[Job] = []
        for key in list(self._ready):
            items = self._ready[key]
            while items and len(jobs) < free:
                self._number += 1
                jobs.append(self._make_job(self._number, items[:size]))
                del items[:size]
            if not items:
                del self._ready[key]
        return jobs

    def _settle(self, job: Job, report: JobReport) -> None:
        for name in job.names:
            if name in report.busy:
                self._later.append((time.monotonic() + BUSY_WAIT, self._items[name]))
            elif name in report.failed:
                self._fail(name, report.failed[name])
            else:
                self.done.add(name)
                for dependent in self._dependents.pop(name, ()):
                    self._ready[dependent.batch_key].append(dependent)
