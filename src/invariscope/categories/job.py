"""Networks that one process trains or measures, the jobs of a study of networks."""

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import torch

from invariscope.categories.data import CategoryImages, DataRule, load_data
from invariscope.categories.evaluate import NetworkEvaluation
from invariscope.categories.plan import PlannedNetwork
from invariscope.categories.train import TOGETHER, Training, TrainingProgress, folders_of
from invariscope.devices import pick_device
from invariscope.jobs.job import FAILURES, Job, JobNews, JobReport, sentence_of
from invariscope.transformations import Transformation

TRAIN, SEARCH, MEASURE = "train", "tau", "measure"


@lru_cache(maxsize=2)
def data_of(rule: DataRule, base: Path, device: str) -> CategoryImages:
    """Read the images of a study, once in a process."""
    return load_data(rule, base, device)


@dataclass(frozen=True, kw_only=True)
class NetworkJob(Job):
    """Networks of one batch key that one process trains or measures.

    Attributes:
        task: `train`, `tau` (search it) or `measure`.
        planned: the networks.
        rule, base: where the images come from.
        store: the folder that holds the networks.
        transformations, tested: see `NetworkEvaluation`.
        tau: for `measure`.
        together, compiled: see `Training`.
    """

    task: str
    planned: tuple[PlannedNetwork, ...]
    rule: DataRule
    base: Path
    store: Path
    transformations: tuple[Transformation, ...] = ()
    tested: tuple[Transformation, ...] = ()
    tau: float = 0.1
    together: int | None = None
    compiled: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(own.name for own in self.planned)

    def _work(self, report: JobReport, news: JobNews) -> None:
        """Train or measure each network that lacks its result; failures stay alone."""
        device = pick_device(self.device)
        data = data_of(self.rule, self.base, str(device))
        if self.task == TRAIN:
            self._train(data, device, report, news)
        else:
            self._evaluate(data, device, report, news)

    def _train(
        self, data: CategoryImages, device: torch.device, report: JobReport, news: JobNews
    ) -> None:
        def tell(progress: TrainingProgress) -> None:
            news.tell(task=self.task, **asdict(progress))

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
        self, data: CategoryImages, device: torch.device, report: JobReport, news: JobNews
    ) -> None:
        evaluation = NetworkEvaluation(data, device, self.transformations, self.tested)
        for done, folder in enumerate(folders_of(self.store, self.planned)):
            news.tell(task=self.task, networks=len(self.planned), done=done)
            try:
                if self.task == SEARCH:
                    evaluation.answer(folder)
                    evaluation.search_tau(folder)
                else:
                    evaluation.measure(folder, self.tau)
            except FAILURES as error:
                report.failed[folder.planned.name] = sentence_of(error)
