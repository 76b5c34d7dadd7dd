"""Lockstep batches of runs, the jobs of a study."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from invariscope.errors import BeingWrittenError, InputError
from invariscope.experiments.execute import ProgressEvent, check_ended, execute
from invariscope.experiments.mei import check_excited, mei_reference
from invariscope.experiments.plan import Planned, plan
from invariscope.experiments.reference import Reference, photo_reference
from invariscope.generators import Generator
from invariscope.jobs.job import FAILURES, Job, JobNews, JobReport, sentence_of
from invariscope.store.record import load_run
from invariscope.study.loading import load_generator_cached, load_subject_cached
from invariscope.study.planned_run import PlannedRun
from invariscope.study.row import row_of
from invariscope.subjects import Subject


@dataclass(frozen=True, kw_only=True)
class RunBatch(Job):
    """Runs that advance together in one process.

    Attributes:
        planned_runs: the runs; their `batch_key` is one.
        runs: the folder of run folders.
        compiled: whether networks are compiled.
    """

    planned_runs: tuple[PlannedRun, ...]
    runs: Path
    compiled: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(run.name for run in self.planned_runs)

    def _work(self, report: JobReport, news: JobNews) -> None:
        """Advance the runs to their end.

        A run that is there with a result is not done again; one that was interrupted goes on from
        its checkpoint, whoever wrote that.
        """
        first = self.planned_runs[0]
        subject = load_subject_cached(first.subject, self.device, compiled=self.compiled)
        generator = load_generator_cached(first.generator, self.device)
        planned = []
        for run in self.planned_runs:
            try:
                planned.append(prepare(run, subject, generator, self.runs))
            except FAILURES as error:
                report.failed[run.name] = sentence_of(error)
        if planned:
            self._advance(planned, subject, generator, report, news)

    def _advance(
        self,
        planned: Sequence[Planned],
        subject: Subject,
        generator: Generator,
        report: JobReport,
        news: JobNews,
    ) -> None:
        """Advance runs together; where a run fails, in halves, down to the failing run."""
        before, options = report.images, self.planned_runs[0].search_options

        def tell(event: ProgressEvent) -> None:
            report.images = before + event.images
            news.tell(images=report.images, runs=len(event.results))

        try:
            records = execute(planned, subject, generator, self.runs, options=options, watch=tell)
            report.rows += [row_of(record) for record in records]
        except FAILURES as error:
            name, middle = planned[0].settings.name, len(planned) // 2
            if middle:
                self._advance(planned[:middle], subject, generator, report, news)
                self._advance(planned[middle:], subject, generator, report, news)
            elif isinstance(error, BeingWrittenError):
                report.busy.append(name)
            else:
                report.failed[name] = sentence_of(error)


def _reference(
    planned_run: PlannedRun, subject: Subject, generator: Generator, runs: Path
) -> Reference:
    if planned_run.photo is not None:
        return photo_reference(Path(planned_run.photo), subject, generator)
    if planned_run.needs is None:
        raise ValueError(f"run {planned_run.folder!r} has neither an MEI nor a photo")
    record = load_run(runs / planned_run.needs[1])
    check_excited(record)
    return mei_reference(record, generator)


def prepare(planned_run: PlannedRun, subject: Subject, generator: Generator, runs: Path) -> Planned:
    """Make a planned run ready to start.

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
            f"run {planned_run.folder!r} would be another one now: the subject, generator, "
            "photo or what teaches it changed since the study was planned; plan it again with "
            "`study run`"
        )
    if planned_run.role is None:
        return planned
    return replace(planned, labels={**planned.labels, "role": planned_run.role})


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
