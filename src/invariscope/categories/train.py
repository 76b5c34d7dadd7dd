"""Training: networks of one crew advance together, or one after the other; each can go on."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from invariscope import seeds
from invariscope.categories.crew import Crew
from invariscope.categories.data import Data
from invariscope.categories.draws import draw_epoch, present
from invariscope.categories.folder import NetworkFolder
from invariscope.categories.plan import Wanted
from invariscope.devices import place
from invariscope.errors import InputError
from invariscope.store.context import numeric_context
from invariscope.zoo.classifiers import make_classifier

TOGETHER = {"cpu": 1, "cuda": 16, "mps": 1}
NOTED = 1.0  # seconds between two words to a watcher


@dataclass(frozen=True)
class TrainingNews:
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


Watch = Callable[[TrainingNews], None]


@dataclass
class _Trainee:
    """One network on its way."""

    folder: NetworkFolder
    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] | None = None

    @property
    def wanted(self) -> Wanted:
        return self.folder.wanted

    @property
    def left(self) -> bool:
        return self.epoch < self.wanted.recipe.epochs


@dataclass(frozen=True)
class Ranks:
    """Which part of every batch this process takes, of one network that several train.

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
    """Trains networks of one crew, and tells how far it is.

    Attributes:
        data: the images, on the device where they are held.
        device: where the networks are.
        together: how many advance in stacked form; by default one on a CPU, where stacking is
            slower, and `TOGETHER` on others.
        compiled: whether the step is compiled.
        watch: told about once a second.
        ranks: of a network that several processes train.
    """

    data: Data
    device: torch.device
    together: int | None = None
    compiled: bool = False
    watch: Watch = lambda news: None
    ranks: Ranks = field(default_factory=Ranks)
    images: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    _told: float = 0.0

    def train(self, folders: Sequence[NetworkFolder]) -> None:
        """Train what is not trained yet; `failed` names those that could not be, with a sentence.

        Raises:
            InputError: a batch that is larger than the training set, or networks of several crews.
            StoreError: a checkpoint of another plan, or a folder that cannot be written.
        """
        left = [folder for folder in folders if not folder.done]
        if len({folder.wanted.crew for folder in left}) > 1:
            raise InputError("networks of different crews cannot advance together")
        number = self.together or TOGETHER[self.device.type]
        for start in range(0, len(left), number):
            self._advance([self._begin(folder) for folder in left[start : start + number]])

    def _begin(self, folder: NetworkFolder) -> _Trainee:
        if self.ranks.rank == 0:
            folder.begin()
        state = folder.state()
        if state is None:
            return _Trainee(folder)
        return _Trainee(folder, state["epoch"], state["history"], state)

    def _advance(self, trainees: list[_Trainee]) -> None:
        """Bring all to their end; those that are behind catch up first, by themselves."""
        crew: Crew | None = None
        of_crew: list[_Trainee] = []
        while going := [t for t in trainees if t.left]:
            first = min(t.epoch for t in going)
            own = [t for t in going if t.epoch == first]
            if crew is None or own != of_crew:
                crew, of_crew = self._crew(own), own
            self._epoch(crew, own)
            trainees = [t for t in trainees if t.wanted.name not in self.failed]
        for trainee in trainees:
            self._end(trainee)

    def _end(self, trainee: _Trainee) -> None:
        if trainee.folder.done or self.ranks.rank:
            return
        context = numeric_context(self.device, trainee.wanted.recipe.batch, compiled=self.compiled)
        state = trainee.state or {}
        trainee.folder.end(state["network"], trainee.history, context)

    def _crew(self, trainees: Sequence[_Trainee]) -> Crew:
        wanted = [t.wanted for t in trainees]
        networks = [
            self.ranks.wrap(
                place(
                    make_classifier(w.network, len(w.classes), w.side, w.options, w.seed),
                    self.device,
                )
            )
            for w in wanted
        ]
        crew = Crew(networks, wanted[0].recipe, self.device, compiled=self.compiled)
        for number, trainee in enumerate(trainees):
            if trainee.state is not None:
                crew.load(number, trainee.state)
        return crew

    def _epoch(self, crew: Crew, trainees: list[_Trainee]) -> None:
        began, wanted = time.monotonic(), [t.wanted for t in trainees]
        epoch, recipe = trainees[0].epoch, wanted[0].recipe
        draws = [draw_epoch(w, self.data.train.labels, epoch) for w in wanted]
        steps = len(draws[0].order) // recipe.batch
        if steps == 0:
            raise InputError(
                f"the batch is {recipe.batch} and there are {len(self.data.train.labels)} training "
                "images; take a smaller batch"
            )
        ranks = self.ranks
        if ranks.world > 1:
            draws = [d.of_rank(ranks.rank, ranks.world, recipe.batch) for d in draws]
        size = recipe.batch // ranks.world
        streams = [self.data.train.parts(d.order, size) for d in draws]
        loss = torch.zeros(len(wanted), device=self.device)
        right = torch.zeros(len(wanted), device=self.device)
        shown = 0
        with seeds.torch_global("categories", "dropout", wanted[0].seed, epoch, device=self.device):
            for step, parts in enumerate(zip(*streams, strict=True)):
                images = present(wanted, draws, parts)
                labels = torch.stack([part.labels for part in parts])
                share = recipe.share(epoch * steps + step, recipe.epochs * steps)
                losses, readout = crew.step(images, labels, share)
                loss += losses
                right += (readout.argmax(2) == labels).sum(1)
                shown += labels.shape[1]
                self.images += labels.numel()
                self._tell(trainees, epoch, loss / (step + 1), right / shown)
        loss, right = ranks.mean(loss), ranks.mean(right)
        told = {"seconds": time.monotonic() - began, "together": len(wanted)}
        for number, trainee in enumerate(trainees):
            row = {"epoch": epoch + 1, "loss": float(loss[number]) / steps}
            row |= {"accuracy": float(right[number]) / shown, **told}
            self._keep(crew, number, trainee, row)

    def _keep(self, crew: Crew, number: int, trainee: _Trainee, row: dict[str, Any]) -> None:
        name = trainee.wanted.name
        if not row["loss"] < float("inf"):
            self.failed[name] = (
                f"the loss was not a finite number in epoch {row['epoch']}; take a smaller rate "
                f"(it is {trainee.wanted.recipe.rate:g}); the checkpoint before it is kept"
            )
            return
        trainee.epoch = row["epoch"]
        trainee.history = [*trainee.history, row]
        trainee.state = crew.state(number)
        if self.ranks.rank == 0:
            trainee.folder.keep(trainee.state, trainee.epoch, trainee.history)

    def _tell(self, trainees: list[_Trainee], epoch: int, loss: Tensor, accuracy: Tensor) -> None:
        now = time.monotonic()
        if now - self._told < NOTED:
            return
        self._told = now
        epochs = trainees[0].wanted.recipe.epochs
        mean = float(accuracy.mean()), float(loss.mean())
        self.watch(TrainingNews(len(trainees), epoch + 1, epochs, self.images, *mean))


def folders_of(store: Path, wanted: Sequence[Wanted]) -> list[NetworkFolder]:
    """Where a store keeps each network."""
    return [NetworkFolder(store / "networks" / own.folder, own) for own in wanted]
