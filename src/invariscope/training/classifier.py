"""Train an embedded classifier on an ImageFolder."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invariscope import seeds
from invariscope.devices import place
from invariscope.errors import StoreError
from invariscope.training import checkpoint
from invariscope.training.data import Photos, centre_crop, random_crop
from invariscope.zoo.embedded import EmbeddedResNet

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
SIDE = 96


@dataclass(frozen=True)
class ClassifierRecipe:
    """How a classifier is trained: SGD with Nesterov momentum and a one-cycle rate.

    Attributes:
        smallest_crop: smallest share of the area that a crop keeps, in the first and the last
            epoch (between them in equal steps): crops of a fixed size in the test show things
            smaller than random ones do (Touvron et al. 2019, arXiv 1906.06423).
    """

    epochs: int = 60
    batch: int = 64
    rate: float = 0.1
    weight_decay: float = 1e-3
    momentum: float = 0.9
    label_smoothing: float = 0.1
    smallest_crop: tuple[float, float] = (0.35, 0.8)
    seed: int = 0


def standardise(images: Tensor) -> Tensor:
    """Images in [0, 1] as the embedded networks take them: less the mean, over the SD."""
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


def _optimiser(
    network: nn.Module, recipe: ClassifierRecipe, steps: int
) -> tuple[torch.optim.SGD, torch.optim.lr_scheduler.OneCycleLR]:
    decayed = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    sgd = torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum, nesterov=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        sgd, recipe.rate, total_steps=steps, pct_start=0.2, cycle_momentum=False
    )
    return sgd, cycle


def train_classifier(
    train: Photos,
    val: Photos,
    recipe: ClassifierRecipe,
    folder: Path,
    *,
    on_step: Callable[[int, int, float], None] = lambda epoch, step, loss: None,
    on_epoch: Callable[[int, float], None] = lambda epoch, accuracy: None,
) -> EmbeddedResNet:
    """Train, or go on from `folder/classifier.safetensors` of the same recipe.

    Args:
        train: uint8 photos, larger than 96 px, for random crops.
        val: photos for the accuracy after each epoch.
        folder: where the checkpoint of each epoch goes.
        on_step: called with epoch, step and loss; `on_epoch` with epoch and val accuracy.

    Returns:
        The trained network in eval mode, float32.

    Raises:
        StoreError: the checkpoint in `folder` is of another recipe.
    """
    device = train.images.device
    path = folder / "classifier.safetensors"
    with torch.random.fork_rng([]):
        torch.manual_seed(seeds.integer("classifier", recipe.seed))
        network = EmbeddedResNet(len(train.classes))
    place(network, device)
    steps = len(train) // recipe.batch
    sgd, cycle = _optimiser(network, recipe, steps * recipe.epochs)
    start = 0
    if state := checkpoint.load(path):
        if state["recipe"] != {**asdict(recipe), "smallest_crop": list(recipe.smallest_crop)}:
            raise StoreError(f"{str(path)!r} is of another recipe; choose another folder")
        network.load_state_dict(state["network"])
        sgd.load_state_dict(state["optimiser"])
        cycle.load_state_dict(state["cycle"])
        start = state["epoch"]
    for epoch in range(start, recipe.epochs):
        network.train()
        stream = seeds.torch_stream("classifier", recipe.seed, epoch)
        low, high = recipe.smallest_crop
        smallest = low + (high - low) * epoch / max(recipe.epochs - 1, 1)
        order = torch.randperm(len(train), generator=stream).to(device)
        for step in range(steps):
            rows = order[step * recipe.batch : (step + 1) * recipe.batch]
            images = random_crop(train.images[rows], SIDE, stream, smallest=smallest)
            with torch.autocast(device.type, torch.bfloat16):
                logits = network(standardise(images))
            loss = F.cross_entropy(
                logits.float(), train.labels[rows], label_smoothing=recipe.label_smoothing
            )
            sgd.zero_grad(set_to_none=True)
            loss.backward()
            sgd.step()
            cycle.step()
            on_step(epoch, step, loss.item())
        on_epoch(epoch, accuracy(network, val))
        state = {
            "recipe": asdict(recipe),
            "epoch": epoch + 1,
            "network": network.state_dict(),
            "optimiser": sgd.state_dict(),
            "cycle": cycle.state_dict(),
        }
        checkpoint.save(path, state)
    return network.eval()
