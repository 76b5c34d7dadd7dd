"""One row of images that tells a search at a glance: the README's picture."""

from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from invariscope.experiments.pictures import read_png
from invariscope.experiments.result import Result
from invariscope.report.album import Album, picture_path
from invariscope.report.groups import describe, grouped

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
QUALITY = 80  # of JPEG
BLUE, RED, DIM = "#0072b2", "#c14f00", "#56606c"
FAR = ("in the pixels", "inside the network", "deep inside")


def _words(cell: dict[str, Any]) -> str:
    kept = f"keeps {cell['kept']:.0f} %" if cell["task"] == "invariance" else ""
    lost = "" if kept else f"loses {min(cell['reduction'], 100):.0f} %"
    return f"{cell['share']:.0f} % different, {kept or lost}"


def _show(ax: Any, path: Path, title: str, words: str, colour: str) -> None:
    ax.imshow(read_png(path).permute(1, 2, 0).numpy(), interpolation="lanczos")
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set(color=colour, linewidth=3)
    ax.set_title(title, fontsize=11.5, loc="left", color=colour, fontweight="bold")
    ax.set_xlabel(words, fontsize=11, color=DIM, loc="left")


def wide_picture(result: Result) -> Figure:
    """Show a unit's reference, its best image at each site, and the best of its silencing ones.

    Args:
        result: the runs of `demo`, or other searches from one reference.
    """
    (group, *_) = grouped(result.runs)
    described = describe(group, 1, Album(group.runs))
    rows = described["rows"]
    far = [row["best"] for row in rows if row["task"] == "invariance"][: len(FAR)]
    near = [row["best"] for row in rows if row["task"] == "adversarial"][:1]
    cells = [*far, *near]
    figure = Figure(figsize=(2.55 * (1 + len(cells)), 3.55), layout="constrained")
    axes = figure.subplots(1, 1 + len(cells))
    over = f"{described['times_maximum']:.1f} × the strongest photo"
    reference = group.first.path / "images" / "reference.png"
    _show(axes[0], reference, f"Excites “{described['label']}” most", over, "black")
    for ax, cell, where in zip(axes[1:], cells, [*FAR[: len(far)], "close by"], strict=True):
        beats = "accepted" if cell["meets"] else "still answered"
        title = f"{beats}: far\n{where}"
        if cell["task"] == "adversarial":
            title = f"{'silences it' if cell['silences'] else 'weakens it'}:\nclose in the pixels"
        colour = BLUE if cell["task"] == "invariance" else RED
        path = picture_path(cell["record"], cell["member"])
        _show(ax, path, title, _words(cell), colour)
    return figure


def save_picture(name: str, content: bytes | Figure, width: int | None = None) -> None:
    """Write a picture as JPEG, at most `width` pixels wide."""
    if isinstance(content, Figure):
        buffer = BytesIO()
        content.savefig(buffer, format="png", dpi=130, bbox_inches="tight", facecolor="white")
        content = buffer.getvalue()
    picture = Image.open(BytesIO(content)).convert("RGB")
    if width is not None and picture.width > width:
        size = (width, round(picture.height * width / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    picture.save(IMAGES / f"{name}.jpg", quality=QUALITY, optimize=True)
