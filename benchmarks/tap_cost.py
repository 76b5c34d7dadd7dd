"""Measure what tapping a readout and one convolution costs beside the bare forward pass.

Both are run in turns in one process, on the same images, after the same preprocessing; the cost
is the median over turns of the ratio of the two. Writes `benchmarks/tap_cost.json`.

    python benchmarks/tap_cost.py
"""

import json
import statistics
import time
from pathlib import Path

import torch

from invariscope import load_subject, seeds
from invariscope.store.context import numeric_context
from invariscope.subjects import NetworkSubject
from invariscope.subjects.preprocessing import MEAN, STD

# Network, its readout, one of its convolutions, images at once.
CASES = (
    ("torchvision:resnet50", "fc", "layer3.0.conv1", 4),
    ("torchvision:resnet18", "fc", "layer3.0.conv1", 4),
    ("torchvision:vgg11_bn", "classifier.6", "features.11", 2),
    ("torchvision:mobilenet_v2", "classifier.1", "features.8.conv.1.0", 8),
    ("torchvision:vit_b_32", "heads.head", "conv_proj", 8),
)
TURNS, TARGET, SHORTEST_MS = 40, 1.03, 20


def measure(address: str, sites: list[str], batch: int) -> dict[str, float | str | int | list[str]]:
    """Medians over the turns, in ms, and the median ratio."""
    subject = load_subject(address, weights="random")
    assert isinstance(subject, NetworkSubject)
    side, model = subject.image_size, subject.model
    images = torch.rand(batch, 3, side, side, generator=seeds.torch_stream("tap cost", address))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))

    def bare() -> None:
        model(((images - mean) / std).contiguous(memory_format=torch.channels_last))

    def tapped() -> None:
        subject.respond(images, sites)

    def milliseconds(work: object) -> float:
        began = time.perf_counter()
        work()  # pyright: ignore[reportCallIssue]
        return 1000 * (time.perf_counter() - began)

    with torch.no_grad():
        for _ in range(3):
            bare(), tapped()
        turns = []
        for turn in range(TURNS):
            order = (bare, tapped) if turn % 2 else (tapped, bare)
            found = {work.__name__: milliseconds(work) for work in order}
            turns.append((found["bare"], found["tapped"]))
    return {
        "network": address,
        "sites": sites,
        "images": batch,
        "bare_ms": round(statistics.median(a for a, _ in turns), 2),
        "tapped_ms": round(statistics.median(b for _, b in turns), 2),
        "ratio": round(statistics.median(b / a for a, b in turns), 4),
    }


def main() -> None:
    """Measure every case and write the file."""
    rows = []
    for address, readout, site, batch in CASES:
        rows.append(measure(address, [readout, site], batch))
        print(rows[-1])
    counted = [row["ratio"] for row in rows if float(str(row["bare_ms"])) >= SHORTEST_MS]
    figures = {
        "context": numeric_context(torch.device("cpu"), 0),
        "target": f"ratio at most {TARGET} where the bare pass takes at least {SHORTEST_MS} ms",
        "met": all(float(str(ratio)) <= TARGET for ratio in counted),
        "cases": rows,
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
