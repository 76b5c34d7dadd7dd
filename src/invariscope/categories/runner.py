"""Work a study of networks through: trained, then measured, nothing twice."""

from collections.abc import Callable, Sequence
from typing import Any, final

from invariscope.categories.evaluate import ABLATION, ANSWERS, INVARIANCE, TAU
from invariscope.categories.job import SEARCH, TRAIN, NetworkJob
from invariscope.categories.plan import PlannedNetwork
from invariscope.categories.study import NetworkStudy
from invariscope.categories.train import TOGETHER
from invariscope.invariance.result import SETTINGS
from invariscope.jobs.engines.base import Engine
from invariscope.jobs.job import Job, JobReport
from invariscope.jobs.scheduler import Scheduler
from invariscope.store.files import make_folder

AT_ONCE = 4  # networks of a job, where they come one after the other anyway


@final
class NetworkRunner:
    """Hands the networks of a study to an engine; failures go to the study's `failed`.

    Args:
        study: the study to work through.
        engine: where; the caller starts and stops it.
        together: networks that advance together in a job; by default what suits its device.
        stacks: whether its devices are such that networks advance in stacked form.
        compiled: whether training steps are compiled.
        watch: called about once a second with how many networks are done, how many there are to
            do, and what workers told last.
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
        self.study, self.engine, self._watch = study, engine, watch
        self._together, self._stacks, self._compiled = together, stacks, compiled
        self._jobs = make_folder(study.path / "jobs")

    def _left(self, task: str) -> list[PlannedNetwork]:
        """List the networks that lack a result of the task."""
        if task == TRAIN:
            return [own for own in self.study.trainable if not self.study.folder(own).done]
        every = len(self.study.planned[0].classes)
        missing = []
        for own in self.study.trained:
            folder = self.study.folder(own).path
            files = [ANSWERS] if task == SEARCH else [f"{INVARIANCE}/{SETTINGS}"]
            if own.count == every:
                files.append(TAU if task == SEARCH else ABLATION)
            if any(not (folder / name).exists() for name in files):
                missing.append(own)
        return missing

    def _per_job(self, task: str) -> int:
        """Size the jobs: a single network where an engine takes any number of jobs."""
        if task == TRAIN and self._together:
            return self._together
        if self.engine.slots is None:
            return 1
        return TOGETHER["cuda"] if task == TRAIN and self._stacks else AT_ONCE

    def run(self, task: str, tau: float = 0.1) -> None:
        """Do one task for every network that lacks its result.

        Args:
            task: `train`, `tau` or `measure`.
            tau: for `measure`; an image activates a unit above this share of its maximum.

        Raises:
            StoreError: the study's folder cannot be written.
        """
        left, asked = self._left(task), self.study.asked

        def make_job(number: int, networks: Sequence[PlannedNetwork]) -> NetworkJob:
            return NetworkJob(
                number=number,
                news=self._jobs / f"{number}.json",
                task=task,
                planned=tuple(networks),
                rule=asked.rule,
                base=asked.base,
                store=self.study.path,
                transformations=asked.paradigm.transformations,
                tested=asked.tested,
                tau=tau,
                together=self._together,
                compiled=self._compiled,
            )

        def tell() -> None:
            self._watch(len(left) - len(self._left(task)), len(left), scheduler.news())

        scheduler: Scheduler[PlannedNetwork] = Scheduler(
            self.engine, make_job, self._keep, per_job=self._per_job(task), watch=tell
        )
        for own in left:
            scheduler.add(own)
        scheduler.run()

    def _keep(self, ended: Sequence[tuple[Job, JobReport]]) -> None:
        for job, report in ended:
            for name in job.names:
                self.study.failed.pop(name, None)
            self.study.failed |= report.failed
            self.study.save_failed()
