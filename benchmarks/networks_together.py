"""Images a second of networks that train together, beside one after the other, in one process.

python benchmarks/networks_together.py [--device cuda] [--networks 16] [--out FILE.json]
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from invariscope.categories.plan import RECIPES
from invariscope.categories.stacked_trainer import StackedTrainer
from invariscope.store.context import numeric_context
from invariscope.zoo.classifiers import make_classifier

CLASSES, SIDE, STEPS = 20, 64, 6


def images_a_second(
    trainers: list[StackedTrainer],
    images: Sequence[torch.Tensor],
    labels: Sequence[torch.Tensor],
    device: torch.device,
) -> float:
    """The best of some rounds: each trainer takes its steps one after the other."""
    rates = []
    for _ in range(STEPS):
        began = time.perf_counter()
        for trainer, own, planned in zip(trainers, images, labels, strict=True):
            trainer.step(own, planned, 1.0)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        rates.append(sum(w.numel() for w in labels) / (time.perf_counter() - began))
    return max(rates[1:])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--device", default="cpu")
    words.add_argument("--networks", type=int, default=4)
    words.add_argument("--network", default="small")
    words.add_argument("--out", type=Path)
    asked = words.parse_args()
    device, number, recipe = torch.device(asked.device), asked.networks, RECIPES["small"]

    def networks() -> list[torch.nn.Module]:
        return [make_classifier(asked.network, CLASSES, SIDE, seed=k) for k in range(number)]

    images = torch.rand(number, recipe.batch, 3, SIDE, SIDE, device=device)
    labels = torch.randint(CLASSES, (number, recipe.batch), device=device)
    alone = [StackedTrainer([network], recipe, device) for network in networks()]
    one = images_a_second(alone, images.split(1), labels.split(1), device)
    together = images_a_second(
        [StackedTrainer(networks(), recipe, device)], [images], [labels], device
    )
    found = {
        "network": asked.network,
        "networks": number,
        "batch": recipe.batch,
        "one after the other, images/s": round(one),
        "together, images/s": round(together),
        "ratio": round(together / one, 2),
        "context": numeric_context(device, recipe.batch),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
