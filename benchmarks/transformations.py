"""What the paper's twelve transformations cost beside one forward pass of ResNet-18 at 224 px.

Both sides are float32, on the same device, batch and threads, in one process and by turns: one
round is a forward pass and each transformation once, and every figure is a median over rounds.
Writes `benchmarks/transformations_DEVICE.json`.

    python benchmarks/transformations.py [--device cuda] [--batch 32] [--rounds 15] [--threads 2]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bench.machine import describe
from invariscope import __version__
from invariscope.devices import pick_device, place
from invariscope.transformations import TWELVE, image_keys, load
from invariscope.zoo.vision import torchvision_models

SIDE = 224
FORWARD = "resnet18"


def milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """The time of one call, with all that it started on the device."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    began = time.perf_counter()
    work()
    wait()
    return 1e3 * (time.perf_counter() - began)


def sides(device: torch.device, batch: int) -> dict[str, Callable[[], Tensor]]:
    """One forward pass, and each transformation of the same images."""
    network = place(torchvision_models().resnet18().eval(), device)
    images = torch.rand(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    images = images.to(device)
    fast = images.to(memory_format=torch.channels_last)
    keys = image_keys(range(batch))
    work: dict[str, Callable[[], Tensor]] = {FORWARD: lambda: network(fast)}
    for name in TWELVE:
        work[name] = partial(load(name), images, keys)
    return work


def measure(device: torch.device, batch: int, rounds: int) -> dict[str, float]:
    """Median milliseconds of each side for the whole batch; two rounds to warm up."""
    work = sides(device, batch)
    times: dict[str, list[float]] = {name: [] for name in work}
    with torch.no_grad():
        for turn in range(rounds + 2):
            for name, one in work.items():
                spent = milliseconds(one, device)
                if turn >= 2:
                    times[name].append(spent)
    return {name: statistics.median(spent) for name, spent in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = pick_device(given.device)
    found = measure(device, given.batch, given.rounds)
    forward = found.pop(FORWARD)
    figures = {
        "command": f"python benchmarks/transformations.py --device {given.device} "
        f"--batch {given.batch} --rounds {given.rounds} --threads {given.threads}",
        "machine": describe(device),
        "invariscope": __version__,
        "side": SIDE,
        "batch": given.batch,
        "resnet18_ms_an_image": forward / given.batch,
        "twelve_ms_an_image": sum(found.values()) / given.batch,
        "twelve_over_resnet18": sum(found.values()) / forward,
        "ms_an_image": {name: spent / given.batch for name, spent in found.items()},
    }
    out = Path(__file__).with_name(f"transformations_{device.type}.json")
    out.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
