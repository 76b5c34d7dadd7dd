"""`invariscope report FOLDER`: the page about runs or a study, and its figures as files."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from invariscope.cli.options import Force
from invariscope.report.paper import write_figures
from invariscope.report.report import write_report
from invariscope.report.source import read_source


def report(
    folder: Annotated[Path, Parameter(help="What sns, mei or demo wrote, a run, or a study.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="The page; FOLDER/report.html by default.")] = None,
    figures: Annotated[
        Path | None, Parameter(help="Write each figure as PDF and SVG to this folder too.")
    ] = None,
    force: Force = False,
) -> None:
    """Write one self-contained HTML page about the runs in a folder, or about a study."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"report: {write_report(folder, out, force=force)}", markup=False)
    if figures is not None:
        paths = write_figures(read_source(folder), figures, force=force)
        console.print(f"figures: {len(paths)} files in {figures}", markup=False)
