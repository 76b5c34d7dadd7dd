"""Measure what each strategy finds with how few images, with and without noise.

python benchmarks/images_needed.py --out FOLDER
"""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from bench.frugality import POPULATION, FrugalityBench, FrugalityTrial, entrant, named
from bench.machine import describe, write_figures
from bench.needed import BASELINE, BASELINE_IMAGES, figures_of, last_mean, rank
from invariscope.cli.app import run
from invariscope.cli.numbers import Count, NotNegative
from invariscope.devices import pick_device
from invariscope.generators import load_generator
from invariscope.search.strategies import STRATEGIES
from invariscope.subjects import load_subject

app = App(help="Hypervolume of the front against images shown (resumable).")
# Readout and convolutional units in turn: a strategy is chosen on the first half, and its figures
# are those of the second.
UNITS = [
    *("fc:3", "layer3.1.conv1:40", "fc:8", "layer4.1.conv2:100"),
    *("fc:0", "layer3.0.conv1:10", "fc:6", "layer4.0.conv1:50"),
]
# Every strategy, and with fewer candidates a generation those that do well so.
ENTRANTS = [*(name for name in STRATEGIES if name != BASELINE), "separable:10", "isotropic:10"]


@app.default
def frugality(
    *,
    out: Annotated[Path, Parameter(help="A folder for results; a second call goes on there.")],
    model: Annotated[str, Parameter(help="A model's address.")] = "embedded:robust",
    units: Annotated[
        list[str],
        Parameter(
            help="Units: a strategy is chosen on the first half, figures are of the second.",
            consume_multiple=True,
        ),
    ] = UNITS,
    strategies: Annotated[
        list[str],
        Parameter(
            help=f"Beside cma: NAME, or NAME:POPULATION ({POPULATION} by default).",
            consume_multiple=True,
        ),
    ] = ENTRANTS,
    noise: Annotated[
        list[NotNegative], Parameter(help="SDs over the unit's natural SD.", consume_multiple=True)
    ] = [0.0, 0.2],  # noqa: B006
    seeds: Annotated[Count, Parameter(help="Runs of each.")] = 3,
    images: Annotated[Count, Parameter(help="Shown to each run; 25,000 with cma.")] = 10_000,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Hypervolume of the front against images shown, with and without noise (resumable)."""
    console, place = Console(), pick_device(device)
    generator = load_generator("embedded", place)
    bench_of = FrugalityBench(load_subject(model, place), generator, out)
    half = len(units) // 2
    conditions = []
    entered = {name: entrant(name, generator.code_statistics) for name in (BASELINE, *strategies)}
    for sd in noise:
        found = {
            name: [
                bench_of.run(
                    FrugalityTrial(
                        strategy,
                        unit,
                        sd,
                        BASELINE_IMAGES if name == BASELINE else images,
                        tuple(range(seeds)),
                        population,
                    ),
                    say=lambda text: console.print(f"{text} …", style="dim", highlight=False),
                )
                for unit in units
            ]
            for name, (strategy, population) in entered.items()
        }
        ends = {result["unit"]: last_mean(result) for result in found[BASELINE]}
        condition = {
            "noise": sd,
            "tried": [figures_of(n, sd, own[:half], ends) for n, own in found.items() if half],
            "rows": [figures_of(n, sd, own[half:], ends) for n, own in found.items()],
        }
        best = min(condition["tried"], key=lambda row: rank(row, images), default=None)
        conditions.append(condition | {"chosen": best and best["strategy"]})
        console.print(_table(conditions[-1]))
    levels = " ".join(map(str, noise))
    figures = {
        "command": f"python benchmarks/images_needed.py --out FOLDER --noise {levels}",
        "model": model,
        "chosen_on": units[:half],
        "units": units[half:],
        "seeds": seeds,
        "generator": named(generator),
        "machine": describe(place),
        "conditions": conditions,
    }
    write_figures(out / "frugality.json", figures)


def _number(value: float | None) -> str:
    return "not reached" if value is None else f"{value:,.0f}"


def _share(shares: list[float] | None) -> str:
    return "–" if shares is None else f"{100 * shares[-1]:.0f} %"


def _table(condition: dict[str, Any]) -> Table:
    table = Table(
        title=f"noise {condition['noise']:g}: images until the mean hypervolume is what {BASELINE} "
        f"has at {BASELINE_IMAGES:,} (chosen on other units: {condition['chosen'] or '–'})",
        title_justify="left",
    )
    for column in ("strategy", "at its end", "images needed", "95 %", "fewer by"):
        table.add_column(column)
    for row in condition["rows"]:
        need, ratio = row["needed"], row["ratio"]["ratio"]
        table.add_row(
            row["strategy"],
            f"{_share(row['share'])} at {row['images'][-1]:,}",
            _number(need["images"]),
            f"{_number(need['low'])} – {_number(need['high'])}",
            f"{ratio:.1f} ×" if ratio else "–",
        )
    return table


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], app))
