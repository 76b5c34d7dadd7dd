"""`invariscope report FOLDER`: the page about runs that are there."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from invariscope.report.report import write_report


def report(
    folder: Annotated[Path, Parameter(help="What sns, mei or demo wrote.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="The page; FOLDER/report.html by default.")] = None,
) -> None:
    """Write one self-contained HTML page about the runs in a folder."""
    page = write_report(folder, out, command=f"invariscope report {folder}")
    Console().print(f"report: {page}", soft_wrap=True)
