"""`invariscope report FOLDER`: the page about runs or a study, and its figures as files."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from invariscope.cli.options import Force
from invariscope.cli.terminal import (
    STARTS_AGAIN,
    Json,
    Open,
    output,
    print_json,
    tell_page,
    tell_start,
)
from invariscope.plurals import number_of
from invariscope.report.report import write_figures, write_report
from invariscope.report.source import read_source


def report(
    folder: Annotated[Path, Parameter(help="What sns, mei or demo wrote, a run, or a study.")],
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(alias="-o", help="The page; FOLDER/report.html by default."),
    ] = None,
    figures: Annotated[
        Path | None, Parameter(help="Write each figure as PDF and SVG to this folder too.")
    ] = None,
    natural: Annotated[
        Path | None,
        Parameter(help="A natural.parquet: show each unit's strongest photos too."),
    ] = None,
    force: Force = False,
    open_page: Open = False,
    json: Json = False,
) -> None:
    """Write one self-contained HTML page about the runs in a folder, or about a study."""
    source = read_source(folder)
    tell_start(out or folder / "report.html", STARTS_AGAIN)
    page = write_report(folder, out, natural=natural, force=force)
    paths = [] if figures is None else write_figures(source, figures, force=force)
    if json:
        print_json({"report": page, "figures": paths})
    tell_page(page, open_page=open_page, silent=json)
    if paths and not json:
        output().print(f"figures: {number_of(len(paths), 'file')} in {figures}", markup=False)
