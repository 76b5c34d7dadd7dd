"""Work a study through: MEIs before the runs that depart from an MEI, nothing twice."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import final

from invariscope.jobs.engines.base import Engine
from invariscope.jobs.job import Job, JobReport
from invariscope.jobs.scheduler import Scheduler
from invariscope.study.batch import RunBatch
from invariscope.study.folder import StudyFolder
from invariscope.study.index import append_rows, catch_up, read_rows
from invariscope.study.planned_run import PlannedRun
from invariscope.study.progress import StudyProgress, progress_of

RUNS_PER_JOB = 8
RATE_OVER = 60.0  # seconds over which images a second are counted

Watch = Callable[[StudyProgress], None]


def ended_runs(study: StudyFolder, planned_runs: Iterable[PlannedRun]) -> set[str]:
    """Name the planned runs that have ended and are there, and bring the index up to date.

    Raises:
        StoreError: the index is damaged or cannot be written.
    """
    rows, folders = read_rows(study.runs), {run.name: run.folder for run in planned_runs}
    known = (row["run"] for row in rows.values())
    added = catch_up(study.runs, sorted(set(folders.values())), known)
    ended = {*rows, *(row["name"] for row in added)} & folders.keys()
    # A run whose folder was moved away is done again.
    return {name for name in ended if (study.runs / folders[name] / "outcome.json").exists()}


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


@final
class StudyRunner:
    """Hands the runs of a study to an engine and keeps their rows.

    Args:
        study: the study to work through.
        engine: where; the caller starts and stops it.
        runs_per_job: the most runs that advance together in a job.
        compiled: whether networks are compiled: slow to start, then faster.
        watch: called with the study's progress about once a second.

    Attributes:
        planned_runs: every run that the study wants.
        images: shown by the jobs that have ended.
    """

    def __init__(
        self,
        study: StudyFolder,
        engine: Engine,
        *,
        runs_per_job: int = RUNS_PER_JOB,
        compiled: bool = False,
        watch: Watch | None = None,
    ) -> None:
        self.study, self.images = study, 0
        self.planned_runs = study.planned_runs()
        self._compiled, self._progress_watch, self._rate = compiled, watch, _Rate()
        done = ended_runs(study, self.planned_runs)
        self._scheduler = Scheduler(
            engine,
            self._job,
            self._keep,
            per_job=runs_per_job,
            watch=self._tell,
            done=done,
            failed={name: why for name, why in study.failed().items() if name not in done},
        )
        for run in self.planned_runs:
            self._scheduler.add(run, run.needs[0] if run.needs else None)

    @property
    def done(self) -> set[str]:
        """Names of the runs that have ended."""
        return self._scheduler.done

    def _job(self, number: int, runs: Sequence[PlannedRun]) -> RunBatch:
        return RunBatch(
            number=number,
            news=self.study.batches / f"{number}.json",
            planned_runs=tuple(runs),
            runs=self.study.runs,
            compiled=self._compiled,
        )

    def _keep(self, ended: Sequence[tuple[Job, JobReport]]) -> None:
        append_rows(self.study.runs, [row for _, report in ended for row in report.rows])
        folders = {run.name: run.folder for run in self.planned_runs}
        for _, report in ended:
            self.images += report.images
            # A worker that was lost may have ended some of its runs.
            for row in catch_up(self.study.runs, [folders[name] for name in report.failed], ()):
                report.failed.pop(row["name"], None)
            if report.failed:
                self.study.save_failed(self._scheduler.failed | report.failed)

    def _tell(self) -> None:
        if self._progress_watch is not None:
            news = self._scheduler.news()
            rate = self._rate.note(self.images + sum(progress["images"] for progress in news))
            failed = self._scheduler.failed
            self._progress_watch(progress_of(self.planned_runs, self.done, failed, news, rate))

    def run(self) -> StudyProgress:
        """Work until every run has ended or failed.

        Raises:
            StoreError: the store cannot be written.
            KeyboardInterrupt: asked to stop; what was found is kept.
        """
        for old in self.study.batches.glob("*.json"):
            old.unlink(missing_ok=True)
        try:
            self._scheduler.run()
        finally:
            self.study.save_failed(self._scheduler.failed)
        return progress_of(self.planned_runs, self.done, self._scheduler.failed)
