"""Measure the engine beside the original's way: one run at a time, float32, full CMA-ES.

python benchmarks/engine.py --compile --out FILE
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from bench.cases import CASES
from bench.engine import bench_engine
from bench.machine import write_figures
from bench.targets import PARTS, ms_of_50
from invariscope.cli.app import run
from invariscope.cli.numbers import Count
from invariscope.cli.options import Force
from invariscope.devices import pick_device
from invariscope.experiments.plan import SearchOptions
from invariscope.store.own_files import check_may_replace, is_json_with

app = App(help="Measure the engine beside the original's way.")


@app.default
def engine(
    *,
    case: Annotated[
        Literal["embedded", "paper", "all"],
        Parameter(help="embedded, or paper: ResNet-50 and DeePSiM fc7 with random weights."),
    ] = "all",
    out: Annotated[Path | None, Parameter(help="A JSON file for all figures.")] = None,
    force: Force = False,
    generations: Annotated[Count, Parameter(help="Counted generations of each side.")] = 10,
    runs: Annotated[Count | None, Parameter(help="Runs that ours advances together.")] = None,
    population: Annotated[Count, Parameter(help="Candidates a generation.")] = 50,
    strategy: Annotated[str, Parameter(help="Of ours.")] = "isotropic",
    precision: Annotated[str, Parameter(help="Of ours: auto, float32 or bf16.")] = "auto",
    compile: Annotated[bool, Parameter(help="Compile our subject.")] = False,  # noqa: A002
    memory: Annotated[bool, Parameter(help="Measure memory, in processes of their own.")] = True,
    sweep: Annotated[bool, Parameter(help="Measure cost against runs and dimensions.")] = True,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """The lockstep engine beside the original's way: one run at a time, float32, full CMA-ES."""
    console = Console()
    if out is not None:
        check_may_replace(out, is_json_with("schema", "machine", "cases"), force=force)
    figures = bench_engine(
        list(CASES) if case == "all" else [case],
        pick_device(device),
        generations=generations,
        runs=runs,
        options=SearchOptions(strategy=strategy, population=population, precision=precision),
        compiled=compile,
        memory=memory,
        sweep=sweep,
        say=lambda text: console.print(f"{text} …", style="dim", highlight=False),
    )
    for name, found in figures["cases"].items():
        console.print(_case_table(name, found))
    if sweep:
        console.print(_sweep_table(figures["sweep"]))
    if figures["targets"]:
        console.print(_target_table(figures["targets"]))
    if out is not None:
        write_figures(out, figures)


def _case_table(name: str, found: dict[str, Any]) -> Table:
    ours = found["ours"]
    words = [f"{found['runs']} runs", ours["precision"]] + ["compiled"] * found["compiled"]
    table = Table(title=f"{name}, n = {found['code_dim']}", title_justify="left")
    table.add_column("")
    table.add_column("baseline", justify="right")
    table.add_column(f"ours ({', '.join(words)})", justify="right")
    sides = (found["baseline"], ours)
    rates = [f"{side['images_per_second']:.1f}" for side in sides]
    table.add_row("images/s", rates[0], f"{rates[1]} ({found['ratio']:.1f} ×)")
    for part in PARTS:
        table.add_row(f"ms of 50 images: {part}", *(ms_of_50(found, s, part) for s in sides))
    if "peak" in ours:
        table.add_row("peak MB, process", *(f"{s['peak']['process_mb']:.0f}" for s in sides))
        if "device_mb" in ours["peak"]:
            table.add_row("peak MB, device", *(f"{s['peak']['device_mb']:.0f}" for s in sides))
    sizes = (f"{side['checkpoint_bytes_a_run'] / 1e6:.2f}" for side in sides)
    table.add_row("checkpoint MB a run", *sizes)
    table.add_row(
        "share of the measured matrix peak", "", f"{100 * ours['matrix_peak_share']:.0f} %"
    )
    return table


def _sweep_table(rows: dict[str, list[dict[str, Any]]]) -> Table:
    table = Table(title="the loop alone (trivial networks)", title_justify="left")
    for column in ("runs", "n", "ms a run and generation", "ms to start a run"):
        table.add_column(column, justify="right")
    for row in (*rows["runs"], *rows["dimensions"]):
        times = (f"{row[key]:.2f}" for key in ("ms_a_run", "start_ms_a_run"))
        table.add_row(str(row["runs"]), str(row["code_dim"]), *times)
    return table


def _target_table(rows: list[dict[str, Any]]) -> Table:
    table = Table("target", title="targets", title_justify="left")
    for column in ("measured", "bound", ""):
        table.add_column(column, justify="right")
    for row in rows:
        bound = f"{'≥' if row['at_least'] else '≤'} {row['limit']:g} {row['unit']}"
        met = "[green]pass" if row["met"] else "[red]fail"
        table.add_row(row["name"], f"{row['measured']:.3g} {row['unit']}", bound, met)
    return table


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], app))
