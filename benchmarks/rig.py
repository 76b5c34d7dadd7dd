"""What our side of a rig costs for a batch of 50 images, generation not counted.

`python benchmarks/rig.py` writes `rig_overhead.json`: PNG files, log, drift and means, with a rig
that answers at once.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invariscope import seeds
from invariscope.bench.machine import describe
from invariscope.rig.file import Blocks, Recording
from invariscope.rig.noise import Noise
from invariscope.rig.present import Presenter
from invariscope.rig.repeats import Repeats
from invariscope.rig.simulate import DirectLink
from invariscope.subjects.rig.messages import Answer

BATCHES, IMAGES = 12, 50


class Instant:
    """Answers each trial with spikes of its own, at no cost."""

    def answer(self, manifest: dict[str, Any], _images: object) -> list[Answer]:
        return [
            Answer(t["trial"], t["image"], {"u": (60.0, 70.0, 80.5)}, 0.0)
            for t in manifest["trials"]
        ]


def measure(side: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(name="cost", units=("u",))
        blocks = Blocks(reference=0, blank=0, natural=0)
        presenter = Presenter(Path(folder), DirectLink(Instant()), recording, blocks, print)
        presenter.noise = Noise(np.ones(1), np.ones(1))
        spent = []
        for batch in range(BATCHES):
            draws = seeds.uniform([("batch", batch)], (IMAGES, 3, side // 8, side // 8))[0].float()
            images = torch.nn.functional.interpolate(draws, side, mode="bicubic").clamp(0, 1)
            began = time.perf_counter()
            presenter.measure(f"x/{batch:04d}", images, Repeats(1), codes=torch.zeros(IMAGES, 256))
            spent.append(1000 * (time.perf_counter() - began))
        presenter.close()
    return {"median_ms": round(float(np.median(spent[2:])), 1), "worst_ms": round(max(spent), 1)}


if __name__ == "__main__":
    found = {f"{side} px": measure(side) for side in (96, 224)}
    found = {"images": IMAGES, "machine": describe(torch.device("cpu")), **found}
    path = Path(__file__).with_name("rig_overhead.json")
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
