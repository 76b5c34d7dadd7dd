"""Colours, axes and points that all plots share."""

import io
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariscope.progress import in_notebook

# Okabe & Ito's colours, told apart by people with any colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
TASK_COLOURS = {"invariance": "#0072B2", "adversarial": "#D55E00"}
AFFINE_COLOURS = {"rotation": "#009E73", "translation": "#CC79A7", "scale": "#8C6D00"}
AFFINE_MARKERS = {"rotation": "s", "translation": "^", "scale": "D"}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDEST = 9.0  # inches
SPREAD = 0.5  # of a category's width is taken by its groups
NOTEBOOK_DPI = 72
FLAT = 12  # letters of a category; longer names are turned, and take more height
MOST_INSIDE = 4  # groups; the legend of more stands beside the axes


def _png(shown: Axes | Figure) -> bytes | None:
    """Draw a figure, or the figure of axes, that pyplot does not show by itself."""
    figure = shown if isinstance(shown, Figure) else figure_of(shown)
    if figure.canvas.manager is not None:
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=NOTEBOOK_DPI)
    return buffer.getvalue()


def show_in_notebook() -> None:
    """Let figures and axes show at the end of a notebook's cell, as pyplot's do."""
    if not in_notebook():
        return
    formatter = sys.modules["IPython"].get_ipython().display_formatter.formatters["image/png"]
    for kind in (Figure, Axes):
        try:
            formatter.lookup_by_type(kind)
        except KeyError:  # nobody shows them yet
            formatter.for_type(kind, _png)


def new_axes(ax: Axes | None, size: tuple[float, float] = (6.0, 4.0)) -> Axes:
    """Give the axes handed in, or new axes in a figure that no window system knows of."""
    if ax is None:
        ax = Figure(figsize=size, layout="constrained").add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def figure_of(ax: Axes) -> Figure:
    """Give the figure that axes belong to."""
    figure: Any = ax.figure
    return figure


def points(
    table: Any,
    x: str,
    y: str,
    hue: str,
    *,
    order: Sequence[Any] | None = None,
    sd: str | None = None,
    ends: tuple[str, str] | None = None,
    join: bool = True,
    known: Sequence[Any] = (),
    ax: Axes | None = None,
) -> Axes:
    """Plot one value of each category and group.

    Args:
        table: one row a category and group.
        x, y, hue: columns: the category, the value, the group.
        order: of the categories; by default as they come.
        sd: a column, half the length of a bar; or `ends`, the columns of its two ends.
        join: whether a group's points are joined.
        known: groups that come first and keep their colour and marker, also where one is absent.
        ax: where to plot; by default new axes.
    """
    names = list(order or dict.fromkeys(table[x]))
    hues = list(dict.fromkeys([*known, *table[hue]]))
    groups = [group for group in hues if group in set(table[hue])]
    beside = len(groups) > MOST_INSIDE
    longest = max((len(str(name)) for name in names), default=0)
    width = min(max(4.5, 0.9 * len(names) + 2.5) + 2 * beside, WIDEST)
    ax = new_axes(ax, (width, 3.6 + 0.03 * max(0, longest - FLAT)))
    for number, group in enumerate(groups):
        own = table[(table[hue] == group) & table[x].isin(names)]
        shift = SPREAD * ((number + 0.5) / len(groups) - 0.5)
        look = hues.index(group)
        own = own.assign(place=[names.index(name) for name in own[x]]).sort_values("place")
        places = own["place"].to_numpy() + shift
        values = own[y].to_numpy(float)
        bars = None
        if sd:
            bars = own[sd].fillna(0).to_numpy(float)
        elif ends:
            low, high = (own[column].to_numpy(float) for column in ends)
            bars = np.nan_to_num(np.stack([values - low, high - values])).clip(min=0)
        ax.errorbar(
            places,
            values,
            bars,
            color=COLOURS[look % len(COLOURS)],
            marker=MARKERS[look % len(MARKERS)],
            linestyle="-" if join and len(own) > 1 else "none",
            linewidth=1,
            markersize=5,
            capsize=2,
            label=str(group),
        )
    ax.set_xticks(range(len(names)), [str(name) for name in names])
    if longest > FLAT:
        ax.tick_params("x", rotation=30)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("right")
    ax.set_xlim(-0.6, len(names) - 0.4)
    if len(groups) > 1 or (groups and str(groups[0])):
        anchor = (1, 0.5) if beside else None
        loc = "center left" if beside else "best"
        ax.legend(frameon=False, fontsize="small", loc=loc, bbox_to_anchor=anchor)
    return ax


def say_bars(ax: Axes, words: str) -> None:
    """Say below the horizontal axis the meaning of the error bars."""
    ax.set_xlabel(f"{ax.get_xlabel()}\nbars: {words}".lstrip())


def say_intervals(ax: Axes, table: Any, over: str, kind: str = "95 % intervals") -> None:
    """Say below the horizontal axis that bars are intervals, and whether some points have none.

    Args:
        table: what is drawn, with `low`.
        over: of what they are: `units`.
        kind: of interval.
    """
    lacking = "; no bar: no interval" if table["low"].isna().any() else ""
    say_bars(ax, f"{kind} over {over}{lacking}")


def chance_line(ax: Axes, chance: float, words: str = "chance") -> None:
    """Draw a dotted line at the level of guessing."""
    ax.axhline(chance, color="0.6", linewidth=0.8, linestyle=":")
    ax.annotate(
        words,
        (1, chance),
        (-2, 2),
        ("axes fraction", "data"),
        "offset points",
        ha="right",
        fontsize="x-small",
        color="0.4",
    )


show_in_notebook()
