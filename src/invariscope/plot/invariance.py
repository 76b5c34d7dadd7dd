"""Invariance coefficients, active sets, ablation and calibration of a network (PAPERS §2)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from invariscope.analysis.grouping import rows_with
from invariscope.invariance.calibration import Calibration
from invariscope.plot.axes import COLOURS, new_axes

WORDS = {
    "invariance": "invariance coefficient",
    "specialization": "specialization",
}
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
WIDTH = 0.8
SET_TO_0 = {"nothing": "intact", "inactive": "without the inactive", "active": "without the active"}


def _deepest(table: pd.DataFrame) -> str:
    return str(table["site"].iloc[-1])


def draw_violins(
    ax: Axes, groups: Sequence[Any], places: Sequence[float], width: float, colour: str
) -> None:
    """Draw a violin for each group with its median and quartiles; a dash for an empty group."""
    for values, place in zip(groups, places, strict=True):
        known = np.asarray(values, float)
        known = known[np.isfinite(known)]
        if not len(known):
            ax.text(place, ax.get_ylim()[0], "–", ha="center", va="bottom", color="0.4")
            continue
        body: Any = ax.violinplot([known], [place], widths=width, showextrema=False)["bodies"]
        body[0].set(facecolor=colour, edgecolor=colour, alpha=0.45)
        low, middle, high = np.percentile(known, (25, 50, 75))
        ax.plot([place, place], [low, high], color=colour, linewidth=2.5, solid_capstyle="butt")
        ax.plot([place], [middle], "o", color="white", markeredgecolor=colour, markersize=4)


def coefficients(
    units: pd.DataFrame | Mapping[str, pd.DataFrame],
    site: str | None = None,
    *,
    column: str = "invariance",
    ax: Axes | None = None,
) -> Axes:
    """Draw violins of a coefficient over a site's units, by transformation (Figs. 3b, 12).

    Args:
        units: `Invariance.units`; or several by name (networks, trainings), drawn side by side.
        site: which; by default the deepest. Several networks are each taken at their deepest.
        column: `invariance` or `specialization`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> units = pd.DataFrame({"invariance": [0.2, 0.5, 0.9], "class": "all"})
        >>> plot.coefficients(units.assign(site="fc", transformation="hue")).get_ylabel()
        'invariance coefficient'
    """
    several = isinstance(units, Mapping)
    tables: dict[str, pd.DataFrame] = dict(units) if isinstance(units, Mapping) else {"": units}
    names = list(dict.fromkeys(t for table in tables.values() for t in table["transformation"]))
    ax = new_axes(ax, (max(4.5, 0.55 * len(names) * max(1, len(tables) * 0.7) + 1.2), 3.6))
    low = -1.05 if column == "specialization" else -0.02
    ax.set_ylim(low, 1.05)
    width = WIDTH / len(tables)
    for number, (name, table) in enumerate(tables.items()):
        chosen = site or _deepest(table)
        own = rows_with(table, site=chosen, **{"class": "all"})
        groups = [own.loc[own["transformation"] == t, column] for t in names]
        shift = (number - (len(tables) - 1) / 2) * width
        colour = COLOURS[number % len(COLOURS)]
        draw_violins(
            ax, groups, [place + shift for place in range(len(names))], width * 0.95, colour
        )
        if several:
            ax.plot([], [], color=colour, linewidth=6, alpha=0.45, label=f"{name} · {chosen}")
    if several:
        ax.legend(
            frameon=False,
            fontsize="small",
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=len(tables),
        )
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
    ax.set_ylabel(WORDS.get(column, column))
    return ax


def layers(summary: pd.DataFrame, *, column: str = "mean", ax: Axes | None = None) -> Axes:
    """Draw a statistic of I_k from site to site, a line for each transformation (Fig. 11).

    Args:
        summary: `Invariance.summary`.
        column: `mean`, `median`, `specialization`, `images_per_unit` or `units_per_image`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> summary = pd.DataFrame({"site": ["conv", "fc"], "mean": [0.8, 0.5]})
        >>> summary = summary.assign(transformation="hue", **{"class": "all"})
        >>> plot.layers(summary).lines[0].get_ydata().tolist()
        [0.8, 0.5]
    """
    every = rows_with(summary, **{"class": "all"})
    sites = list(dict.fromkeys(every["site"]))
    names = list(dict.fromkeys(every["transformation"]))
    ax = new_axes(ax, (max(5.5, 0.4 * len(sites) + 3), 4.0))
    for number, name in enumerate(names):
        rows = rows_with(every, transformation=name).set_index("site")
        turn = number // len(COLOURS)
        ax.plot(
            range(len(sites)),
            rows.loc[sites, column].to_numpy(float),
            color=COLOURS[number % len(COLOURS)],
            linestyle=STYLES[turn % len(STYLES)],
            marker=MARKERS[turn % len(MARKERS)],
            markersize=3.5,
            linewidth=1.3,
            label=name,
        )
    ax.set_xticks(range(len(sites)), sites, rotation=40, ha="right")
    ax.set_ylabel("mean invariance coefficient" if column == "mean" else column.replace("_", " "))
    if column in ("mean", "median"):
        ax.set_ylim(0, 1.02)
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def active_shares(
    units: pd.DataFrame, images: pd.DataFrame, site: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how many units an image activates, and how many images activate a unit (Fig. 3a).

    Args:
        units, images: the tables of `Invariance`.
        site: which; by default the deepest.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> images = pd.DataFrame({"share": [0.1, 0.2, 0.4], "site": "fc", "transformation": "hue"})
        >>> units = images.assign(active=[1, 2, 3], images=10, invariance=0.5, **{"class": "all"})
        >>> plot.active_shares(units, images).get_ylabel()
        '%'
    """
    chosen = site or _deepest(units)
    own = rows_with(units, site=chosen, **{"class": "all"}).dropna(subset=["invariance"])
    shown = rows_with(images, site=chosen)
    names = list(dict.fromkeys(units["transformation"]))
    ax = new_axes(ax, (max(4.5, 0.55 * len(names) * 1.4 + 1.2), 3.6))
    ax.set_ylim(-2, 105)
    own = own.assign(share=(own["active"] / own["images"]).astype(float))
    for number, (words, table) in enumerate(
        (("units that an image activates", shown), ("images that activate a unit", own))
    ):
        groups = [100 * table.loc[table["transformation"] == t, "share"] for t in names]
        places = [place + (number - 0.5) * WIDTH / 2 for place in range(len(names))]
        draw_violins(ax, groups, places, WIDTH / 2 * 0.95, COLOURS[number])
        ax.plot([], [], color=COLOURS[number], linewidth=6, alpha=0.45, label=words)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
    ax.set_ylabel("%")
    ax.legend(frameon=False, fontsize="small")
    return ax


def ablation(table: pd.DataFrame, shown: str = "transformed", ax: Axes | None = None) -> Axes:
    """Accuracy at one threshold, bars by transformation, each with its number (Fig. 7).

    Args:
        table: from `ablation_accuracy`; Goodfellow et al.'s thresholds in it are left out.
        shown: images `as it is` or `transformed`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"transformation": "hue", "shown": "transformed", "threshold": "tau 0.1"}
        >>> kinds = {"nothing": 0.9, "inactive": 0.89, "active": 0.1}
        >>> table = pd.DataFrame([{**row, "ablated": k, "accuracy": a} for k, a in kinds.items()])
        >>> plot.ablation(table).get_ylabel()
        'top-1 accuracy (%)'
    """
    own = rows_with(table, shown=shown)
    names = list(dict.fromkeys(own["transformation"]))
    longest = max(map(len, names), default=0)
    ax = new_axes(ax, (max(4.5, 0.6 * len(names) + 1.2) + 1.7, 3.0 + 0.035 * longest))
    for number, (kind, words) in enumerate(SET_TO_0.items()):
        rows = [
            row
            for row in rows_with(own, ablated=kind).to_dict("records")
            if not row["threshold"].startswith("top")
        ]
        accuracy = {row["transformation"]: 100 * row["accuracy"] for row in rows}
        places = [place + (number - 1) * WIDTH / 3 for place in range(len(names))]
        heights = [accuracy[name] for name in names]
        bars = ax.bar(places, heights, WIDTH / 3, color=COLOURS[number], label=words)
        ax.bar_label(bars, fmt="%.0f", fontsize=6, padding=1)
    ax.margins(y=0.08)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
    ax.set_ylabel("top-1 accuracy (%)")
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def ablation_by_share(
    table: pd.DataFrame, shown: str = "transformed", ax: Axes | None = None
) -> Axes:
    """Draw accuracy against k of Goodfellow et al.'s top-k % rule, and τ (Fig. 8).

    Means over transformations. A rule that finds the units that matter leaves the upper line at
    the intact accuracy and the lower one at chance.

    Args:
        table: from `ablation_accuracy` with `top`.
        shown: images `as it is` or `transformed`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> cells = [("nothing", ""), ("inactive", "top 10 %"), ("active", "top 10 %")]
        >>> table = pd.DataFrame(cells, columns=["ablated", "threshold"])
        >>> plot.ablation_by_share(table.assign(shown="transformed", accuracy=0.5)).get_xscale()
        'log'
    """
    own = rows_with(table, shown=shown)
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


def calibration(found: Calibration, ax: Axes | None = None) -> Axes:
    """Plot the curve of a calibration; a ring marks the first strength below the bound.

    Args:
        found: from `calibrate`.
        ax: where to plot; by default new axes.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> from invariscope import plot
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> colours = torch.eye(3).view(3, 3, 1, 1).expand(3, 3, 8, 8) / 2
        >>> images = iv.image_set(colours, [0, 1, 2], ("red", "green", "blue"))
        >>> plot.calibration(iv.calibrate(subject, images, "luminance")).get_ylabel()
        'top-1 accuracy (%)'
    """
    ax = new_axes(ax)
    x, y = found.curve["strength"].to_numpy(), 100 * found.curve["accuracy"].to_numpy()
    field = found.labels["field"]
    ax.plot(x, y, ".-", color=COLOURS[0], label=found.labels["subject"])
    bound, chance = f"bound {found.bound:.1%}", f"chance {found.chance:.1%}"
    ax.axhline(100 * found.bound, color=COLOURS[4], linewidth=1, label=bound)
    ax.axhline(100 * found.chance, color="0.6", linewidth=1, linestyle=":", label=chance)
    if found.reached:
        ax.plot(
            x[-1:],
            y[-1:],
            "o",
            markersize=11,
            markerfacecolor="none",
            color=COLOURS[4],
            label=f"{field} {x[-1]:g}",
        )
    ax.set_ylim(0, 100)
    ax.set_xlabel(f"{found.labels['transformation']}: {field} ({x[0]:g}: as it is)")
    ax.set_ylabel("top-1 accuracy (%)")
    ax.legend(frameon=False, fontsize="small")
    return ax
