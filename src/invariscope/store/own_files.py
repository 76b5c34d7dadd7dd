"""Files that a person names: our own are replaced, others are refused.

Every command that writes a file to a given name asks here first. Our own files are known by
their content, never by their name.
"""

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from invariscope.errors import InputError

SOFTWARE = "invariscope"
PNG_MARK = {"Software": SOFTWARE}  # metadata of a PNG
HTML_MARK = f'<meta name="generator" content="{SOFTWARE}">'
WAY = "choose another name, or replace it with --force"
HEAD = 4096  # bytes of a page that hold its mark


def check_may_replace(
    path: Path, is_ours: Callable[[Path], bool], *, force: bool = False, way: str = WAY
) -> None:
    """Make sure that writing a file loses nothing of a person's.

    Args:
        path: the file to be written.
        is_ours: tells if the command wrote a file's content; may raise OSError or ValueError
            for an unreadable file.
        force: replace any file.
        way: what a person can do, the end of the sentence.

    Raises:
        InputError: the path is a folder, or a file that invariscope did not write.

    Example:
        `check_may_replace(Path("report.html"), is_page, force=force)`
    """
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; expected the name of a file to write")
    if path.exists() and not path.is_file():
        raise InputError(f"{str(path)!r} is no plain file; choose another name")
    if force or not path.exists():
        return
    try:
        ours = path.stat().st_size == 0 or is_ours(path)
    except (OSError, ValueError, RecursionError):
        ours = False
    if not ours:
        raise InputError(
            f"{str(path)!r} is there, and it is no file that invariscope wrote for this; {way}"
        )


def is_page(path: Path) -> bool:
    """Tell if a file is an HTML page of invariscope."""
    with path.open("rb") as file:
        return HTML_MARK.encode() in file.read(HEAD)


def is_figure(path: Path) -> bool:
    """Tell if a file is a PNG that was saved with `PNG_MARK`."""
    with Image.open(path, formats=["PNG"]) as image:
        return image.info.get("Software") == SOFTWARE


def is_drawing(path: Path) -> bool:
    """Tell if a file is a PDF or SVG with invariscope as creator in the metadata."""
    content = path.read_bytes()
    marks = {b"%PDF": f"/Creator ({SOFTWARE})", b"<?xm": f"<dc:title>{SOFTWARE}</dc:title>"}
    return marks.get(content[:4], "\0").encode() in content


def begins_with(start: str) -> Callable[[Path], bool]:
    """Make a check that a text file begins with some words."""

    def check(path: Path) -> bool:
        with path.open("rb") as file:
            return file.read(len(start.encode())) == start.encode()

    return check


def is_json_with(*keys: str) -> Callable[[Path], bool]:
    """Make a check that a file is a JSON object with some keys, or a list of such objects."""

    def check(path: Path) -> bool:
        found = json.loads(path.read_bytes())
        rows = found if isinstance(found, list) else [found]
        return bool(rows) and all(isinstance(row, dict) and {*keys} <= row.keys() for row in rows)

    return check
