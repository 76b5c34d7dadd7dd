"""`invariscope bench frugality`: what each strategy finds with how few images."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from invariscope.bench.frugality import Frugality, Trial
from invariscope.bench.machine import describe
from invariscope.bench.needed import last_mean, needed, shares
from invariscope.devices import pick_device
from invariscope.errors import InputError
from invariscope.generators import load_generator
from invariscope.search.strategies import STRATEGIES, load_strategy
from invariscope.store.files import replace_file
from invariscope.subjects import load_subject

BASELINE, BASELINE_IMAGES = "cma", 25_000
UNITS = ["fc:3", "fc:8", "layer3.1.conv1:40", "layer4.1.conv2:100"]


def frugality(
    *,
    out: Annotated[Path, Parameter(help="A folder for results; a second call goes on there.")],
    model: Annotated[str, Parameter(help="A model's address.")] = "embedded:standard",
    units: Annotated[list[str], Parameter(help="Units.", consume_multiple=True)] = UNITS,
    strategies: Annotated[
        list[str], Parameter(help="Strategies beside cma; by default all.", consume_multiple=True)
    ] = [name for name in STRATEGIES if name != BASELINE],  # noqa: B006  (never changed)
    noise: Annotated[
        list[float], Parameter(help="SDs over the unit's natural SD.", consume_multiple=True)
    ] = [0.0, 0.2],  # noqa: B006
    seeds: Annotated[int, Parameter(help="Runs of each.")] = 3,
    images: Annotated[int, Parameter(help="Shown to each run; 25,000 with cma.")] = 10_000,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Hypervolume of the front against images shown, with and without noise (resumable)."""
    console, place = Console(), pick_device(device)
    generator = load_generator("embedded", place)
    bench_of = Frugality(load_subject(model, place), generator, out)
    rows = []
    for sd in noise:
        found = {
            name: [
                bench_of.run(
                    Trial(
                        load_strategy(name).with_statistics(generator.code_statistics),
                        unit,
                        sd,
                        BASELINE_IMAGES if name == BASELINE else images,
                        tuple(range(seeds)),
                    ),
                    say=lambda text: console.print(f"{text} …", style="dim", highlight=False),
                )
                for unit in units
            ]
            for name in (BASELINE, *strategies)
        }
        ends = {result["unit"]: last_mean(result) for result in found[BASELINE]}
        rows += [_row(name, sd, results, ends) for name, results in found.items()]
    console.print(_table(rows))
    figures = {"model": model, "units": units, "machine": describe(place), "rows": rows}
    text = json.dumps(figures, indent=1) + "\n"
    replace_file(out / "frugality.json", lambda path: path.write_text(text))


def _row(
    name: str, noise: float, results: list[dict[str, Any]], ends: dict[str, float]
) -> dict[str, Any]:
    shown = [n for n, _ in next(iter(results[0]["curves"].values()))]
    if not shown:
        raise InputError("too few images for a figure; expected at least 250")
    curves = shares(results, ends)
    need = needed(shown, curves, f"{name} {noise}")
    mean = np.mean([curve.mean(0) for curve in curves.values()], 0)
    return {
        "strategy": name,
        "noise": noise,
        "images": shown,
        "share": [round(float(v), 4) for v in mean],
        "needed": need,
        "ratio": {
            key: BASELINE_IMAGES / need[other]
            for key, other in (("ratio", "images"), ("low", "high"), ("high", "low"))
        },
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(
        title=f"images until the mean hypervolume is what {BASELINE} has at {BASELINE_IMAGES:,}",
        title_justify="left",
    )
    for column in ("noise", "strategy", "at its end", "images needed", "95 %", "fewer by"):
        table.add_column(column)
    for row in rows:
        need, ratio = row["needed"], row["ratio"]
        table.add_row(
            f"{row['noise']:g}",
            row["strategy"],
            f"{100 * row['share'][-1]:.0f} % at {row['images'][-1]:,}",
            f"{need['images']:,.0f}",
            f"{need['low']:,.0f} – {need['high']:,.0f}",
            f"{ratio['ratio']:.1f} ×" if ratio["ratio"] else "not reached",
        )
    return table
