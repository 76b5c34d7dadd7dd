"""`invariscope demo`: a whole experiment for one unit in a minute."""

from typing import Annotated

from cyclopts import Parameter

from invariscope.cli.experiment import report_experiment
from invariscope.cli.numbers import Count, Seed
from invariscope.cli.options import OutFolder, default_out
from invariscope.cli.search_options import SearchCommandOptions
from invariscope.cli.terminal import Open
from invariscope.experiments.experiment import ExperimentCondition

MODEL = "embedded:standard"
SITES = ("pixels", "layer3.0.conv1", "layer4.1.conv1")
REDUCED, FEWER = 200, 20  # generations, and candidates in each


def demo(
    *,
    unit: Annotated[str, Parameter(help="A readout unit of embedded:standard, fc:0 … fc:9.")] = (
        "fc:3"
    ),
    seed: Annotated[Seed, Parameter(help="Another seed, other images.")] = 0,
    full: Annotated[
        bool, Parameter(help="The paper's settings: 500 generations, 10 seeds.")
    ] = False,
    generations: Annotated[
        Count | None, Parameter(help=f"The most generations; else {REDUCED}, or 500 with --full.")
    ] = None,
    out: OutFolder = None,
    open_page: Open = False,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Find images that a shipped unit ignores, and images that silence the unit; write a report.

    It searches, nothing is replayed: the most exciting image, invariant images at three
    stages, silencing images, and affine copies for comparison. 20 candidates a generation meet
    the stopping rule with fewer images than 50 do, nearer to the reference.
    """
    most = generations or (500 if full else REDUCED)
    common = SearchCommandOptions(generations=most, population=50 if full else FEWER, device=device)
    count = 10 if full else 2
    seeds = tuple(range(seed * count, (seed + 1) * count))
    conditions = [ExperimentCondition("invariance", site, seeds) for site in SITES]
    conditions.append(ExperimentCondition("adversarial", "pixels", seeds if full else seeds[:1]))
    settings = "" if full else " (reduced settings: --full takes the paper's)"
    own = "-full" if full else ""
    command = f"invariscope demo --unit {unit} --seed {seed}" + (" --full" if full else "")
    if generations:
        own, command = f"{own}-generations{most}", f"{command} --generations {most}"
    report_experiment(
        common,
        MODEL,
        unit,
        conditions,
        out or default_out(MODEL, unit, f"demo{own}-seed{seed}"),
        command=command,
        open_page=open_page,
        headline=f"What does unit {unit} of {MODEL} ignore?{settings}\n",
        mei_seed=seed,
        mei_tries=4 if full else 1,
    )
