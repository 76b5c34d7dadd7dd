"""How fast networks train here, before anything starts."""

import time
from collections.abc import Sequence

import torch

from invariscope.categories.crew import Crew
from invariscope.categories.data import Data
from invariscope.categories.draws import draw_epoch, present
from invariscope.categories.plan import Wanted
from invariscope.categories.train import TOGETHER
from invariscope.zoo.classifiers import make_classifier

STEPS = 4  # that are timed, after one that is not


def measure_rate(
    wanted: Sequence[Wanted], data: Data, device: torch.device, together: int | None = None
) -> float:
    """Training images a second of one process, from a few steps; nothing is kept.

    Args:
        wanted: at least one network; those that are timed have a transformation if any has.
        together: see `Training`.
    """
    number = together or TOGETHER[device.type]
    ordered = sorted(wanted, key=lambda own: own.count, reverse=True)
    own = [w for w in ordered if w.crew == ordered[0].crew][:number]
    networks = [make_classifier(w.network, len(w.classes), w.side, w.options, w.seed) for w in own]
    recipe = own[0].recipe
    crew = Crew(networks, recipe, device)
    draws = [draw_epoch(w, data.train.labels, 0) for w in own]
    streams = [data.train.parts(d.order, recipe.batch) for d in draws]
    images, began = 0, 0.0
    for step, parts in enumerate(zip(*streams, strict=False)):
        labels = torch.stack([part.labels for part in parts]).to(device)
        losses, _ = crew.step(present(own, draws, parts).to(device), labels, 0.0)
        losses.sum().item()  # waits for the device
        if step == 0:
            began = time.perf_counter()
        else:
            images += labels.numel()
        if step == STEPS:
            break
    return images / (time.perf_counter() - began) if images else float("nan")
