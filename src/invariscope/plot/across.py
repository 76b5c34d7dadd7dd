"""Networks that saw some categories transformed (Figs. 2–6 and 11)."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from invariscope.analysis.across import NONE, QUADRANTS
from invariscope.analysis.intervals import correlation_within
from invariscope.plot.axes import COLOURS, new_axes
from invariscope.plot.invariance import WIDTH, draw_violins
from invariscope.plurals import number_of
from invariscope.units import differing_names

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h", "p")
CLOSE = 0.06  # of the axis, between two marks


def transfer_matrix(accuracy: pd.DataFrame, count: int, ax: Axes | None = None) -> Axes:
    """Accuracy of each training under each tested transformation, as a matrix (Fig. 2a).

    Args:
        accuracy: from `analysis.across.accuracy_table`.
        count: of seen categories: all of them.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> names = [("none", 0), ("blur", 4)]
        >>> rows = [(t, c, u, 0.5) for t, c in names for u in ("none", "blur")]
        >>> table = pd.DataFrame(rows, columns=["trained", "count", "tested", "accuracy"])
        >>> len(plot.transfer_matrix(table.assign(group="all"), 4).texts)
        4
    """
    rows: Any = accuracy[(accuracy["group"] == "all") & accuracy["count"].isin([0, count])]
    trained = list(dict.fromkeys(rows["trained"]))
    tested = list(dict.fromkeys(rows["tested"]))
    wide = rows.pivot_table(index="trained", columns="tested", values="accuracy")
    values = 100 * wide.reindex(index=trained, columns=tested).to_numpy(float)
    beside, below = (max(map(len, names)) for names in (trained, tested))
    size = (1.0 + 0.08 * beside + 0.46 * len(tested), 1.2 + 0.05 * below + 0.42 * len(trained))
    ax = new_axes(ax, size)
    ax.imshow(values, cmap="Blues", vmin=0, vmax=max(np.nanmax(values), 1), aspect="auto")
    dark = np.nanmax(values) / 2
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value > dark else "0.15"
        ax.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=10, color=colour)
    ax.set_xticks(range(len(tested)), tested, rotation=40, ha="right", fontsize=10)
    ax.set_yticks(range(len(trained)), trained, fontsize=10)
    ax.set_xlabel("tested with")
    ax.set_ylabel("trained with")
    ax.spines[:].set_visible(False)
    return ax


def _lines(
    ax: Axes, table: pd.DataFrame, names: Sequence[str], column: str, scale: float = 1.0
) -> None:
    """Draw a line for each transformation: the mean over seeds, a thin mark for each seed."""
    for number, name in enumerate(names):
        own: Any = table[(table["trained"] == name) & table[column].notna()]
        means = own.groupby("count")[column].mean() * scale
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        counts, values = list(means.index), means.to_numpy()
        ax.plot(counts, values, color=colour, marker=marker, markersize=5, label=name)
        each = own[column] * scale
        ax.plot(own["count"], each, marker, color=colour, markersize=2.5, alpha=0.5)


def _count_axis(ax: Axes, counts: Iterable[int]) -> None:
    """Mark the axis at the numbers of seen categories; where two are close, at the larger."""
    ax.set_xlabel("categories seen transformed")
    marks = sorted(set(counts), reverse=True)
    if not marks:  # nothing measured yet
        return
    span = marks[0] - marks[-1] or 2
    shown = marks[:1]
    for count in marks[1:]:
        if shown[-1] - count >= CLOSE * span:
            shown.append(count)
    ax.set_xticks(shown[::-1])
    ax.set_xlim(marks[-1] - CLOSE * span, marks[0] + CLOSE * span)


def against_count(
    table: pd.DataFrame,
    column: str,
    *,
    names: Sequence[str] | None = None,
    chance: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Accuracy or invariance against the number of seen categories (Figs. 2b, 2c, 5a).

    Args:
        table: from `analysis.across.beside`.
        column: `within`, `across`, `invariance`, `invariance_seen` or `invariance_unseen`.
        names: transformations; by default all.
        chance: accuracy by chance, as a dotted line.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"trained": "blur", "count": [1, 2], "across": [0.3, 0.6]})
        >>> plot.against_count(table, "across", chance=0.25).lines[0].get_ydata().tolist()
        [30.0, 60.0]
    """
    names = list(dict.fromkeys(table["trained"])) if names is None else names
    ax = new_axes(ax, (4.6, 3.4))
    of_accuracy = column in ("within", "across")
    _lines(ax, table, names, column, 100 if of_accuracy else 1)
    if chance is not None:
        ax.axhline(100 * chance, color="0.5", linestyle=":", linewidth=1)
    _count_axis(ax, table["count"])
    group = column.partition("_")[2]
    words = "mean invariance coefficient" + (f" ({group})" if group else "")
    ax.set_ylabel(f"{column}-category accuracy (%)" if of_accuracy else words)
    ax.set_ylim(bottom=0, top=102 if of_accuracy else 1)
    ax.legend(frameon=False, fontsize=7)
    return ax


def invariance_accuracy(
    table: pd.DataFrame, accuracy: str, invariance: str, ax: Axes | None = None
) -> Axes:
    """Accuracy against mean I_k, a mark a network (Figs. 5b, 5c), with Pearson's r.

    r is inside each transformation, and its interval over seeds, as in the table of findings
    (`analysis.intervals.correlation_within`): networks that share a seed are not independent.

    Args:
        table: from `analysis.across.beside`, without networks that saw all categories.
        accuracy: `within` or `across`.
        invariance: `invariance_seen` or `invariance_unseen`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"across": [0.1, 0.3, 0.2, 0.5], "count": [1, 2, 4, 8]})
        >>> table = table.assign(trained="blur", seed=0, invariance_unseen=table["count"] / 10)
        >>> plot.invariance_accuracy(table, "across", "invariance_unseen").get_ylabel()
        'across-category accuracy (%)'
    """
    longest = max(map(len, table["trained"]), default=0)
    ax = new_axes(ax, (4.7 + 0.05 * longest, 3.4))
    for number, (name, own) in enumerate(table.groupby("trained", sort=False)):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        sizes = 12 + 50 * own["count"] / table["count"].max()
        ax.scatter(
            own[invariance], 100 * own[accuracy], s=sizes, c=colour, marker=marker, label=str(name)
        )
    known = table.dropna(subset=[invariance, accuracy])
    columns = (known[name] for name in (invariance, accuracy, "trained", "seed"))
    r, low, high = correlation_within(*columns)
    interval = "no interval" if math.isnan(low) else f"95 %: {low:.2f} to {high:.2f}"
    found = f"r = {r:.2f} inside transformations ({interval})"
    found = "no r: too few counts of seen categories" if math.isnan(r) else found
    counts = number_of(len(known), "network"), number_of(len(set(known["seed"])), "seed")
    ax.set_title(f"{found}\n{', '.join(counts)}", fontsize=9)
    ax.set_xlabel(f"mean invariance coefficient, {invariance.partition('_')[2]} categories")
    ax.set_ylabel(f"{accuracy}-category accuracy (%)")
    ax.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def by_count(units: pd.DataFrame, name: str, ax: Axes | None = None) -> Axes:
    """Draw violins of I_k against the number of seen categories (Figs. 4, 9, 10).

    Args:
        units: with `trained`, `count`, `transformation`, `class` (`seen`, `unseen`, `all`).
        name: of the transformation.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> units = pd.DataFrame({"class": ["all", "seen", "unseen"], "invariance": [0.2, 0.6, 1]})
        >>> units = pd.concat([units] * 3).assign(transformation="blur", trained="none", count=0)
        >>> units.loc[units["class"] != "all", ["trained", "count"]] = ["blur", 2]
        >>> [tick.get_text() for tick in plot.by_count(units, "blur").get_xticklabels()]
        ['none', '2']
    """
    own: Any = units[units["transformation"] == name]
    before = own[(own["trained"] == NONE) & (own["class"] == "all")]
    counts = sorted({int(c) for c in own.loc[own["trained"] == name, "count"]})
    ax = new_axes(ax, (1.6 + 0.75 * len(counts), 3.0))
    ax.set_ylim(-0.02, 1.05)
    draw_violins(ax, [before["invariance"]], [0], WIDTH / 2, "0.5")
    for number, group in enumerate(("seen", "unseen")):
        rows = own[(own["trained"] == name) & (own["class"] == group)]
        groups = [rows.loc[rows["count"] == count, "invariance"] for count in counts]
        there = [k for k, values in enumerate(groups) if values.notna().any()]
        places = [1 + k + (number - 0.5) * WIDTH / 2 for k in there]
        draw_violins(ax, [groups[k] for k in there], places, WIDTH / 2.2, COLOURS[number])
        ax.plot([], [], color=COLOURS[number], linewidth=6, alpha=0.45, label=group)
    ax.set_xticks(range(len(counts) + 1), ["none", *map(str, counts)])
    ax.set_xlabel("categories seen transformed")
    ax.set_ylabel("invariance coefficient")
    ax.set_title(name, fontsize=9)
    ax.legend(frameon=False, fontsize=7, loc="lower right")
    return ax


def with_and_without(
    units: pd.DataFrame, count: int, *, column: str = "invariance", ax: Axes | None = None
) -> Axes:
    """Draw violins for networks trained with a transformation, and without (Figs. 3b, 3c, 12).

    Args:
        units: see `by_count`.
        count: of seen categories: all of them.
        column: `invariance` or `specialization`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> units = pd.DataFrame({"trained": ["none", "blur"] * 3, "count": [0, 4] * 3})
        >>> units = units.assign(transformation="blur", invariance=0.5, **{"class": "all"})
        >>> units["invariance"] += units.index / 20
        >>> len(plot.with_and_without(units, 4).collections)
        2
    """
    every: Any = units[units["class"] == "all"]
    names = [str(n) for n in dict.fromkeys(every["transformation"])]
    ax = new_axes(ax, (max(4.5, 0.8 * len(names) + 1.2), 3.4))
    ax.set_ylim(-1.05 if column == "specialization" else -0.02, 1.05)
    kinds = (("x", every["trained"] == NONE), ("x + T(x)", every["count"] == count))
    for number, (words, chosen) in enumerate(kinds):
        rows = every[chosen & ((every["trained"] == every["transformation"]) | (number == 0))]
        groups = [rows.loc[rows["transformation"] == name, column] for name in names]
        places = [k + (number - 0.5) * WIDTH / 2 for k in range(len(names))]
        draw_violins(ax, groups, places, WIDTH / 2.2, COLOURS[number])
        ax.plot([], [], color=COLOURS[number], linewidth=6, alpha=0.45, label=words)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
    ax.set_ylabel("specialization" if column == "specialization" else "invariance coefficient")
    ax.legend(frameon=False, fontsize=8, title="trained with", title_fontsize=8)
    return ax


def confusion(table: pd.DataFrame, name: str, ax: Axes | None = None) -> Axes:
    """Draw where transformed images go, against the number of seen categories (Fig. 6).

    Args:
        table: from `analysis.across.confusion_table`.
        name: of the transformation.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"quadrant": ["I", "II"], "share": [0.4, 0.9], "count": 2})
        >>> plot.confusion(table.assign(trained="blur"), "blur").get_title()
        'blur'
    """
    own: Any = table[table["trained"] == name]
    ax = new_axes(ax, (5.6, 3.0))
    for number, (quadrant, (of, to)) in enumerate(QUADRANTS.items()):
        means = 100 * own[own["quadrant"] == quadrant].groupby("count")["share"].mean()
        words = f"{quadrant}: {of} → {to}"
        style = "o-" if of == "seen" else "s--"
        look = {"color": COLOURS[number], "markersize": 3.5, "label": words}
        ax.plot(list(means.index), means.to_numpy(), style, **look)
    ax.set_ylim(-2, 102)
    _count_axis(ax, own["count"])
    ax.set_ylabel("images (%)")
    ax.set_title(name, fontsize=9)
    ax.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def layer_by_layer(
    means: pd.DataFrame, name: str, group: str = "all", ax: Axes | None = None
) -> Axes:
    """Mean I_k from site to site, one line a number of seen categories (Fig. 11).

    Args:
        means: from `analysis.across.invariance_means`.
        name: of the transformation.
        group: `seen`, `unseen` or `all`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> means = pd.DataFrame({"site": ["conv", "fc"], "mean": [0.8, 0.5], "group": "all"})
        >>> means = means.assign(transformation="blur", trained="blur", count=2)
        >>> plot.layer_by_layer(means, "blur").lines[1].get_ydata().tolist()
        [0.8, 0.5]
    """
    own: Any = means[means["transformation"] == name]
    sites = list(dict.fromkeys(own["site"]))
    trained = own[(own["trained"] == name) & (own["group"] == group)]
    before = own[(own["trained"] == NONE) & (own["group"] == "all")]
    ax = new_axes(ax, (1.8 + 0.6 * len(sites), 3.0))
    counts = sorted({int(c) for c in trained["count"]})
    for number, count in enumerate([0, *counts]):
        rows = before if count == 0 else trained[trained["count"] == count]
        values = rows.groupby("site", sort=False)["mean"].mean().reindex(sites)
        colour = str(0.75 - 0.75 * number / max(len(counts), 1))
        ax.plot(
            range(len(sites)), values.to_numpy(), "o-", color=colour, label=str(count or "none")
        )
    ax.set_xticks(range(len(sites)), differing_names(sites), rotation=40, ha="right")
    ax.set_ylim(0, 1)
    ax.set_ylabel("mean invariance coefficient")
    ax.set_title(name if group == "all" else f"{name},\n{group} categories", fontsize=9)
    ax.legend(frameon=False, fontsize=7, title="seen", title_fontsize=7)
    return ax
