"""`invariscope mei MODEL UNIT`: the most exciting image."""

from typing import Annotated

from cyclopts import Parameter

from invariscope.cli.numbers import Count, Seed
from invariscope.cli.options import Model, OutFolder, Unit, check_page, default_out
from invariscope.cli.progress import LiveProgress
from invariscope.cli.search_options import SearchCommandOptions, tell_kind
from invariscope.cli.terminal import Open, output, tell_page
from invariscope.errors import InputError
from invariscope.experiments.mei import find_mei
from invariscope.report.report import write_report
from invariscope.search.strategies import without_cells


def mei(
    model: Model,
    unit: Unit,
    /,
    *,
    seed: Annotated[Seed, Parameter(help="Another seed, another search.")] = 0,
    tries: Annotated[
        Count, Parameter(help="Searches among which one is drawn; the paper's 4.")
    ] = 1,
    out: OutFolder = None,
    open_page: Open = False,
    common: SearchCommandOptions | None = None,
) -> None:
    """Search for the image that excites a unit most, and write a report."""
    common = common or SearchCommandOptions()
    if common.strategy != without_cells(common.strategy):
        raise InputError(
            f"strategy {common.strategy!r} fills cells, from a reference (`invariscope sns`); a "
            "search for the most exciting image finds one: leave the cells out"
        )
    if common.taught_by is not None:
        raise InputError(
            "--taught-by is for searches from a reference (`invariscope sns`); a search for the "
            "most exciting image begins with images of its own: leave it out"
        )
    subject, generator = common.load(model)
    folder = out or default_out(model, unit, "mei")
    check_page(folder)
    tell_kind(subject, unit)
    with LiveProgress(f"most exciting image of {unit}", folder) as watch:
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
    output().print(f"activity: {found.activity:.3f}")
    tell_page(page, open_page=open_page)
