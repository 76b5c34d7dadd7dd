"""Training of networks, together or in turn, from checkpoints; its speed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from invariscope import seeds
from invariscope.categories.data import CategoryImages
from invariscope.categories.draws import apply_input_layer, draw_epoch
from invariscope.categories.folder import NetworkFolder
from invariscope.categories.plan import PlannedNetwork, steps_of
from invariscope.categories.stacked_trainer import StackedTrainer
from invariscope.devices import place
from invariscope.errors import InputError
from invariscope.store.context import numeric_context
from invariscope.zoo.classifiers import make_classifier

TOGETHER = {"cpu": 1, "cuda": 16, "mps": 1}
NOTED = 1.0  # seconds between two words to a watcher
TIMED_STEPS = 4  # that are timed for a rate, after one that is not


@dataclass(frozen=True)
class TrainingProgress:
    """How far training is.

    Attributes:
        networks: that advance together now.
        epoch, epochs: of theirs.
        images: shown so far in this call.
        accuracy: on the images of the last epoch as they were shown, mean over networks.
        loss: likewise.
    """

    networks: int
    epoch: int
    epochs: int
    images: int
    accuracy: float
    loss: float


Watch = Callable[[TrainingProgress], None]


@dataclass
class _NetworkInTraining:
    """One network on its way."""

    folder: NetworkFolder
    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] | None = None

    @property
    def planned(self) -> PlannedNetwork:
        return self.folder.planned

    @property
    def left(self) -> bool:
        return self.epoch < self.planned.recipe.epochs


@dataclass(frozen=True)
class ProcessRanks:
    """This process's part of every batch, where several processes train a network.

    Attributes:
        rank: of this process.
        world: how many there are.
        wrap: makes one network of theirs, such as `DistributedDataParallel`.
        mean: of a tensor over all processes.
    """

    rank: int = 0
    world: int = 1
    wrap: Callable[[nn.Module], nn.Module] = field(default=lambda network: network)
    mean: Callable[[Tensor], Tensor] = field(default=lambda values: values)


@dataclass
class Training:
    """Trains networks of one batch key, and reports progress.

    Attributes:
        data: the images, on the device where they are held.
        device: where the networks are.
        together: how many advance in stacked form; by default one on a CPU, where stacking is
            slower, and `TOGETHER` on others.
        compiled: whether the step is compiled.
        watch: told about once a second.
        ranks: of a network that several processes train.
    """

    data: CategoryImages
    device: torch.device
    together: int | None = None
    compiled: bool = False
    watch: Watch = lambda news: None
    ranks: ProcessRanks = field(default_factory=ProcessRanks)
    images: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    _last_report: float = 0.0

    def train(self, folders: Sequence[NetworkFolder]) -> None:
        """Train the networks that are not trained yet; `failed` has a sentence for each failure.

        Raises:
            InputError: a batch that is larger than the training set, or networks of several batch
                keys.
            StoreError: a checkpoint of another plan, or a folder that cannot be written.
        """
        left = [folder for folder in folders if not folder.done]
        if len({folder.planned.batch_key for folder in left}) > 1:
            raise InputError("networks of different batch keys cannot advance together")
        number = self.together or TOGETHER[self.device.type]
        for start in range(0, len(left), number):
            self._advance([self._begin(folder) for folder in left[start : start + number]])

    def _begin(self, folder: NetworkFolder) -> _NetworkInTraining:
        if self.ranks.rank == 0:
            folder.begin()
        state = folder.state()
        if state is None:
            return _NetworkInTraining(folder)
        return _NetworkInTraining(folder, state["epoch"], state["history"], state)

    def _advance(self, trainees: list[_NetworkInTraining]) -> None:
        """Train all networks to their end; networks that are behind catch up first."""
        trainer: StackedTrainer | None = None
        in_trainer: list[_NetworkInTraining] = []
        while going := [t for t in trainees if t.left]:
            first = min(t.epoch for t in going)
            own = [t for t in going if t.epoch == first]
            if trainer is None or own != in_trainer:
                trainer, in_trainer = self._trainer(own), own
            self._epoch(trainer, own)
            trainees = [t for t in trainees if t.planned.name not in self.failed]
        for trainee in trainees:
            self._end(trainee)

    def _end(self, trainee: _NetworkInTraining) -> None:
        if trainee.folder.done or self.ranks.rank:
            return
        context = numeric_context(self.device, trainee.planned.recipe.batch, compiled=self.compiled)
        state = trainee.state or {}
        trainee.folder.end(state["network"], trainee.history, context)

    def _trainer(self, trainees: Sequence[_NetworkInTraining]) -> StackedTrainer:
        planned = [t.planned for t in trainees]
        networks = [
            self.ranks.wrap(
                place(
                    make_classifier(w.network, len(w.classes), w.side, w.options, w.seed),
                    self.device,
                )
            )
            for w in planned
        ]
        trainer = StackedTrainer(networks, planned[0].recipe, self.device, compiled=self.compiled)
        for number, trainee in enumerate(trainees):
            if trainee.state is not None:
                trainer.load(number, trainee.state)
        return trainer

    def _epoch(self, trainer: StackedTrainer, trainees: list[_NetworkInTraining]) -> None:
        began, planned = time.monotonic(), [t.planned for t in trainees]
        epoch, recipe = trainees[0].epoch, planned[0].recipe
        draws = [draw_epoch(w, self.data.train.labels, epoch) for w in planned]
        steps = steps_of(recipe, len(self.data.train.labels), len(planned[0].classes))
        ranks = self.ranks
        if ranks.world > 1:
            draws = [d.of_rank(ranks.rank, ranks.world, recipe.batch) for d in draws]
        size = recipe.batch // ranks.world
        streams = [self.data.train.parts(d.order, size) for d in draws]
        loss = torch.zeros(len(planned), device=self.device)
        right = torch.zeros(len(planned), device=self.device)
        shown = 0
        with seeds.torch_global(
            "categories", "dropout", planned[0].seed, epoch, device=self.device
        ):
            for step, parts in enumerate(zip(*streams, strict=True)):
                images = apply_input_layer(planned, draws, parts)
                labels = torch.stack([part.labels for part in parts])
                share = recipe.share(epoch * steps + step, recipe.epochs * steps)
                losses, readout = trainer.step(images, labels, share)
                loss += losses
                right += (readout.argmax(2) == labels).sum(1)
                shown += labels.shape[1]
                self.images += labels.numel()
                self._tell(trainees, epoch, loss / (step + 1), right / shown)
        loss, right = ranks.mean(loss), ranks.mean(right)
        timing = {"seconds": time.monotonic() - began, "together": len(planned)}
        for number, trainee in enumerate(trainees):
            row = {"epoch": epoch + 1, "loss": float(loss[number]) / steps}
            row |= {"accuracy": float(right[number]) / shown, **timing}
            self._save(trainer, number, trainee, row)

    def _save(
        self, trainer: StackedTrainer, number: int, trainee: _NetworkInTraining, row: dict[str, Any]
    ) -> None:
        name = trainee.planned.name
        if not row["loss"] < float("inf"):
            self.failed[name] = (
                f"the loss was not a finite number in epoch {row['epoch']}; take a smaller rate "
                f"(it is {trainee.planned.recipe.rate:g}); the checkpoint before it is kept"
            )
            return
        trainee.epoch = row["epoch"]
        trainee.history = [*trainee.history, row]
        trainee.state = trainer.state(number)
        if self.ranks.rank == 0:
            trainee.folder.save(trainee.state, trainee.epoch, trainee.history)

    def _tell(
        self, trainees: list[_NetworkInTraining], epoch: int, loss: Tensor, accuracy: Tensor
    ) -> None:
        now = time.monotonic()
        if now - self._last_report < NOTED:
            return
        self._last_report = now
        epochs = trainees[0].planned.recipe.epochs
        mean = float(accuracy.mean()), float(loss.mean())
        self.watch(TrainingProgress(len(trainees), epoch + 1, epochs, self.images, *mean))


def folders_of(store: Path, planned: Sequence[PlannedNetwork]) -> list[NetworkFolder]:
    """Give each network's folder in a store."""
    return [NetworkFolder(store / "networks" / own.folder, own) for own in planned]


def measure_rate(
    planned: Sequence[PlannedNetwork],
    data: CategoryImages,
    device: torch.device,
    together: int | None = None,
) -> float:
    """Measure the training images a second of a process, from a few steps; nothing is kept.

    Args:
        planned: at least one network; those that are timed have a transformation if any has.
        together: see `Training`.
    """
    number = together or TOGETHER[device.type]
    ordered = sorted(planned, key=lambda own: own.count, reverse=True)
    own = [w for w in ordered if w.batch_key == ordered[0].batch_key][:number]
    networks = [make_classifier(w.network, len(w.classes), w.side, w.options, w.seed) for w in own]
    recipe = own[0].recipe
    trainer = StackedTrainer(networks, recipe, device)
    draws = [draw_epoch(w, data.train.labels, 0) for w in own]
    streams = [data.train.parts(d.order, recipe.batch) for d in draws]
    images, began = 0, 0.0
    for step, parts in enumerate(zip(*streams, strict=False)):
        labels = torch.stack([part.labels for part in parts]).to(device)
        losses, _ = trainer.step(apply_input_layer(own, draws, parts).to(device), labels, 0.0)
        losses.sum().item()  # waits for the device
        if step == 0:
            began = time.perf_counter()
        else:
            images += labels.numel()
        if step == TIMED_STEPS:
            break
    return images / (time.perf_counter() - began) if images else float("nan")
