"""One loop for all trainings: shuffled batches, a checkpoint an epoch, exact resuming."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from invariscope import seeds
from invariscope.errors import StoreError
from invariscope.training import checkpoint
from invariscope.training.data import Photos

OnStep = Callable[[int, int, float], None]
OnEpoch = Callable[[int, float], None]
Stateful = nn.Module | torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler


class TrainingRecipe(Protocol):
    """The part of a recipe that every training has: a dataclass.

    Attributes:
        epochs, batch, seed: how long, how many photos a step, and the seed of all draws.
    """

    @property
    def epochs(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def seed(self) -> int: ...


def plain_recipe(recipe: Any) -> dict[str, Any]:
    """Turn a recipe into the plain values of a checkpoint."""
    return json.loads(json.dumps(asdict(recipe)))


class EpochTraining(ABC):
    """A training that goes on from its last whole epoch to the same weights.

    All that an epoch draws follows from the recipe's seed and the epoch's number.

    Args:
        train: the photos.
        recipe: how to train.

    Attributes:
        stream: the first word of the epochs' random streams.
        epoch: whole epochs behind.
        steps: batches of an epoch.
    """

    stream: ClassVar[str]

    def __init__(self, train: Photos, recipe: TrainingRecipe) -> None:
        self.train, self._recipe = train, recipe
        self.epoch, self.steps = 0, len(train) // recipe.batch

    @abstractmethod
    def parts(self) -> Mapping[str, Stateful]:
        """Everything that a checkpoint keeps, by its key there."""

    @abstractmethod
    def step(self, step: int, rows: Tensor, stream: torch.Generator) -> float:
        """Train on the photos of these rows, and give the loss."""

    @property
    def done(self) -> int:
        """Whole epochs behind, of all that the recipe asks for."""
        return self.epoch

    def figure(self, mean_loss: float) -> float:
        """Give the number that is reported of an epoch: its mean loss, unless overridden."""
        return mean_loss

    def state(self) -> dict[str, Any]:
        """Give the state for a checkpoint."""
        parts = {key: part.state_dict() for key, part in self.parts().items()}
        return {"recipe": plain_recipe(self._recipe), "epoch": self.epoch, **parts}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        for key, part in self.parts().items():
            part.load_state_dict(state[key])
        self.epoch = state["epoch"]

    def run_epoch(self, on_step: OnStep) -> float:
        """Train for one epoch, and give its mean loss."""
        epoch, batch, total = self.done, self._recipe.batch, 0.0
        stream = seeds.torch_stream(self.stream, self._recipe.seed, epoch)
        order = torch.randperm(len(self.train), generator=stream).to(self.train.images.device)
        for step in range(self.steps):
            loss = self.step(step, order[step * batch : (step + 1) * batch], stream)
            total += loss
            on_step(epoch, step, loss)
        self.epoch += 1
        return total / self.steps

    def run(self, path: Path, on_step: OnStep, on_epoch: OnEpoch) -> None:
        """Train to the last epoch, from the checkpoint at `path` if there is a file.

        Args:
            path: where the checkpoint of each epoch goes.
            on_step: called with epoch, step and loss.
            on_epoch: called with epoch and `figure`, before the epoch's checkpoint is written.

        Raises:
            StoreError: the checkpoint is of another recipe.
        """
        if state := checkpoint.load(path):
            if state["recipe"] != plain_recipe(self._recipe):
                raise StoreError(f"{str(path)!r} is of another recipe; move it away")
            self.load(state)
        while self.done < self._recipe.epochs:
            epoch = self.done
            on_epoch(epoch, self.figure(self.run_epoch(on_step)))
            checkpoint.save(path, self.state())
