"""Measure what invariance coefficients cost beside the bare forward passes that they need.

Speed: both passes over JPEG photos, all twelve transformations and every post-ReLU site; after each
of their batches the same number of bare passes (images in memory, tapped at the deepest site
alone), so that both see the same machine. Reading photos and transforming them count as ours.
Memory: 50,000 images × 12 transformations × 2048 units at full scale, with a stub in the network's
place, in a process of its own. Writes `benchmarks/invariance.json`.

    python benchmarks/invariance.py [speed|memory ...]
"""

import json
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image

import invariscope as iv
from bench.machine import describe
from bench.memory import _most_resident
from invariscope.invariance.accumulate import ActiveSums
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.images import ImageSet
from invariscope.invariance.ranges import measure_ranges
from invariscope.invariance.setup import make_setup
from invariscope.invariance.top import PERCENTS
from invariscope.photos import open_folder
from invariscope.photos.stream import Batch
from invariscope.subjects import Subject
from invariscope.zoo.vision import torchvision_models

ROOT = Path(__file__).resolve().parent.parent
WANTED = 0.8
MOST_BYTES = 2e9
IMAGES, UNITS, STUB_SIDE = 50_000, 2048, 8


def embedded() -> Subject:
    return iv.load_subject("embedded:standard")


def resnet18() -> Subject:
    torch.manual_seed(0)  # the only weights that matter here are those of some network
    model = torchvision_models().resnet18(weights=None).eval()
    return iv.NetworkSubject(model, image_size=224, name="resnet18, random weights")


# Subject, photos, photos shown at once.
CASES = {"embedded:standard, 96 px": (embedded, 192, 64), "ResNet-18, 224 px": (resnet18, 32, 16)}


def photos(folder: Path, number: int) -> None:
    """Smooth noise as JPEG files of 256 × 256 px."""
    stream = np.random.default_rng(0)
    for k in range(number):
        small = Image.fromarray(stream.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        small.resize((256, 256), Image.Resampling.BICUBIC).save(folder / f"{k:04}.jpg", quality=90)


class Beside:
    """Bare passes after each batch of a pass, so that both see the same machine."""

    def __init__(
        self, subject: Subject, site: str, batches: list[torch.Tensor], shows: int
    ) -> None:
        self.subject, self.site, self.batches, self.shows = subject, site, batches, shows
        self.seconds, self._turn = 0.0, 0

    def __call__(self, _done: int, _total: int) -> None:
        began = time.perf_counter()
        images = self.batches[self._turn % len(self.batches)]
        for _ in range(self.shows):
            self.subject.respond(images, [self.site])
        self._turn += 1
        self.seconds += time.perf_counter() - began


def speed(name: str, rounds: int = 3) -> dict:
    make, number, batch = CASES[name]
    subject = make()
    with tempfile.TemporaryDirectory() as place:
        photos(Path(place), number)
        setup = make_setup(subject, open_folder(place), "all", "all", batch=batch)
        seen = [b.images for b in setup.images.stream(subject.image_size, batch, subject.device)]
        shows = 1 + len(setup.transformations)

        def timed(work) -> tuple[float, float]:  # noqa: ANN001
            bare = Beside(subject, setup.sites[-1], seen, shows)
            began = time.perf_counter()
            work(bare)
            return bare.seconds, time.perf_counter() - began - bare.seconds

        ranges = measure_ranges(setup, PERCENTS)
        times = [
            (
                timed(lambda bare: measure_ranges(setup, PERCENTS, watch=bare)),
                timed(lambda bare: ActiveSums(setup, ranges, 0.1).run(bare)),
            )
            for _ in range(rounds)
        ]
    own = {
        "first_pass_of_bare": median(f[0] / f[1] for f, _ in times),
        "second_pass_of_bare": median(s[0] / s[1] for _, s in times),
        "both_of_bare": median((f[0] + s[0]) / (f[1] + s[1]) for f, s in times),
    }
    return {
        "sites": len(setup.sites),
        "units": sum(setup.units.values()),
        "images": number,
        "transformations": len(setup.transformations),
        "rounds": rounds,
        "bare_images_per_second": number * shows / median(f[0] for f, _ in times),
        **own,
        "wanted": WANTED,
        "met": own["both_of_bare"] >= WANTED,
    }


class Stub(Subject):
    """2048 rectified numbers from a small product; as many units as the target names."""

    name, image_size, device = "stub", STUB_SIDE, torch.device("cpu")

    def __init__(self) -> None:
        self._map = torch.randn(3 * STUB_SIDE**2, UNITS, generator=torch.Generator().manual_seed(0))

    def identity(self) -> dict:
        return {"stub": UNITS}

    def _sites(self) -> dict:
        return {"out": (UNITS,)}

    def _respond(self, images, sites) -> dict:  # noqa: ANN001, ARG002
        return {"out": (images.flatten(1) @ self._map).relu()}


def _full_scale() -> dict:
    torch.set_num_threads(1)
    subject = Stub()

    def stream(side, batch, device):  # noqa: ANN001, ANN202
        numbers = torch.Generator().manual_seed(1)
        for start in range(0, IMAGES, batch):
            indices = np.arange(start, min(start + batch, IMAGES))
            images = torch.rand(len(indices), 3, side, side, generator=numbers).to(device)
            yield Batch(indices, images, np.full(len(indices), -1))

    names = tuple(map(str, range(IMAGES)))
    images = ImageSet(names, np.full(IMAGES, -1), (), "stub", stream)
    before = _most_resident()
    began = time.perf_counter()
    result = invariance_coefficient(subject, images, "all", sites="out", batch=256)
    return {
        "images": IMAGES,
        "transformations": result.units["transformation"].nunique(),
        "units": UNITS,
        "seconds": time.perf_counter() - began,
        "before_mb": before / 1e6,
        "most_mb": _most_resident() / 1e6,
        "wanted_mb": MOST_BYTES / 1e6,
        "met": _most_resident() < MOST_BYTES,
    }


def memory() -> dict:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        return pool.submit(_full_scale).result()


def main() -> None:
    path = ROOT / "benchmarks" / "invariance.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    asked = sys.argv[1:] or ["speed", "memory"]
    figures["machine"] = describe(torch.device("cpu"))
    if "speed" in asked:
        figures["speed"] = {name: speed(name) for name in CASES}
    if "memory" in asked:
        figures["memory"] = memory()
    path.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps({k: v for k, v in figures.items() if k != "machine"}, indent=2))


if __name__ == "__main__":
    main()
