"""A lockstep batch of runs: what an engine hands to a worker, and what comes back."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch

from invariscope.errors import BeingWrittenError, InputError
from invariscope.experiments.execute import ProgressEvent, check_ended, execute
from invariscope.experiments.mei import check_excited, mei_reference
from invariscope.experiments.plan import Planned, plan
from invariscope.experiments.reference import Reference, photo_reference
from invariscope.generators import Generator
from invariscope.jobs.job import FAILURES, JobReport, sentence_of
from invariscope.store.record import load_run
from invariscope.study.loading import load_generator_cached, load_subject_cached
from invariscope.study.planned_run import PlannedRun
from invariscope.study.row import row_of
from invariscope.subjects import Subject

NEWS_EVERY = 1.0


@dataclass(frozen=True)
class RunBatch:
    """Runs that advance together in one process.

    Attributes:
        number: which batch of the study's engine this is.
        planned_run: the runs; their `batch_key` is one.
        runs: the folder of run folders.
        news: the file in which the worker tells how far it is.
        device: where they run.
        threads: torch's threads on the CPU; None leaves them alone.
        compiled: whether networks are compiled.
    """

    number: int
    planned_runs: tuple[PlannedRun, ...]
    runs: Path
    news: Path
    device: str = "auto"
    threads: int | None = None
    compiled: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(run.name for run in self.planned_runs)

    def at(self, device: str, threads: int | None) -> Self:
        return replace(self, device=device, threads=threads)

    def work(self, watch: Callable[[], None] | None = None) -> JobReport:
        """Advance the runs to their end, in this process.

        A run that is there with a result is not done again; one that was interrupted goes on from
        its checkpoint, whoever wrote that.
        """
        began = time.monotonic()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        worker = _BatchWorker(self, watch)
        worker.work()
        worker.report.seconds = time.monotonic() - began
        with suppress(OSError):
            self.news.unlink(missing_ok=True)
        return worker.report


def _reference(
    planned_run: PlannedRun, subject: Subject, generator: Generator, runs: Path
) -> Reference:
    if planned_run.photo is not None:
        return photo_reference(Path(planned_run.photo), subject)
    if planned_run.needs is None:
        raise ValueError(f"run {planned_run.folder!r} has neither an MEI nor a photo")
    record = load_run(runs / planned_run.needs[1])
    check_excited(record)
    return mei_reference(record, generator)


def prepare(planned_run: PlannedRun, subject: Subject, generator: Generator, runs: Path) -> Planned:
    """The run that is wanted, ready to start.

    Raises:
        InputError: subject, generator or photo are not those that the study was planned with.
        StoreError: its reference's run is not there.
    """
    excited = planned_run.task == "excitation"
    (planned,) = plan(
        subject,
        generator,
        planned_run.unit,
        task=planned_run.task,
        reference=None if excited else _reference(planned_run, subject, generator, runs),
        site=planned_run.site,
        subset=planned_run.subset,
        direction=planned_run.direction,
        run_seeds=(planned_run.seed,),
        options=planned_run.search_options,
    )
    if planned.settings.name != planned_run.name:
        raise InputError(
            f"run {planned_run.folder!r} would be another one now: the subject, generator or photo "
            "changed since the study was planned; plan it again with `study run`"
        )
    return planned


def check_done(done: Iterable[PlannedRun], runs: Path) -> None:
    """Make sure that the networks of a study still answer as in its runs that have ended.

    One run of each subject, generator, stretch site and unit's site stands for the others.

    Raises:
        InputError: a network or photo is another one than the study was planned with.
        StoreError: a network or generator answers otherwise.
    """
    first: dict[tuple[str | None, ...], PlannedRun] = {}
    for run in done:
        site = run.unit.partition(":")[0]
        first.setdefault((run.subject, run.generator, run.site, site), run)
    for run in first.values():
        subject, generator = (
            load_subject_cached(run.subject, "cpu"),
            load_generator_cached(run.generator, "cpu"),
        )
        planned = prepare(run, subject, generator, runs)
        check_ended([planned], subject, generator, run.search_options, runs)


class _BatchWorker:
    """Works on one batch, and tells how far it is."""

    def __init__(self, batch: RunBatch, watch: Callable[[], None] | None) -> None:
        self.batch, self.report = batch, JobReport(batch.number)
        self._watch, self._last_report, self._before = watch, 0.0, 0

    def on_news(self, news: ProgressEvent) -> None:
        self.report.images = self._before + news.images
        now = time.monotonic()
        if now - self._last_report < NEWS_EVERY:
            return
        self._last_report = now
        progress = {
            "images": self.report.images,
            "runs": len(news.results),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "time": time.time(),
        }
        with suppress(OSError):  # news are for the table only
            part = self.batch.news.with_suffix(".part")
            part.write_text(json.dumps(progress))
            part.replace(self.batch.news)
        if self._watch:
            self._watch()

    def attempt(self, planned: Sequence[Planned], subject: Subject, generator: Generator) -> None:
        """Advance runs together; where one of them fails, in halves, down to that one."""
        try:
            self._before = self.report.images
            options = self.batch.planned_runs[0].search_options
            records = execute(
                planned, subject, generator, self.batch.runs, options=options, watch=self.on_news
            )
            self.report.rows += [row_of(record) for record in records]
        except FAILURES as error:
            if len(planned) > 1:
                middle = len(planned) // 2
                self.attempt(planned[:middle], subject, generator)
                self.attempt(planned[middle:], subject, generator)
            elif isinstance(error, BeingWrittenError):
                self.report.busy.append(planned[0].settings.name)
            else:
                self.report.failed[planned[0].settings.name] = sentence_of(error)

    def work(self) -> None:
        first = self.batch.planned_runs[0]
        try:
            subject = load_subject_cached(
                first.subject, self.batch.device, compiled=self.batch.compiled
            )
            generator = load_generator_cached(first.generator, self.batch.device)
        except FAILURES as error:
            self.report.failed = dict.fromkeys(
                (w.name for w in self.batch.planned_runs), sentence_of(error)
            )
            return
        planned = []
        for planned_runs in self.batch.planned_runs:
            try:
                planned.append(prepare(planned_runs, subject, generator, self.batch.runs))
            except FAILURES as error:
                self.report.failed[planned_runs.name] = sentence_of(error)
        if planned:
            self.attempt(planned, subject, generator)
