"""Accuracy of a network while its inactive, or its active, units are set to 0 (Figs. 7 and 8)."""

import pandas as pd
from matplotlib.axes import Axes

from invariscope.plot.invariance import WIDTH, rows_where
from invariscope.plot.style import COLOURS, new_axes

SET_TO_0 = {"nothing": "intact", "inactive": "without the inactive", "active": "without the active"}


def ablation(table: pd.DataFrame, shown: str = "transformed", ax: Axes | None = None) -> Axes:
    """Accuracy at one threshold, bars by transformation (Fig. 7).

    Args:
        table: from `ablation_accuracy`; Goodfellow et al.'s thresholds in it are left out.
        shown: images `as it is` or `transformed`.
        ax: where to plot; by default new axes.
    """
    own = rows_where(table, shown=shown)
    names = list(dict.fromkeys(own["transformation"]))
    ax = new_axes(ax, (max(4.5, 0.55 * len(names) + 1.2), 3.2))
    for number, (kind, words) in enumerate(SET_TO_0.items()):
        rows = [
            row
            for row in rows_where(own, ablated=kind).to_dict("records")
            if not row["threshold"].startswith("top")
        ]
        accuracy = {row["transformation"]: 100 * row["accuracy"] for row in rows}
        places = [place + (number - 1) * WIDTH / 3 for place in range(len(names))]
        heights = [accuracy[name] for name in names]
        ax.bar(places, heights, WIDTH / 3, color=COLOURS[number], label=words)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
    ax.set_ylabel("top-1 accuracy (%)")
    ax.legend(frameon=False, fontsize="small")
    return ax


def ablation_by_share(
    table: pd.DataFrame, shown: str = "transformed", ax: Axes | None = None
) -> Axes:
    """Accuracy against k of Goodfellow et al.'s top-k % rule, τ beside it (Fig. 8).

    Means over transformations. A rule that finds the units that matter leaves the upper line at
    the intact accuracy and the lower one at chance.

    Args:
        table: from `ablation_accuracy` with `top`.
        shown: images `as it is` or `transformed`.
        ax: where to plot; by default new axes.
    """
    own = rows_where(table, shown=shown)
    groups = own.groupby(["ablated", "threshold"], sort=False).agg(accuracy=("accuracy", "mean"))
    means = {
        (row["ablated"], row["threshold"]): 100 * row["accuracy"]
        for row in groups.reset_index().to_dict("records")
    }
    thresholds = list(dict.fromkeys(name for _, name in means))
    shares = [name for name in thresholds if name.startswith("top")]
    percents = [float(name.split()[1]) for name in shares]
    ax = new_axes(ax, (6.4, 3.4))
    intact = means["nothing", ""]
    ax.axhline(intact, color=COLOURS[0], linewidth=1, label=SET_TO_0["nothing"])
    for number, kind in enumerate(("inactive", "active"), 1):
        colour, words = COLOURS[number], SET_TO_0[kind]
        heights = [means[kind, name] for name in shares]
        ax.plot(percents, heights, "o-", color=colour, label=f"{words}: top k %")
        for name in thresholds:
            if name.startswith("tau"):
                label = f"{words}: {name.replace('tau', 'τ =')}"
                ax.axhline(means[kind, name], color=colour, linestyle="--", label=label)
    ax.set_xscale("log")
    ax.set_xticks(percents, [f"{k:g}" for k in percents])
    ax.minorticks_off()
    ax.set_xlabel("k (% of images)")
    ax.set_ylabel("top-1 accuracy (%)")
    ax.set_ylim(0, max(means.values()) * 1.1)
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax
