"""Measure the demo for three units of the shipped network: a table and the README's picture.

Writes `benchmarks/first_run.json` (every figure, machine and versions), `benchmarks/first_run.md`
(a table of `docs/measured.md`) and `docs/images/first_run.jpg` (the README's picture; the others
are made by `benchmarks/pictures.py`).

    python benchmarks/first_run.py
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from bench.wide_picture import save_picture, wide_picture
from invariscope import __version__, load_result
from invariscope.analysis.affine import affine_distance
from invariscope.experiments.result import Result
from invariscope.zoo.registry import WEIGHTS

ATTACKED = "val_top1_under_attack_1.3"
ROOT = Path(__file__).resolve().parent.parent
UNITS = ("fc:3", "fc:5", "fc:9")
PICTURED = "fc:5"


def run_demo(unit: str, out: Path) -> dict:
    """Run `invariscope demo` as a user would, and collect its figures."""
    began = time.monotonic()
    command = [sys.executable, "-c", "from invariscope.cli import main; main()", "demo"]
    subprocess.run(  # noqa: S603
        [*command, "--unit", unit, "--out", str(out)], check=True
    )
    seconds = time.monotonic() - began
    result = load_result(out)
    searches = Result([r for r in result.runs if r.settings.task != "excitation"])
    table = searches.table()
    affine = pd.read_parquet(out / "affine.parquet")
    natural = searches.runs[0].settings.natural or {}
    invariant = table[(table["task"] == "invariance") & (table["site"] == "pixels")]
    silent = table[table["task"] == "adversarial"]
    loss = float(invariant["reduction"].median())
    return {
        "unit": unit,
        "name": searches.runs[0].labels["unit"],
        "seconds": seconds,
        "mei_over_natural_maximum": searches.reference.activity / natural["maximum"],
        "invariant_distance": float(invariant["pixel_distance"].median()),
        "invariant_reduction": loss,
        "affine_distance_at_that_reduction": affine_distance(affine, loss),
        "silencing_distance": float(silent["pixel_distance"].median()),
        "silencing_reduction": float(silent["reduction"].median()),
        "stopped": int((table["status"] == "stopped").sum()),
        "searches": len(table),
    }


def as_markdown(figures: dict) -> str:
    """Make the demo's table."""
    lines = [
        (
            "| unit | MEI over natural maximum | invariant images: distance, activity lost "
            "| affine copy at the same loss: distance | silencing image: distance, activity lost "
            "| goal met | demo took |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{r['unit']}` {r['name']} | {r['mei_over_natural_maximum']:.2f} × "
        f"| {r['invariant_distance']:.0f}, {r['invariant_reduction']:.0f} % "
        f"| {r['affine_distance_at_that_reduction']:.0f} "
        f"| {r['silencing_distance']:.0f}, {r['silencing_reduction']:.0f} % "
        f"| {r['stopped']} of {r['searches']} | {r['seconds']:.0f} s |"
        for r in figures["units"]
    ]
    return "\n".join(lines) + "\n"


def fill(text: str, marker: str, block: str) -> str:
    """Return the page with a table between `<!-- marker -->` and `<!-- end -->`."""
    before, rest = text.split(f"<!-- {marker} -->", 1)
    _, after = rest.split("<!-- end -->", 1)
    return f"{before}<!-- {marker} -->\n{block}<!-- end -->{after}"


def shipped_markdown() -> str:
    """Make the table of the shipped networks and generator, from `figures.json`."""
    figures = json.loads((WEIGHTS / "figures.json").read_text())
    generator, pair = figures.pop("generator"), ("standard", "robust")
    figures.pop("v1")
    networks = {name: figures[name] for name in (*pair, *sorted(set(figures) - {*pair}))}
    rows = "".join(
        f"| `embedded:{name}`: top-1 on {network['val_photos']} val photos; under attack "
        f"| {network['val_top1'] * 100:.1f} %; {network[ATTACKED] * 100:.1f} % |\n"
        for name, network in networks.items()
    )
    return (
        f"| figure | value |\n| --- | --- |\n{rows}"
        f"| generator: val photos whose class survives inversion | "
        f"{generator['same_class_reconstruction'] * 100:.0f} % "
        f"(8 × 8 averages: {generator['same_class_8x8_average'] * 100:.0f} %) |\n"
        f"| generator: mean pixel distance between random images, photos | "
        f"{generator['pixel_distance_random_codes']:.0f}, "
        f"{generator['pixel_distance_photos']:.0f} |\n"
    )


def write_page() -> None:
    """Put both tables into `docs/measured.md`."""
    path = ROOT / "docs" / "measured.md"
    text = fill(
        path.read_text(), "benchmarks/first_run.md", (ROOT / "benchmarks/first_run.md").read_text()
    )
    path.write_text(fill(text, "zoo figures", shipped_markdown()))


def main() -> None:
    """Run, collect, write."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for unit in UNITS:
            out = Path(folder) / unit.replace(":", "-")
            rows.append(run_demo(unit, out))
            if unit == PICTURED:
                save_picture("first_run", wide_picture(load_result(out)))
    figures = {
        "command": "python benchmarks/first_run.py",
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "invariscope": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "units": rows,
    }
    here = ROOT / "benchmarks"
    (here / "first_run.json").write_text(json.dumps(figures, indent=1) + "\n")
    (here / "first_run.md").write_text(as_markdown(figures))
    write_page()
    print(as_markdown(figures))


if __name__ == "__main__":
    main()
