"""Train an embedded classifier on an ImageFolder."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invariscope import seeds
from invariscope.devices import place
from invariscope.training.attack import l2_attack
from invariscope.training.data import Photos, centre_crop, cut_mix, random_crop
from invariscope.training.epochs import EpochTraining, OnEpoch, OnStep, Stateful
from invariscope.zoo.embedded import EmbeddedNetwork

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
SIDE = 96


@dataclass(frozen=True)
class Phase:
    """One stretch of training with a one-cycle rate.

    Attributes:
        epochs: its length.
        rate: the highest learning rate, reached after `warm` of the steps.
        smallest_crop: smallest share of the area that a crop keeps, in the first and the last
            epoch (between them in equal steps): crops of a fixed size in the test show things
            smaller than random ones do (Touvron et al. 2019, arXiv 1906.06423).
        mixed: share of the batches in which a rectangle comes from another photo (CutMix, Yun
            et al. 2019, arXiv 1905.04899).
        attack_steps: gradient steps of the attack on each batch, where the recipe has a radius.
    """

    epochs: int
    rate: float
    weight_decay: float
    warm: float
    smallest_crop: tuple[float, float]
    mixed: float
    attack_steps: int = 0


@dataclass(frozen=True)
class ClassifierRecipe:
    """How a classifier is trained: SGD with Nesterov momentum in phases.

    In the last phase a running average of the weights is kept: that is the result, once its batch
    norms were calibrated.

    Attributes:
        begins: the recipe whose weights training begins with, or "" for random ones.
        radius: L2 radius, pixels in [0, 1], within which every photo of a batch is first moved
            against the network (adversarial training); 0 for none.
    """

    phases: tuple[Phase, ...] = (
        Phase(60, 0.1, 1e-3, 0.2, (0.35, 0.8), 0.0),
        Phase(20, 0.03, 5e-4, 0.05, (0.5, 0.6), 0.7),
    )
    batch: int = 64
    momentum: float = 0.9
    label_smoothing: float = 0.1
    average: float = 0.998
    seed: int = 0
    begins: str = ""
    radius: float = 0.0

    @property
    def epochs(self) -> int:
        """Epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)


def standardise(images: Tensor) -> Tensor:
    """Standardise images in [0, 1] for the embedded networks: less the mean, over the SD."""
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    return ((images - mean) / std).to(memory_format=torch.channels_last)


@torch.inference_mode()
def accuracy(network: nn.Module, photos: Photos, *, batch: int = 256) -> float:
    """Top-1 accuracy on the photos' centre crops, float32, in [0, 1]."""
    network.eval()
    right = 0
    for images, labels in zip(photos.images.split(batch), photos.labels.split(batch), strict=True):
        logits = network(standardise(centre_crop(images, SIDE)))
        right += int((logits.argmax(1) == labels).sum())
    return right / len(photos)


@torch.no_grad()
def calibrate(network: EmbeddedNetwork, train: Photos, *, batch: int = 256) -> EmbeddedNetwork:
    """Calibrate batch norms on photos at the size of the test.

    Random crops enlarge things, so running statistics are not those of whole photos (Touvron et
    al. 2019): mean and variance are taken again, over the centre crops of all training photos in
    a fixed random order. The network is changed and given back in eval mode.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    stream = seeds.torch_stream("calibrate", len(train))
    network.eval()
    for norm in norms:
        norm.train()
    for rows in torch.randperm(len(train), generator=stream).split(batch):
        images = train.images[rows.to(train.images.device)]
        network(standardise(centre_crop(images, SIDE)))
    return network.eval()


class _ClassifierTraining(EpochTraining):
    """A network in training: weights, their average, optimiser and rate of the current phase."""

    stream = "classifier"

    def __init__(
        self, recipe: ClassifierRecipe, train: Photos, val: Photos, start: EmbeddedNetwork
    ) -> None:
        super().__init__(train, recipe)
        self.recipe, self.val = recipe, val
        self.network = place(copy.deepcopy(start), train.images.device)
        self.begin(0)

    def begin(self, phase: int) -> None:
        """Start a phase from the present weights."""
        recipe, own = self.recipe, self.recipe.phases[phase]
        self.phase, self.epoch = phase, 0
        self.average = copy.deepcopy(self.network)
        groups = [
            {
                "params": [p for p in self.network.parameters() if p.ndim > 1],
                "weight_decay": own.weight_decay,
            },
            {"params": [p for p in self.network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.sgd = torch.optim.SGD(groups, lr=own.rate, momentum=recipe.momentum, nesterov=True)
        self.cycle = torch.optim.lr_scheduler.OneCycleLR(
            self.sgd,
            own.rate,
            total_steps=self.steps * own.epochs,
            pct_start=own.warm,
            cycle_momentum=False,
        )

    def parts(self) -> dict[str, Stateful]:
        return {
            "network": self.network,
            "average": self.average,
            "optimiser": self.sgd,
            "cycle": self.cycle,
        }

    @property
    def done(self) -> int:
        return sum(phase.epochs for phase in self.recipe.phases[: self.phase]) + self.epoch

    def figure(self, mean_loss: float) -> float:  # noqa: ARG002
        return accuracy(self.average, self.val)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "phase": self.phase}

    def load(self, state: Mapping[str, Any]) -> None:
        self.begin(state["phase"])
        super().load(state)

    def run_epoch(self, on_step: OnStep) -> float:
        if self.epoch == self.recipe.phases[self.phase].epochs:
            self.begin(self.phase + 1)
        self.network.train()
        return super().run_epoch(on_step)

    def step(self, step: int, rows: Tensor, stream: torch.Generator) -> float:
        recipe, own = self.recipe, self.recipe.phases[self.phase]
        low, high = own.smallest_crop
        smallest = low + (high - low) * self.epoch / max(own.epochs - 1, 1)
        images = random_crop(self.train.images[rows], SIDE, stream, smallest=smallest)
        labels = self._smoothed(rows)
        if own.mixed and float(torch.rand(1, generator=stream)) < own.mixed:
            images, labels = cut_mix(images, labels, stream)
        if recipe.radius and own.attack_steps:
            images = self._moved(images, labels, own.attack_steps, stream)
        loss = F.cross_entropy(self._logits(images), labels)
        self.sgd.zero_grad(set_to_none=True)
        loss.backward()
        self.sgd.step()
        self.cycle.step()
        self._average(step)
        return loss.item()

    def _smoothed(self, rows: Tensor) -> Tensor:
        classes = len(self.train.classes)
        smooth = self.recipe.label_smoothing
        return F.one_hot(self.train.labels[rows], classes) * (1 - smooth) + smooth / classes

    def _logits(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            return self.network(standardise(images)).float()

    def _moved(self, images: Tensor, labels: Tensor, steps: int, stream: torch.Generator) -> Tensor:
        """Move the batch against the network in eval mode."""
        self.network.eval().requires_grad_(requires_grad=False)
        moved = l2_attack(
            self._logits, images, labels, radius=self.recipe.radius, steps=steps, stream=stream
        )
        self.network.train().requires_grad_(requires_grad=True)
        return moved

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Move the average: fast in a phase's first steps, then with `recipe.average`."""
        seen = self.epoch * self.steps + step + 1
        kept = min(self.recipe.average, 1 - 1 / seen)
        pairs = zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        for mean, value in pairs:
            if mean.is_floating_point():
                mean.lerp_(value, 1 - kept)


def train_classifier(
    start: EmbeddedNetwork,
    train: Photos,
    val: Photos,
    recipe: ClassifierRecipe,
    path: Path,
    *,
    on_step: OnStep = lambda epoch, step, loss: None,
    on_epoch: OnEpoch = lambda epoch, accuracy: None,
) -> EmbeddedNetwork:
    """Train, or go on from the checkpoint at `path` of the same recipe.

    Args:
        start: the network as training begins; it is not changed.
        train: uint8 photos, larger than 96 px, for random crops.
        val: photos for the accuracy after each epoch.
        path: where the checkpoint of each epoch goes.
        on_step: called with epoch, step and loss; `on_epoch` with epoch and val accuracy.

    Returns:
        The averaged network in eval mode, float32.

    Raises:
        StoreError: the checkpoint is of another recipe.
    """
    training = _ClassifierTraining(recipe, train, val, start)
    training.run(path, on_step, on_epoch)
    return calibrate(training.average, train)
