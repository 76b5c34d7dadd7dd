"""`invariscope data …`: data sets that cannot be shipped, from what a person downloaded."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from invariscope.categories.facescrub import SIDE, prepare_faces
from invariscope.cli.numbers import Count
from invariscope.store.files import make_folder, replace_file

data = App(name="data", help="Data sets that cannot be shipped, from what you downloaded.")


@data.command
def facescrub(
    list_file: Annotated[Path, Parameter(help="FaceScrub's list: name, …, box, sha256.")],
    folder: Annotated[Path, Parameter(help="The downloaded originals, in any layout.")],
    /,
    *,
    side: Annotated[Count, Parameter(help="Width and height of a face in pixels.")] = SIDE,
    out: Annotated[Path, Parameter(help="The folder of faces.")] = Path("facescrub"),
) -> None:
    """Verify downloaded originals by sha256, cut out the faces, and tell what is missing."""
    console = Console(soft_wrap=True, highlight=False)
    make_folder(out)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("looking at files", total=None)
        report = prepare_faces(
            list_file, folder, out, side=side, progress=lambda n: bar.update(task, completed=n)
        )
    for line in report.lines():
        console.print(line)
    if report.missing:
        text = "".join(f"{face.name}\t{face.number}\t{face.sha256}\n" for face in report.missing)
        replace_file(out / "missing.tsv", lambda part: part.write_text(text, encoding="utf-8"))
        console.print(f"the missing ones: {out / 'missing.tsv'}")
    console.print(f"faces: {out}")
