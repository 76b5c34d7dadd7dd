"""What our side of a rig costs for a batch of 50 images, generation not counted.

`python benchmarks/rig.py` writes `rig_overhead.json`: PNG files, log, drift and means, with five
controls a block, over a session of 5,000 images on a rig that answers at once; and what a twin
takes to propose a batch and to learn its answers, the mean of ten.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.machine import describe
from invariscope import seeds
from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.plan import SearchOptions, plan
from invariscope.experiments.reference import Reference
from invariscope.generators import load_generator
from invariscope.rig.file import BlockRequest, Recording
from invariscope.rig.ledger import RANGE
from invariscope.rig.presenter import BlockPlan, Presenter
from invariscope.rig.repeats import RepeatPolicy
from invariscope.rig.simulate import DirectLink
from invariscope.search.search import Search
from invariscope.subjects import load_subject
from invariscope.subjects.rig.messages import RigAnswer

GENERATORS = ("embedded", "embedded:v1")
BATCHES, IMAGES, PHOTOS, TWIN_BATCHES = 100, 50, 40, 10


class Instant:
    """Answers each trial with spikes of its own, at no cost."""

    def answer(self, manifest: dict[str, Any], _images: object) -> list[RigAnswer]:
        return [
            RigAnswer(t["trial"], t["image"], {"u": (60.0, 70.0, 80.5)}, 0.0)
            for t in manifest["trials"]
        ]


def pictures(name: str, number: int, side: int) -> torch.Tensor:
    draws = seeds.uniform([(name,)], (number, 3, side // 8, side // 8))[0].float()
    return torch.nn.functional.interpolate(draws, side, mode="bicubic").clamp(0, 1)


def measure(side: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(name="cost", units=("u",))
        presenter = Presenter(Path(folder), DirectLink(Instant()), recording, BlockRequest(), print)
        photos = pictures("photos", PHOTOS, side)
        block_plan = BlockPlan((0,))
        presenter.measure(RANGE, photos, RepeatPolicy(8), block_plan)
        block_plan = block_plan.with_control("natural", 5, presenter.store(photos[:3]))
        spent = []
        for batch in range(BATCHES):
            images = pictures(f"batch {batch}", IMAGES, side)
            began = time.perf_counter()
            codes = torch.zeros(IMAGES, 256)
            presenter.measure(f"x/{batch:04d}", images, RepeatPolicy(1), block_plan, codes=codes)
            spent.append(1000 * (time.perf_counter() - began))
        presenter.close()
    parts = {"median_ms": spent, "median_of_the_last_ten_ms": spent[-10:]}
    found = {name: round(float(np.median(part)), 1) for name, part in parts.items()}
    return {**found, "worst_ms": round(max(spent), 1)}


def twin_seconds(generator_name: str) -> float:
    """Seconds a batch of a twin search, its images' answers not counted."""
    subject, generator = load_subject("embedded:standard"), load_generator(generator_name)
    code = seeds.normal([("twin", "reference")], (generator.code_dim,))[0]
    reference = Reference(generator.generate(code[None].float())[0], code.float())
    settings = SearchOptions(strategy="twin", population=IMAGES, stop=False)
    words = {"task": "invariance", "reference": reference, "options": settings}
    (planned,) = plan(subject, generator, "fc:5", **words)
    evaluator = Evaluator(subject, generator, settings, IMAGES)
    run = evaluator.run(evaluator.settled(planned))
    search, spent = Search(generator, [run], strategy="twin", stage=subject), []
    for _ in range(TWIN_BATCHES + 1):
        began = time.perf_counter()
        images = search.ask()
        shown = time.perf_counter()
        answers = subject.respond(images, search.sites)
        told = time.perf_counter()
        search.tell(answers)
        spent.append(shown - began + time.perf_counter() - told)
    return round(float(np.mean(spent[1:])), 2)  # the first batch is drawn, not climbed


if __name__ == "__main__":
    found = {f"{side} px": measure(side) for side in (96, 224)}
    found |= {"twin": {name: twin_seconds(name) for name in GENERATORS}}  # seconds
    found = {"images": IMAGES, "machine": describe(torch.device("cpu")), **found}
    path = Path(__file__).with_name("rig_overhead.json")
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
