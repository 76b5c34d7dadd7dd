"""Measure strategies and repeats on a simulated brain.

python benchmarks/rig_strategies.py --out FOLDER
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from bench.machine import describe, write_figures
from bench.rig import Cell, NoiseFree, RigBench, as_markdown
from invariscope.cli.app import run
from invariscope.cli.numbers import Count
from invariscope.devices import pick_device
from invariscope.errors import InputError
from invariscope.generators import load_generator
from invariscope.recordings.variability import load_variability
from invariscope.rig.simulate import SimulatedRates
from invariscope.search.strategies import STRATEGIES
from invariscope.store.files import replace_file
from invariscope.subjects import load_subject
from invariscope.units import NUMBER

app = App(help="What a search on a noisy rig finds, beside one without noise (resumable).")


@app.default
def rig_table(
    *,
    out: Annotated[Path, Parameter(help="A folder for results; a second call goes on there.")],
    model: Annotated[str, Parameter(help="A model's address.")] = "embedded:standard",
    units: Annotated[list[str], Parameter(help="Units.", consume_multiple=True)] = ["fc:5"],  # noqa: B006
    strategies: Annotated[
        list[str], Parameter(help="Strategies; by default all.", consume_multiple=True)
    ] = list(STRATEGIES),  # noqa: B006
    repeats: Annotated[
        list[str],
        Parameter(help="Of a candidate: 2, or 1-4 for adaptive ones.", consume_multiple=True),
    ] = ["1", "2", "5", "1-4"],  # noqa: B006
    seeds: Annotated[Count, Parameter(help="Runs of each.")] = 1,
    presentations: Annotated[Count, Parameter(help="Of each run, all counted.")] = 5000,
    noise_free: Annotated[
        str | None, Parameter(help="Strategy of the search without noise; by default the same.")
    ] = None,
    noise_free_images: Annotated[
        Count | None, Parameter(help="Of the search without noise; by default as many.")
    ] = None,
    like: Annotated[
        Path | None,
        Parameter(help="Rates and noise as a recording has them: what `recording` wrote."),
    ] = None,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """What a search on a noisy rig finds, beside the same search without noise (resumable)."""
    console, place = Console(), pick_device(device)
    cortex = SimulatedRates.like(load_variability(like)) if like else SimulatedRates()
    generator, beside = (
        load_generator("embedded:v1", place),
        NoiseFree(noise_free_images, noise_free),
    )
    bench_of = RigBench(load_subject(model, place), generator, out, cortex, beside)
    policies = {text: _policy(text) for text in repeats}
    rows = []
    for strategy in strategies:
        for text, (first, most) in policies.items():
            found = [
                bench_of.run(
                    Cell(strategy, first, most, unit, seed, presentations),
                    say=lambda text: console.print(f"{text} …", style="dim", highlight=False),
                )
                for unit in units
                for seed in range(seeds)
            ]
            numbers = ("share", "optimism_selected", "optimism_held_back", "shown")
            mean = {key: round(float(np.mean([row[key] for row in found])), 4) for key in numbers}
            counted = ("members", "tested", "true", "hold", "false")
            total = {key: sum(row[key] for row in found) for key in counted}
            rows.append({"strategy": strategy, "repeats": text, **mean, **total})
    console.print(_table(rows))
    figures = {"model": model, "units": units, "seeds": seeds, "machine": describe(place)}
    figures |= {"cortex": asdict(cortex), "presentations": presentations}
    figures |= {"noise_free": noise_free, "noise_free_images": noise_free_images, "rows": rows}
    write_figures(out / "rig.json", figures)
    replace_file(out / "rig.md", lambda path: path.write_text(as_markdown(rows)))


def _policy(text: str) -> tuple[int, int]:
    first, dash, most = text.partition("-")
    if not NUMBER.fullmatch(first) or (dash and not NUMBER.fullmatch(most)):
        raise InputError(f"repeats {text!r} is not understood; expected 2, or 1-4")
    return int(first), int(most) if dash else 0


def _table(rows: list[dict]) -> Table:
    table = Table(title="fronts on a simulated brain, scored without noise", title_justify="left")
    columns = ("strategy", "repeats", "of the noise-free front", "optimism: selected")
    for column in (*columns, "held back", "hold", "of these false", "presentations"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row["strategy"],
            row["repeats"],
            f"{100 * row['share']:.0f} %",
            f"{row['optimism_selected']:.1f}",
            f"{row['optimism_held_back']:.1f}",
            f"{row['hold']} of {row['tested']}",
            str(row["false"]),
            f"{row['shown']:,.0f}",
        )
    return table


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], app))
