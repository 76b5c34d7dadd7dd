"""Measure whether bf16 ranks candidates as float32 does.

python benchmarks/precision.py --out FILE
"""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from bench.agreement import rank_agreement
from bench.machine import describe, write_figures
from invariscope.cli.app import run
from invariscope.cli.numbers import Count
from invariscope.cli.options import Force
from invariscope.devices import pick_device
from invariscope.generators import load_generator
from invariscope.search.precision import SMALLEST_TAU
from invariscope.store.own_files import check_may_replace, is_json_with
from invariscope.subjects import load_subject

app = App(help="Measure whether bf16 ranks candidates as float32 does.")
UNITS = ["fc:3", "fc:7", "layer3.1.conv1:10", "layer4.1.conv2:20"]
SITES = ["pixels", "layer3.0.conv1"]


@app.default
def precision(
    *,
    model: Annotated[str, Parameter(help="A model's address.")] = "embedded:standard",
    units: Annotated[list[str], Parameter(help="Units to search for.", consume_multiple=True)] = (
        UNITS
    ),
    stretch: Annotated[list[str], Parameter(help="Stretch sites.", consume_multiple=True)] = SITES,
    generations: Annotated[Count, Parameter(help="Of each search.")] = 200,
    out: Annotated[Path | None, Parameter(help="A JSON file for all figures.")] = None,
    force: Force = False,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Whether bf16 ranks candidates as float32 does: Kendall τ early, midway and late."""
    if out is not None:
        check_may_replace(out, is_json_with("model", "machine", "rows"), force=force)
    console, place = Console(), pick_device(device)
    rows = rank_agreement(
        load_subject(model, place),
        load_generator("embedded:v1", place),
        units,
        stretch,
        generations=generations,
        say=lambda text: console.print(f"{text} …", style="dim", highlight=False),
    )
    table = Table(title=f"Kendall τ of bf16 and float32, {model}", title_justify="left")
    for column in ("unit", "stretch site", "task", "generation", "τ stretch", "τ activity"):
        table.add_column(column)
    for row in rows:
        numbers = (f"{row[key]:.3f}" for key in ("tau_stretch", "tau_activity"))
        words = (str(row[key]) for key in ("unit", "site", "task", "generation"))
        table.add_row(*words, *numbers)
    console.print(table)
    least = min(min(row["tau_stretch"], row["tau_activity"]) for row in rows)
    console.print(f"the smallest is {least:.3f}; auto takes bf16 from {SMALLEST_TAU} on")
    if out is not None:
        write_figures(out, {"model": model, "machine": describe(place), "rows": rows})


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], app))
