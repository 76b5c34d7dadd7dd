"""Measure how fast natural statistics are taken beside the bare forward pass.

ResNet-50 with random weights on synthetic photos of ImageNet's usual size (500 × 375 JPEG),
written to a temporary folder. Both sides see the same photos and are interleaved: the bare
network on batches that lie in memory, and the whole of `measure_folder` (decoding, cropping,
the pass, segments and tables on disk). Writes `benchmarks/natural.json`.

    python benchmarks/natural.py
"""

import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from invariscope import NetworkSubject, __version__, open_folder, seeds
from invariscope.devices import pick_device
from invariscope.natural.folder_pass import measure_folder
from invariscope.photos import batches
from invariscope.photos.transform import PhotoRule
from invariscope.zoo.vision import torchvision_models

ROOT = Path(__file__).resolve().parent
BATCH, BATCHES, ROUNDS = 32, 2, 4
SITES = ["fc", "layer3.0.conv1"]
RULE = PhotoRule(256)


def write_photos(folder: Path, number: int) -> None:
    """Smooth noise as JPEG: about as many bytes as a photo of that size."""
    stream = seeds.numpy_stream("benchmark photos")
    for index in range(number):
        coarse = stream.integers(0, 256, (94, 125, 3), np.uint8)
        path = folder / f"class{index % 10}" / f"{index:05d}.jpg"
        path.parent.mkdir(exist_ok=True)
        image = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
        image.save(path, quality=90)


def bare(subject: NetworkSubject, parts: list[torch.Tensor]) -> None:
    """The network alone."""
    with torch.no_grad():
        for part in parts:
            subject.model(part)
        if subject.device.type == "cuda":
            torch.cuda.synchronize()


def whole(subject: NetworkSubject, folder: Path, out: Path) -> None:
    """The natural statistics."""
    measure_folder(subject, open_folder(folder), out, sites=SITES, photo=RULE, batch=BATCH)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and seconds of all processors: these do not count what other processes do."""
    began, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - busy


def main() -> None:
    device = pick_device("auto")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision_models().resnet50(weights=None).eval()
    subject = NetworkSubject(network, image_size=224, name="resnet50", device=device)
    subject.identity()  # hashed once, before anything is timed
    subject.sites()
    pairs = []
    with tempfile.TemporaryDirectory() as place:
        photos = Path(place) / "photos"
        photos.mkdir()
        write_photos(photos, BATCH * BATCHES)
        stream = batches(open_folder(photos), side=224, rule=RULE, batch=BATCH, device=device)
        parts = [part.images.contiguous(memory_format=torch.channels_last) for part in stream]
        bare(subject, parts[:1])
        for index in range(ROUNDS):
            out = Path(place) / f"out{index}"
            alone = timed(lambda: bare(subject, parts))
            natural = timed(lambda out=out: whole(subject, photos, out))
            pairs.append((alone, natural))
            print(f"bare {alone[0]:.1f} s, natural {natural[0]:.1f} s", flush=True)
    figures = {
        "command": "python benchmarks/natural.py",
        "network": "ResNet-50, random weights, 224 px, float32",
        "photos": BATCH * BATCHES,
        "units": 1000 + 256,
        "bare_seconds": [a[0] for a, _ in pairs],
        "natural_seconds": [b[0] for _, b in pairs],
        "bare_processor_seconds": [a[1] for a, _ in pairs],
        "natural_processor_seconds": [b[1] for _, b in pairs],
        "share": statistics.median(a[0] / b[0] for a, b in pairs),
        "share_by_processor_seconds": statistics.median(a[1] / b[1] for a, b in pairs),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "invariscope": __version__,
    }
    (ROOT / "natural.json").write_text(json.dumps(figures, indent=1) + "\n")
    for key in ("share", "share_by_processor_seconds"):
        print(f"{key} of the bare forward pass: {figures[key]:.1%}")


if __name__ == "__main__":
    main()
