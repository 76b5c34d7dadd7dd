"""Learning rate and weight decay by grid search, on held-out training images (PAPERS §2)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd
import torch

from invariscope import seeds, validate
from invariscope.categories.data import CategoryImages
from invariscope.categories.plan import PlannedNetwork
from invariscope.categories.train import Training, folders_of
from invariscope.errors import InputError
from invariscope.subjects import load_subject

BATCH = 250
Watch = Callable[[float, float, float], None]


def hold_out(data: CategoryImages, share: float) -> CategoryImages:
    """Training images alone, a share of each category's for testing.

    At least one image of a category is tested and one trained with.

    Raises:
        InputError: a share outside (0, 1).
    """
    validate.above("held_out", share, 0)
    if share >= 1:
        raise InputError(f"held_out is {share}; expected a share below 1")
    testing = torch.zeros(len(data.train.labels), dtype=torch.bool)
    stream = seeds.torch_stream("categories", "held out")
    for category in range(len(data.classes)):
        own = torch.nonzero(data.train.labels == category).flatten()
        number = min(max(1, round(share * len(own))), len(own) - 1)
        testing[own[torch.randperm(len(own), generator=stream)[:number]]] = True
    rows = torch.arange(len(testing))
    return replace(
        data,
        train=data.train.subset(rows[~testing]),
        test=data.train.subset(rows[testing]),
        content=f"{data.content} held out {share}",
    )


def accuracy(folder: Path, data: CategoryImages, device: torch.device) -> float:
    """Measure a trained network's top-1 accuracy on the test images, in [0, 1]."""
    subject = load_subject(f"categories:{folder}", device)
    readout, right = list(subject.sites())[-1], 0
    for part in data.test.parts(torch.arange(len(data.test.labels)), BATCH):
        answers = subject.respond(part.images.float() / 255, [readout])[readout].argmax(1)
        right += int((answers == part.labels).sum())
    return right / len(data.test.labels)


def search_grid(
    planned: PlannedNetwork,
    data: CategoryImages,
    rates: Sequence[float],
    decays: Sequence[float],
    *,
    held_out: float,
    store: Path,
    device: torch.device,
    watch: Watch = lambda rate, decay, accuracy: None,
) -> pd.DataFrame:
    """Train a network with every pair of rate and decay; test on held-out training images.

    Args:
        planned: the network, usually one that sees no image transformed.
        held_out: share of each category's training images.
        store: where the networks are kept; those that are there are not trained again.
        watch: told each pair with its accuracy.

    Returns:
        `rate`, `weight_decay`, `accuracy` (NaN where training failed) and `reason`, best first.
    """
    divided, rows = hold_out(data, held_out), []
    for rate, decay in product(rates, decays):
        recipe = replace(planned.recipe, rate=rate, weight_decay=decay)
        own = replace(planned, recipe=recipe, content=divided.content)
        (folder,) = folders_of(store, [own])
        training = Training(divided, device)
        training.train([folder])
        reason = training.failed.get(own.name, "")
        found = float("nan") if reason else accuracy(folder.path, divided, device)
        rows.append({"rate": rate, "weight_decay": decay, "accuracy": found, "reason": reason})
        watch(rate, decay, found)
    return pd.DataFrame(rows).sort_values("accuracy", ascending=False, ignore_index=True)
