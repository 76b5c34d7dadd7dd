"""`invariscope profile RUNS FOLDER`: known transformations beside the images of a search."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from invariscope.analysis.profile import profile as measure
from invariscope.cli.numbers import Share
from invariscope.cli.options import Negatives, NetworkOptions
from invariscope.cli.photo_options import EachClass, PhotoOptions
from invariscope.cli.terminal import (
    STARTS_AGAIN,
    Open,
    output,
    shown_progress,
    tell_page,
    tell_start,
)
from invariscope.errors import InputError
from invariscope.experiments.result import load_result
from invariscope.invariance.coefficient import TAU
from invariscope.plurals import number_of
from invariscope.report.report import write_report


def profile(
    runs: Annotated[Path, Parameter(help="What sns or demo wrote.")],
    folder: Annotated[Path, Parameter(help="Photos, or <class>/<photo>.jpg.")],
    /,
    *,
    photos: EachClass = None,
    tau: Annotated[
        Share, Parameter(help="A photo activates the unit above this share of its maximum.")
    ] = TAU,
    negatives: Negatives = "signed",
    model: Annotated[
        str | None, Parameter(help="The network; by default as the runs name it.")
    ] = None,
    open_page: Open = False,
    source: NetworkOptions | None = None,
) -> None:
    """Set a unit's invariance to known transformations beside the images that a search found.

    The profile is kept as profile.json among the runs, and their report shows it.
    """
    console = output()
    result, source = load_result(runs), source or NetworkOptions()
    units = {run.settings.unit for run in result.runs}
    if len(units) > 1:
        raise InputError(
            f"{str(runs)!r} holds runs of {number_of(len(units), 'unit')}; give those of one"
        )
    subject = source.subject(model or result.runs[0].labels["subject"])
    images = PhotoOptions(photos).images(subject, folder)
    tell_start(runs, STARTS_AGAIN)
    measured = measure(
        subject,
        units.pop(),
        images,
        result,
        tau=tau,
        negatives=negatives,
        progress=shown_progress(),
    )
    for line in images.notes():
        console.print(line)
    kept = measured.save(runs)
    page = write_report(runs, command=f"invariscope profile {runs} {folder}")
    console.print(measured.card())
    console.print(f"profile: {kept}")
    tell_page(page, open_page=open_page)
