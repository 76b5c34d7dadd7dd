"""Small pieces of HTML and Markdown for notebooks and pages."""

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

SIDE = 112  # pixels at which a notebook shows a picture


class CaptionedPicture(NamedTuple):
    """A picture with a caption.

    Attributes:
        path: a PNG file.
        words: the caption, which is also the alternative text.
    """

    path: Path
    words: str


def data_uri(content: bytes, kind: str) -> str:
    """Encode bytes as a data address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def notebook(
    title: str, notes: Iterable[str], pictures: Iterable[CaptionedPicture], table: str = ""
) -> str:
    """Write a result for a notebook, as HTML.

    Args:
        title, notes: plain text, which is escaped.
        pictures: a picture whose file is missing is left out.
        table: HTML that is escaped already.
    """
    figures = "".join(_figure(picture) for picture in pictures if picture.path.exists())
    row = f'<div style="display:flex;flex-wrap:wrap;gap:.6em">{figures}</div>' if figures else ""
    lines = "".join(f"<div>{escape(note)}</div>" for note in notes)
    return f"<div><b>{escape(title)}</b>{lines}{row}{table}</div>"


def _figure(picture: CaptionedPicture) -> str:
    address, words = data_uri(picture.path.read_bytes(), "image/png"), escape(picture.words)
    image = f'<img src="{address}" width="{SIDE}" height="{SIDE}" alt="{words}">'
    caption = f'<figcaption style="font-size:85%">{words}</figcaption>'
    return f'<figure style="margin:0;width:{SIDE}px">{image}{caption}</figure>'


def markdown_table(
    heads: Sequence[str], rows: Iterable[Iterable[Any]], align: Sequence[str] = ("---",)
) -> str:
    """Write a Markdown table.

    Args:
        heads: of the columns.
        rows: the cells; floats are given to three digits, a missing one as –.
        align: below the heads, `---` or `---:` a column; the last of them for all further columns.
    """
    ruler = [*align, *[align[-1]] * (len(heads) - len(align))]
    lines = [heads, ruler, *([_markdown(cell) for cell in row] for row in rows)]
    return "\n".join("|" + "|".join(f" {x} " if x else " " for x in line) + "|" for line in lines)


def _markdown(cell: Any) -> str:
    if isinstance(cell, float):
        return "–" if math.isnan(cell) else f"{cell:.3g}"
    return str(cell).replace("|", "\\|").replace("\n", " ")
