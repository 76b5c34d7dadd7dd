"""`invariscope mei MODEL UNIT`: the most exciting image."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from invariscope.cli.numbers import Count, Seed
from invariscope.cli.options import (
    Model,
    SearchCommandOptions,
    Unit,
    check_page,
    default_out,
    tell_kind,
)
from invariscope.cli.progress import LiveProgress
from invariscope.experiments.mei import find_mei
from invariscope.report.report import write_report


def mei(
    model: Model,
    unit: Unit,
    /,
    *,
    seed: Annotated[Seed, Parameter(help="Another seed, another search.")] = 0,
    tries: Annotated[
        Count, Parameter(help="Searches among which one is drawn; the paper's 4.")
    ] = 1,
    out: Annotated[Path | None, Parameter(help="Folder for the runs; runs/… by default.")] = None,
    common: SearchCommandOptions | None = None,
) -> None:
    """Search for the image that excites a unit most, and write a report."""
    common = common or SearchCommandOptions()
    subject, generator = common.load(model)
    folder = out or default_out(model, unit, "mei")
    check_page(folder)
    console = Console()
    tell_kind(subject, unit, console)
    with LiveProgress(f"most exciting image of {unit}", console) as watch:
        found = find_mei(
            subject,
            generator,
            unit,
            seed=seed,
            tries=tries,
            options=common.options(),
            out=folder,
            watch=watch,
        )
    words = [f"invariscope mei {model} {unit} --seed {seed}", *common.words()]
    words += [f"--tries {tries}"] if tries != 1 else []
    page = write_report(folder, command=" ".join(words))
    console.print(f"activity {found.activity:.3f} · report: {page}", soft_wrap=True)
