"""`invariscope data …`: data sets that cannot be shipped, from a person's downloads."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from invariscope.categories.facescrub import MISSING, SIDE, prepare_faces
from invariscope.cli.numbers import Count
from invariscope.cli.terminal import StartNote, output, progress_bar
from invariscope.errors import InputError

data = App(name="data", help="Data sets that cannot be shipped, from what you downloaded.")


@data.command
def facescrub(
    *paths: Annotated[
        Path,
        Parameter(help="FaceScrub's lists (name, …, box, sha256), then the folder of originals."),
    ],
    side: Annotated[Count, Parameter(help="Width and height of a face in pixels.")] = SIDE,
    out: Annotated[Path, Parameter(alias="-o", help="The folder of faces.")] = Path("facescrub"),
) -> None:
    """Verify downloaded originals by sha256, cut out the faces, and name missing files."""
    if len(paths) < 2:
        raise InputError("expected one list or more, then the folder of originals")
    console = output()
    *lists, folder = paths
    start = StartNote(out)
    with progress_bar(transient=True) as bar:
        task = bar.add_task("looking at files", total=None)

        def watch(number: int) -> None:
            start()
            bar.update(task, completed=number)

        report = prepare_faces(lists, folder, out, side=side, progress=watch)
    for line in report.lines():
        console.print(line, markup=False)
    if report.missing:
        console.print(f"the missing ones: {out / MISSING}", markup=False)
    console.print(f"faces: {out}", markup=False)
