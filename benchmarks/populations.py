"""Where the paper's stopping rule ends searches with populations of 50 and of 10.

    python benchmarks/populations.py

Invariance searches of three readout units of `embedded:standard`, two seeds, stretched at pixels,
with at most 10,000 images each. Writes `benchmarks/populations.json`.
"""

import json
from pathlib import Path

import torch

import invariscope as iv
from bench.machine import describe

ROOT = Path(__file__).resolve().parent.parent
UNITS, IMAGES = ("fc:3", "fc:5", "fc:9"), 10_000


def main() -> None:
    subject, generator = iv.load_subject("embedded:standard"), iv.load_generator("embedded:v1")
    rows = []
    for unit in UNITS:
        reference = iv.find_mei(
            subject, generator, unit, options=iv.SearchOptions(population=50, generations=100)
        )
        for population in (50, 10):
            options = iv.SearchOptions(population=population, generations=IMAGES // population)
            found = iv.stretch_and_squeeze(
                subject, generator, unit, reference=reference, seeds=(0, 1), options=options
            )
            columns = ["seed", "status", "images", "pixel_distance", "reduction"]
            table = found.table()[columns].round(1).to_dict("records")
            rows += [{"unit": unit, "population": population, **row} for row in table]
    figures = {
        "command": "python benchmarks/populations.py",
        "machine": describe(torch.device("cpu")),
        "rows": rows,
    }
    (ROOT / "benchmarks" / "populations.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
