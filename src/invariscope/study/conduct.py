"""Work a study through: MEIs before the runs that depart from them, what is done never again."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from invariscope.jobs.engines.base import Engine
from invariscope.jobs.job import JobReport
from invariscope.study.batch import RunBatch
from invariscope.study.folder import StudyFolder
from invariscope.study.index import append_rows, catch_up, read_rows
from invariscope.study.planned_run import PlannedRun
from invariscope.study.progress import StudyProgress, progress_of

PLACES = 8
BUSY_WAIT = 5.0
POLL = 1.0
RATE_OVER = 60.0  # seconds over which images a second are counted

Watch = Callable[[StudyProgress], None]


def done_in(study: StudyFolder, planned_runs: Iterable[PlannedRun]) -> set[str]:
    """Names of the runs that have ended, the index caught up with them before.

    Raises:
        StoreError: the index is damaged or cannot be written.
    """
    rows = read_rows(study.runs)
    folders = {w.folder for w in planned_runs}
    added = catch_up(study.runs, sorted(folders), (r["run"] for r in rows.values()))
    gone = {
        name
        for name, row in rows.items()
        if row["run"] in folders and not (study.runs / row["run"] / "outcome.json").exists()
    }  # moved away to be done again
    return {*rows, *(row["name"] for row in added)} - gone


@dataclass
class _Rate:
    """Images a second over the last minute."""

    points: list[tuple[float, int]] = field(default_factory=list)

    def note(self, images: int) -> float | None:
        now = time.monotonic()
        self.points.append((now, images))
        while len(self.points) > 2 and now - self.points[0][0] > RATE_OVER:
            self.points.pop(0)
        (start, before), (end, after) = self.points[0], self.points[-1]
        return (after - before) / (end - start) if end > start and after > before else None


class Conductor:
    """Hands ready runs to an engine and keeps what comes back.

    Args:
        study: what to work through.
        engine: where.
        places: the most runs of a batch.
        compiled: whether networks are compiled: slow to start, then faster.
        watch: told how far the study is, about once a second.
    """

    def __init__(
        self,
        study: StudyFolder,
        engine: Engine,
        *,
        places: int = PLACES,
        compiled: bool = False,
        watch: Watch | None = None,
    ) -> None:
        self.compiled = compiled
        self.study, self.engine, self.places, self.watch = study, engine, places, watch
        self.planned_runs = study.planned_runs()
        by_name = {run.name: run for run in self.planned_runs}
        ended = done_in(study, self.planned_runs)
        gone = (name for name in ended if name in by_name and not self._there(by_name[name]))
        self.done = {name for name in ended if name in by_name} - set(gone)
        self.failed = {k: v for k, v in study.failed().items() if k not in self.done}
        self._dependents: dict[str, list[PlannedRun]] = defaultdict(list)
        self._ready: dict[tuple[object, ...], list[PlannedRun]] = defaultdict(list)
        self._later: list[tuple[float, PlannedRun]] = []
        self._batches: dict[int, RunBatch] = {}
        self._number = 0
        self.images = 0  # of batches that have ended, in this call
        self._rate = _Rate()
        self._last_report = 0.0
        for run in self.planned_runs:
            if run.name not in self.done and run.name not in self.failed:
                self._wait(run)

    def _there(self, run: PlannedRun) -> bool:
        return (self.study.runs / run.folder / "outcome.json").exists()

    def _wait(self, run: PlannedRun) -> None:
        """A run is ready once the one that finds its reference has ended."""
        if run.needs is None or run.needs[0] in self.done:
            self._ready[run.batch_key].append(run)
        elif run.needs[0] in self.failed:
            self._fail(run.name, f"its reference was not found: {self.failed[run.needs[0]]}")
        else:
            self._dependents[run.needs[0]].append(run)

    def _fail(self, name: str, sentence: str) -> None:
        self.failed[name] = sentence
        for dependent in self._dependents.pop(name, ()):
            self._fail(dependent.name, f"its reference was not found: {sentence}")

    def _size(self) -> int:
        """Runs of a batch: fewer where slots would stay empty."""
        if self.engine.slots is None:
            return self.places
        ready = sum(len(runs) for runs in self._ready.values())
        return max(1, min(self.places, -(-ready // self.engine.slots)))

    def _next(self) -> list[RunBatch]:
        """Batches for the free slots."""
        now, later = time.monotonic(), self._later
        self._later = [(when, run) for when, run in later if when > now]
        for when, run in later:
            if when <= now:
                self._ready[run.batch_key].append(run)
        slots = self.engine.slots
        free = None if slots is None else slots - len(self._batches)
        size, batches = self._size(), []
        for key in list(self._ready):
            runs = self._ready[key]
            while runs and (free is None or len(batches) < free):
                batches.append(self._batch(runs[:size]))
                del runs[:size]
            if not runs:
                del self._ready[key]
        return batches

    def _batch(self, runs: list[PlannedRun]) -> RunBatch:
        self._number += 1
        news = self.study.batches / f"{self._number}.json"
        return RunBatch(self._number, tuple(runs), self.study.runs, news, compiled=self.compiled)

    def _take(self, report: JobReport) -> None:
        batch = self._batches.pop(report.number)
        rows = report.rows
        if report.failed:  # a worker that was lost may have ended some of them
            lost = [run.folder for run in batch.planned_runs if run.name in report.failed]
            rows = rows + catch_up(self.study.runs, lost, ())
        self.images += report.images
        for row in rows:
            report.failed.pop(row["name"], None)
            self.done.add(row["name"])
            for dependent in self._dependents.pop(row["name"], ()):
                self._ready[dependent.batch_key].append(dependent)
        for name, sentence in report.failed.items():
            self._fail(name, sentence)
        if report.failed:
            self.study.save_failed(self.failed)
        for run in batch.planned_runs:
            if run.name in report.busy:
                self._later.append((time.monotonic() + BUSY_WAIT, run))

    def tell(self, *, now: bool = False) -> None:
        """Let the watcher know, at most once a second."""
        if self.watch is None or (not now and time.monotonic() - self._last_report < 1):
            return
        self._last_report = time.monotonic()
        news = [progress for batch in self._batches.values() if (progress := _read(batch.news))]
        rate = self._rate.note(self.images + sum(progress["images"] for progress in news))
        self.watch(progress_of(self.planned_runs, self.done, self.failed, news, rate))

    def run(self) -> StudyProgress:
        """Work until every run has ended or failed.

        Raises:
            StoreError: the store cannot be written.
            KeyboardInterrupt: asked to stop; what was found is kept.
        """
        for old in self.study.batches.glob("*.json"):
            old.unlink(missing_ok=True)
        try:
            while self._ready or self._later or self._batches:
                batches = self._next()
                self._batches |= {batch.number: batch for batch in batches}
                self.engine.start(batches)
                if not self._batches:
                    time.sleep(BUSY_WAIT / 10)  # all that is left is being written elsewhere
                    continue
                reports = self.engine.ended(POLL, self.tell)
                append_rows(self.study.runs, [row for report in reports for row in report.rows])
                for report in reports:
                    self._take(report)
                self.tell()
        finally:
            self.engine.stop()
            self.study.save_failed(self.failed)
        self.tell(now=True)
        return progress_of(self.planned_runs, self.done, self.failed)


def _read(path: Path) -> dict[str, int] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
