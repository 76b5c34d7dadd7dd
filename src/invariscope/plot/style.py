"""Colours and axes that all plots share."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito's colours, told apart by people with any colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
TASK_COLOURS = {"invariance": "#0072B2", "adversarial": "#D55E00"}
AFFINE_COLOURS = {"rotation": "#009E73", "translation": "#CC79A7", "scale": "#8C6D00"}
AFFINE_MARKERS = {"rotation": "s", "translation": "^", "scale": "D"}


def new_axes(ax: Axes | None, size: tuple[float, float] = (6.0, 4.0)) -> Axes:
    """The axes handed in, or those of a new figure that no window system knows of."""
    if ax is None:
        ax = Figure(figsize=size, layout="constrained").add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def figure_of(ax: Axes) -> Figure:
    """The figure that axes belong to."""
    figure: Any = ax.figure
    return figure
