# pyright: reportMissingImports=false
# foolbox is no dependency of the project: install it for this measurement.
"""The attack of the model cards beside a public implementation: foolbox's L2 projected gradient
descent and its decoupled-direction attack, on the same photos.

    pip install foolbox
    python benchmarks/second_attack.py IMAGENETTE104 [--photos N]

Writes `benchmarks/second_attack.json`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import foolbox
import torch
from foolbox.attacks import DDNAttack, L2ProjectedGradientDescentAttack
from torch import nn

import invariscope as iv
from bench.machine import describe
from invariscope import seeds
from invariscope.subjects import NetworkSubject
from invariscope.training.attack import survivors
from invariscope.training.classifier import MEAN, STD, standardise
from invariscope.training.data import load_photos
from invariscope.training.evaluate import STEPS, crops_of
from invariscope.training.recipes import RADIUS

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 3


def measure(name: str, images: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
    """Share of photos that keep their class: as they are, under our attack, under foolbox's."""
    subject = iv.load_subject(f"embedded:{name}")
    assert isinstance(subject, NetworkSubject)
    network: nn.Module = subject.model
    with torch.no_grad():
        right = network(standardise(images)).argmax(1) == labels
    ours = survivors(
        lambda x: network(standardise(x)),
        images,
        labels,
        radius=RADIUS,
        steps=STEPS,
        restarts=REPEATS,
        stream=seeds.torch_stream("second attack"),
    )
    words = {"mean": list(MEAN), "std": list(STD), "axis": -3}
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu", preprocessing=words)
    attacks = {
        "foolbox_l2_pgd": L2ProjectedGradientDescentAttack(
            steps=STEPS, rel_stepsize=2.5 / STEPS, random_start=True
        ).repeat(REPEATS),
        "foolbox_ddn": DDNAttack(steps=STEPS * REPEATS),
    }
    theirs = {
        key: float((~attack(model, images, labels, epsilons=RADIUS)[2]).float().mean())
        for key, attack in attacks.items()
    }
    own = {"clean": float(right.float().mean()), "ours": float(ours.float().mean())}
    return {"network": subject.name, **own, **theirs}


def main() -> None:
    """Measure both twins and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--networks", nargs="+", default=["standard", "robust"])
    asked = parser.parse_args()
    val = load_photos(asked.data / "val", 104)
    rows = torch.linspace(0, len(val) - 1, asked.photos).long()
    images, labels = crops_of(val, rows), val.labels[rows]
    found = {
        "machine": {**describe(torch.device("cpu")), "foolbox": foolbox.__version__},
        "photos": asked.photos,
        "radius": RADIUS,
        "steps": STEPS,
        "restarts": REPEATS,
        "networks": [measure(name, images, labels) for name in asked.networks],
    }
    path = ROOT / "benchmarks" / "second_attack.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found["networks"], indent=1))


if __name__ == "__main__":
    main()
