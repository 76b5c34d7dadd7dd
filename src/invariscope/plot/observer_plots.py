"""Figures of networks' and people's answers to a study's images (Fig. 4, rows 9, 12, 14)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from invariscope.analysis.acceptance import FALSE, condition_names, matrix
from invariscope.analysis.recognition import ROBUST, STANDARD
from invariscope.plot.axes import (
    chance_line,
    figure_of,
    new_axes,
    points,
    say_bars,
    say_intervals,
)
from invariscope.plurals import number_of

SIMULATED = "simulated answers"
DARK = 0.6  # of the scale: letters are white beyond


def _named(table: pd.DataFrame, first: str = "task") -> pd.DataFrame:
    """Name conditions in words: the task, and the stretched site."""
    site = table["site"].fillna("").astype(str)
    return table.assign(named=(table[first] + " " + site).str.strip())


def _with_units(name: str, rows: Any) -> str:
    """Add the number of units to a name of a condition; where rows differ, fewest and most."""
    fewest, most = int(rows["units"].min()), int(rows["units"].max())
    return f"{name} ({f'{fewest} to ' * (fewest < most)}{number_of(most, 'unit')})"


def _say_simulated(ax: Axes, table: pd.DataFrame) -> None:
    if bool(table["simulated"].any()):
        ax.set_title(SIMULATED, color="#D55E00", fontsize="small", loc="left")


def observers(
    accuracy: pd.DataFrame,
    score: str = "restricted",
    *,
    order: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw observers' accuracy for one source's images (Fig. 4c).

    Args:
        accuracy: one source's rows of `analysis.observers.observer_accuracy`.
        score: `restricted` to the study's classes, `top1` or `topk`.
        order: of the conditions, such as `MEI` and `invariance pixels`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"site": ["pixels", "deep"], "restricted": [0.4, 0.6]})
        >>> table = table.assign(task="invariance", observer="a network", own=False, chance=0.1)
        >>> plot.observers(table.assign(low=0.3, high=0.7)).get_ylabel()
        "accuracy among the study's classes"
    """
    named = _named(accuracy)
    own = [" (itself)" if same else "" for same in named["own"]]
    named = named.assign(observer=named["observer"] + own)
    ends = ("low", "high") if score == "restricted" else None
    ax = points(named, "named", score, "observer", order=order, ends=ends, ax=ax)
    if score == "restricted":
        chance_line(ax, float(accuracy["chance"].iloc[0]))
        say_intervals(ax, accuracy, "units")
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel({"restricted": "accuracy among the study's classes"}.get(score, score))
    return ax


def recognition(
    table: pd.DataFrame, *, order: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how often one source's images are recognised, by kind of observer (Fig. 4c).

    A kind has one colour in every figure; conditions name the number of units behind their points.

    Args:
        table: one source's rows of `analysis.recognition.recognition`.
        order: of the conditions, such as `MEI` and `invariance pixels`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"task": "invariance", "site": "pixels", "kind": "robust", "accuracy": 0.6}
        >>> ax = plot.recognition(pd.DataFrame([{**row, "low": 0.4, "high": 0.8, "units": 6}]))
        >>> [tick.get_text() for tick in ax.get_xticklabels()]
        ['invariance pixels (6 units)']
    """
    own: Any = _named(table.loc[table["kind"] != "all"])
    words = {str(name): _with_units(str(name), rows) for name, rows in own.groupby("named")}
    own = own.assign(observers=own["kind"] + " observers", named=own["named"].map(words))
    order = None if order is None else [words.get(name, name) for name in order]
    known = [f"{kind} observers" for kind in (STANDARD, ROBUST)]
    ends = ("low", "high")
    ax = points(own, "named", "accuracy", "observers", order=order, ends=ends, known=known, ax=ax)
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("accuracy among the study's classes")
    say_intervals(ax, own, "units and observers")
    return ax


def people(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """People's accuracy by condition (Fig. 4b).

    Args:
        table: of `analysis.people.people_accuracy`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"condition": "invariance", "site": "pixels", "network": "net", "chance": 0.1}
        >>> row |= {"accuracy": 0.6, "low": 0.5, "high": 0.7, "simulated": True}
        >>> plot.people(pd.DataFrame([row])).get_title("left")
        'simulated answers'
    """
    named = _named(table, "condition").assign(network=table["network"].replace("", "photos"))
    ax = points(named, "named", "accuracy", "network", ends=("low", "high"), join=False, ax=ax)
    chance_line(ax, float(table["chance"].iloc[0]))
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("accuracy")
    say_intervals(ax, named, "participants")
    _say_simulated(ax, table)
    return ax


def agreement(table: pd.DataFrame, how: str = "pearson", ax: Axes | None = None) -> Axes:
    """Correlation over conditions between people and observers (Fig. 4d).

    Args:
        table: of `analysis.people.agreement`.
        how: `pearson` or `spearman`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"observer": "a network", "how": "pearson", "r": 0.7, "low": 0.4, "high": 0.9}
        >>> table = pd.DataFrame([{**row, "ceiling": 0.95, "simulated": False}])
        >>> plot.agreement(table).get_ylabel()
        'Pearson r with people'
    """
    own = table[table["how"] == how].assign(group="")
    ax = points(own, "observer", "r", "group", ends=("low", "high"), join=False, ax=ax)
    ceiling = float(own["ceiling"].iloc[0])
    if pd.notna(ceiling):
        chance_line(ax, ceiling, "noise ceiling")
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set_ylim(-1.05, 1.05)
    ax.set_ylabel(f"{how.capitalize()} r with people")
    say_intervals(ax, own, "participants")
    _say_simulated(ax, own)
    return ax


def acceptance(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how far networks accept each other's images, neighbours alike (after row 14).

    0 is the answer to random images, 1 that to the references; a dot marks more than the former.
    A network's answers to its own images are framed.

    Args:
        table: of `analysis.acceptance.acceptance`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"source": "a", "task": "invariance", "site": "pixels", "q": 0.01, "own": False}
        >>> table = pd.DataFrame([{**row, "observer": name, "acceptance": 0.5} for name in "bc"])
        >>> [text.get_text() for text in plot.acceptance(table).texts]
        ['0.50 •', '0.50 •']
    """
    wide = matrix(table)
    values = wide.to_numpy(float)
    ax = new_axes(ax, (3.2 + 0.85 * values.shape[1], 1.8 + 0.42 * values.shape[0]))
    shown = ax.imshow(values, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    rows, columns = list(wide.index), list(wide.columns)
    for cell, condition in zip(table.to_dict("records"), condition_names(table), strict=True):
        value, at = cell["acceptance"], (columns.index(cell["observer"]), rows.index(condition))
        if not np.isfinite(value):
            ax.text(*at, "–", ha="center", va="center", fontsize=7, color="0.5")
            continue
        dot = " •" if cell["q"] <= FALSE and value > 0 else ""
        colour = "white" if abs(value) > DARK else "0.15"
        ax.text(*at, f"{value:.2f}{dot}", ha="center", va="center", fontsize=7, color=colour)
        if cell["own"]:
            corner = (at[0] - 0.5, at[1] - 0.5)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="0.15", linewidth=1.2))
    ax.set_xticks(range(len(columns)), columns, rotation=30, ha="right", fontsize=8)
    ax.set_yticks(range(len(rows)), rows, fontsize=8)
    ax.set_xlabel("network that answers")
    ax.set_ylabel("images of")
    ax.spines[:].set_visible(False)
    figure_of(ax).colorbar(shown, ax=ax, label="acceptance (0 random, 1 reference)")
    return ax


def layer_distances(
    table: pd.DataFrame, pair: str = "reference ↔ invariant", ax: Axes | None = None
) -> Axes:
    """Draw distances through an observer, over distances of photos of one class (row 9).

    Args:
        table: one subject's and observer's rows of `analysis.layers.over_units`.
        pair: which pairs of images; those of MEIs are shown beside.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"layer": ["conv", "fc"], "relative": [1.2, 1.4]})
        >>> table = table.assign(relative_sd=0.1, site="pixels", pair="reference ↔ invariant")
        >>> plot.layer_distances(table).get_ylabel()
        'distance over photos of a class'
    """
    site = table["site"].fillna("").astype(str)
    own = table.assign(group=("stretched at " + site).where(site != "", "MEI ↔ MEI"))
    own = own[own["pair"].isin([pair, "MEI ↔ MEI"])]
    ax = points(own, "layer", "relative", "group", sd="relative_sd", ax=ax)
    ax.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_ylim(bottom=0)
    ax.set_ylabel("distance over photos of a class")
    say_bars(ax, "SD over units")
    return ax


def paths(places: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Activity along paths between invariant images (row 14).

    Args:
        places: rows of one subject and site: `way`, `place`, `kept` and `sd`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> places = pd.DataFrame({"place": [0.0, 0.5, 1.0], "kept": [1.0, 0.8, 1.0], "sd": 0.1})
        >>> plot.paths(places.assign(way="straight")).get_ylabel()
        'activity kept'
    """
    named = places.assign(place=places["place"].round(2))
    ax = points(named, "place", "kept", "way", sd="sd", ax=ax)
    ax.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_xlabel("place between the two images")
    say_bars(ax, "SD over pairs of images")
    ax.set_ylabel("activity kept")
    return ax


def gradients(table: pd.DataFrame, value: str = "pixel_distance", ax: Axes | None = None) -> Axes:
    """Draw searches with and without gradients at one budget of forward passes (row 12).

    Args:
        table: of the analysis `gradients`: `subject`, `task`, `method` and `value`.
        value: `pixel_distance`, `reduction` or `met`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"subject": "a network", "task": "invariance", "method": "gradients on codes"}
        >>> plot.gradients(pd.DataFrame([{**row, "pixel_distance": 120.0}])).get_ylabel()
        'pixel distance (L2)'
    """
    named = table.assign(named=table["task"] + ", " + table["subject"])
    ax = points(named, "named", value, "method", join=False, ax=ax)
    ax.set_ylabel(
        {"met": "starts that met the bound", "reduction": "activity lost (%)"}.get(
            value, "pixel distance (L2)"
        )
    )
    return ax
