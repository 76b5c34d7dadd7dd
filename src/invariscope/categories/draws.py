"""Random draws of a network and epoch, and the input layer that applies the draws.

Everything follows from the network's seed and the epoch alone, so networks that differ only in
which categories they see transformed are shown the same images in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope import seeds
from invariscope.categories.data import ImageBatch
from invariscope.categories.plan import PlannedNetwork, of_each
from invariscope.training.data import cut_windows, draw_windows
from invariscope.zoo.classifiers import standardise

TRANSFORMED = 0.5  # probability that an image of a seen-transformed category appears so


def balanced_order(labels: Tensor, stream: torch.Generator) -> Tensor:
    """Draw an order of images: categories equally often, images of a category not twice.

    As many as there are images, up to rounding. A category with fewer images than its part goes
    through them again in another order; of one with more, some are left for other epochs.

    Args:
        labels: `(n,)` int64, every category at least once.

    Returns:
        `(categories · round(n / categories),)` int64.
    """
    categories = int(labels.max()) + 1
    each = of_each(len(labels), categories)
    chosen = []
    for category in range(categories):
        own = torch.nonzero(labels == category).flatten()
        rounds = -(-each // len(own))
        again = [own[torch.randperm(len(own), generator=stream)] for _ in range(rounds)]
        chosen.append(torch.cat(again)[:each])
    together = torch.cat(chosen)
    return together[torch.randperm(len(together), generator=stream)]


@dataclass(frozen=True)
class Draws:
    """Random draws of a network and epoch, an entry for each image of its order.

    Attributes:
        order: `(n,)` int64, numbers of training images; n is a multiple of the batch.
        transformed: `(n,)` bool.
        keys: `(n,)` int64, of the images' random transformations.
        windows: `(n, 2, 3)`, of random crops; None where images are shown as they are.
    """

    order: Tensor
    transformed: Tensor
    keys: Tensor
    windows: Tensor | None

    def of_rank(self, rank: int, world: int, batch: int) -> "Draws":
        """Take one process's part of every batch of `batch` images."""

        def mine(drawn: Tensor) -> Tensor:
            return drawn.unflatten(0, (-1, world, batch // world))[:, rank].flatten(0, 1)

        windows = None if self.windows is None else mine(self.windows)
        return Draws(mine(self.order), mine(self.transformed), mine(self.keys), windows)


def draw_epoch(planned: PlannedNetwork, labels: Tensor, epoch: int) -> Draws:
    """Draw all random numbers of an epoch.

    Args:
        labels: of the training images, indices into the network's classes.
    """
    recipe = planned.recipe
    stream = seeds.torch_stream("categories", "order", planned.seed, epoch)
    order = balanced_order(labels, stream)
    order = order[: len(order) // recipe.batch * recipe.batch]
    seen = torch.tensor([name in planned.seen for name in planned.classes])
    chance = torch.rand(len(order), generator=stream)
    keys = torch.randint(2**62, (len(order),), generator=stream)
    windows = None
    if recipe.smallest_crop is not None:
        windows = draw_windows(len(order), stream, smallest=recipe.smallest_crop)
    return Draws(order, (chance < TRANSFORMED) & seen[labels[order]], keys, windows)


def apply_input_layer(
    planned: Sequence[PlannedNetwork], draws: Sequence[Draws], parts: Sequence[ImageBatch]
) -> Tensor:
    """Apply crops, transformations, then per-image standardisation, on the device.

    Networks that train with one transformation have it applied together.

    Args:
        planned, draws: a network each.
        parts: the same number of images for each.

    Returns:
        `(networks, batch, 3, side, side)` float32.
    """
    pixels = torch.cat([part.images for part in parts])
    drawn = list(zip(draws, parts, strict=True))
    windows = [own.windows[part.places] for own, part in drawn if own.windows is not None]
    if windows:
        images = cut_windows(pixels, torch.cat(windows).to(pixels.device), pixels.shape[-1])
    else:
        images = pixels.float() / 255
    transformed = torch.cat([own.transformed[part.places] for own, part in drawn])
    keys = torch.cat([own.keys[part.places] for own, part in drawn])
    of_network = torch.arange(len(parts)).repeat_interleave(len(parts[0].places))
    kinds = {own.label: own.transformation for own in planned}
    for label, transformation in kinds.items():
        own = torch.tensor([network.label == label for network in planned])
        rows = torch.nonzero(transformed & own[of_network]).flatten()
        if transformation is not None and len(rows):
            there = rows.to(images.device)
            images[there] = transformation(images[there], keys[rows])
    return standardise(images).unflatten(0, (len(parts), -1))
