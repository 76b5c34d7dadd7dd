"""`invariscope demo`: the whole of it for one unit in two minutes."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from invariscope.cli.experiment import ExperimentCondition, experiment
from invariscope.cli.numbers import Seed
from invariscope.cli.options import default_out
from invariscope.cli.search_options import SearchCommandOptions

MODEL = "embedded:standard"
SITES = ("pixels", "layer3.0.conv1", "layer4.1.conv1")
REDUCED = 150


def demo(
    *,
    unit: Annotated[str, Parameter(help="A readout unit of embedded:standard, fc:0 … fc:9.")] = (
        "fc:3"
    ),
    seed: Annotated[Seed, Parameter(help="Another seed, other images.")] = 0,
    full: Annotated[
        bool, Parameter(help="The paper's settings: 500 generations, 10 seeds.")
    ] = False,
    out: Annotated[Path | None, Parameter(help="Folder for the runs; runs/… by default.")] = None,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Find what one unit of the shipped network ignores, and what silences it; write a report.

    It searches, nothing is replayed: the most exciting image, invariant images at three
    stages, silencing images, and affine copies for comparison.
    """
    common = SearchCommandOptions(generations=500 if full else REDUCED, device=device)
    count = 10 if full else 2
    seeds = tuple(range(seed * count, (seed + 1) * count))
    conditions = [ExperimentCondition("invariance", site, seeds) for site in SITES]
    conditions.append(ExperimentCondition("adversarial", "pixels", seeds if full else seeds[:1]))
    console = Console()
    console.print(
        f"What does unit {unit} of {MODEL} ignore?"
        + ("" if full else " (reduced settings: --full takes the paper's)"),
        highlight=False,
    )
    command = f"invariscope demo --unit {unit} --seed {seed}" + (" --full" if full else "")
    experiment(
        common,
        MODEL,
        unit,
        conditions,
        out or default_out(MODEL, unit, f"demo{'-full' if full else ''}-seed{seed}"),
        console=console,
        command=command,
        mei_seed=seed,
        mei_tries=4 if full else 1,
    )
