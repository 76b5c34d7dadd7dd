"""`invariscope sns MODEL UNIT`: stretch-and-squeeze from an MEI or an image."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from invariscope.cli.experiment import report_experiment
from invariscope.cli.numbers import Count, Seed
from invariscope.cli.options import Model, OutFolder, Task, Unit, default_out
from invariscope.cli.search_options import SearchCommandOptions
from invariscope.cli.terminal import Open
from invariscope.errors import InputError
from invariscope.experiments.experiment import ExperimentCondition
from invariscope.units import NUMBER


def parse_subset(text: str | None) -> int | list[int] | None:
    """Read a subset: `sample=100` → 100, `3,17,40` → three entries, nothing → all.

    Raises:
        InputError: any other text.
    """
    if text is None:
        return None
    sample = text.removeprefix("sample=")
    if sample != text and NUMBER.fullmatch(sample):
        return int(sample)
    words = text.split(",")
    if not all(NUMBER.fullmatch(word.strip()) for word in words):
        raise InputError(f"subset {text!r} is not understood; expected sample=100 or 3,17,40")
    return [int(word) for word in words]


def sns(
    model: Model,
    unit: Unit,
    /,
    *,
    stretch: Annotated[str, Parameter(help="The site where distance is measured.")] = "pixels",
    subset: Annotated[
        str | None, Parameter(help="Units of that site that count: sample=100, or 3,17,40.")
    ] = None,
    task: Annotated[Task, Parameter(help="Far and alike, or near and silent.")] = "invariance",
    direction: Annotated[str, Parameter(help="either, or down: only a loss counts.")] = "either",
    seeds: Annotated[Count, Parameter(help="How many searches: seeds 0, 1, ….")] = 1,
    reference: Annotated[
        Path | None, Parameter(help="A photo to depart from, instead of the unit's MEI.")
    ] = None,
    mei_seed: Annotated[Seed, Parameter(help="Seed of the search for the MEI.")] = 0,
    mei_tries: Annotated[Count, Parameter(help="MEI searches, one is drawn; the paper's 4.")] = 1,
    out: OutFolder = None,
    open_page: Open = False,
    common: SearchCommandOptions | None = None,
) -> None:
    """Search for images a unit cannot tell from a reference, or that silence the unit."""
    common = common or SearchCommandOptions()
    folder = out or default_out(model, unit, f"sns-{task}-{stretch}")
    words = [f"invariscope sns {model} {unit} --stretch {stretch} --task {task} --seeds {seeds}"]
    words += common.words()
    words += [f"--subset {subset}"] if subset else []
    words += [f"--direction {direction}"] if direction != "either" else []
    words += [f"--reference {reference}"] if reference else []
    words += [f"--mei-seed {mei_seed}"] if mei_seed else []
    words += [f"--mei-tries {mei_tries}"] if mei_tries != 1 else []
    condition = ExperimentCondition(
        task=task,
        site=stretch,
        seeds=tuple(range(seeds)),
        subset=parse_subset(subset),
        direction=direction,
    )
    report_experiment(
        common,
        model,
        unit,
        [condition],
        folder,
        command=" ".join(words),
        open_page=open_page,
        reference=reference,
        mei_seed=mei_seed,
        mei_tries=mei_tries,
    )
