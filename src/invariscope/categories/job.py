"""Networks that one process trains or measures: what an engine hands to a worker."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import torch

from invariscope.categories.data import CategoryImages, DataRule, load_data
from invariscope.categories.evaluate import NetworkEvaluation
from invariscope.categories.plan import PlannedNetwork
from invariscope.categories.train import TOGETHER, Training, TrainingProgress, folders_of
from invariscope.devices import pick_device
from invariscope.jobs.job import FAILURES, JobReport, sentence_of
from invariscope.transformations import Transformation

TRAIN, SEARCH, MEASURE = "train", "tau", "measure"


@lru_cache(maxsize=2)
def data_of(rule: DataRule, base: Path, device: str) -> CategoryImages:
    """The images of a study; a process reads them once."""
    return load_data(rule, base, device)


@dataclass(frozen=True)
class NetworkJob:
    """Networks of one crew that one process trains or measures.

    Attributes:
        task: `train`, `tau` (search it) or `measure`.
        planned: the networks.
        rule, base: where the images come from.
        store: the folder that holds the networks.
        news: the file in which the worker tells how far it is.
        transformations, tested: see `NetworkEvaluation`.
        tau: for `measure`.
        together, compiled: see `Training`.
    """

    number: int
    task: str
    planned: tuple[PlannedNetwork, ...]
    rule: DataRule
    base: Path
    store: Path
    news: Path
    transformations: tuple[Transformation, ...] = ()
    tested: tuple[Transformation, ...] = ()
    tau: float = 0.1
    together: int | None = None
    compiled: bool = False
    device: str = "auto"
    threads: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(own.name for own in self.planned)

    def at(self, device: str, threads: int | None) -> Self:
        return replace(self, device=device, threads=threads)

    def work(self, watch: Callable[[], None] | None = None) -> JobReport:
        """Train or measure what is not done yet; one network's failure does not stop others."""
        report, began = JobReport(self.number), time.monotonic()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        device = pick_device(self.device)
        try:
            data = data_of(self.rule, self.base, str(device))
        except FAILURES as error:
            report.failed = dict.fromkeys(self.names, sentence_of(error))
            return report
        if self.task == TRAIN:
            self._train(data, device, report, watch)
        else:
            self._evaluate(data, device, report, watch)
        report.seconds = time.monotonic() - began
        with suppress(OSError):
            self.news.unlink(missing_ok=True)
        return report

    def _train(
        self,
        data: CategoryImages,
        device: torch.device,
        report: JobReport,
        watch: Callable[[], None] | None,
    ) -> None:
        def tell(news: TrainingProgress) -> None:
            self._tell({**asdict(news)}, watch)

        training = Training(
            data, device, together=self.together, compiled=self.compiled, watch=tell
        )
        folders = folders_of(self.store, self.planned)
        number = self.together or TOGETHER[device.type]
        for start in range(0, len(folders), number):
            some = folders[start : start + number]
            try:
                training.train(some)
            except FAILURES as error:
                for folder in some:
                    report.failed[folder.planned.name] = sentence_of(error)
        report.failed |= training.failed
        report.images = training.images

    def _evaluate(
        self,
        data: CategoryImages,
        device: torch.device,
        report: JobReport,
        watch: Callable[[], None] | None,
    ) -> None:
        evaluation = NetworkEvaluation(data, device, self.transformations, self.tested)
        for done, folder in enumerate(folders_of(self.store, self.planned)):
            self._tell({"networks": len(self.planned), "done": done}, watch)
            try:
                if self.task == SEARCH:
                    evaluation.answer(folder)
                    evaluation.search_tau(folder)
                else:
                    evaluation.measure(folder, self.tau)
            except FAILURES as error:
                report.failed[folder.planned.name] = sentence_of(error)

    def _tell(self, progress: dict[str, Any], watch: Callable[[], None] | None) -> None:
        about = {**progress, "task": self.task, "pid": os.getpid(), "time": time.time()}
        with suppress(OSError):  # news are for the table only
            part = self.news.with_suffix(".part")
            part.write_text(json.dumps(about))
            part.replace(self.news)
        if watch:
            watch()
