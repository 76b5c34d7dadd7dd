"""How fast networks train here, before anything starts."""

import time
from collections.abc import Sequence

import torch

from invariscope.categories.data import CategoryImages
from invariscope.categories.draws import apply_input_layer, draw_epoch
from invariscope.categories.plan import PlannedNetwork
from invariscope.categories.stacked_trainer import StackedTrainer
from invariscope.categories.train import TOGETHER
from invariscope.zoo.classifiers import make_classifier

STEPS = 4  # that are timed, after one that is not


def measure_rate(
    planned: Sequence[PlannedNetwork],
    data: CategoryImages,
    device: torch.device,
    together: int | None = None,
) -> float:
    """Training images a second of one process, from a few steps; nothing is kept.

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
        if step == STEPS:
            break
    return images / (time.perf_counter() - began) if images else float("nan")
