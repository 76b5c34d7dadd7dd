"""Invariance coefficients of a network's units: violins, layer by layer, active sets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from invariscope.plot.style import COLOURS, new_axes

WORDS = {
    "invariance": "invariance coefficient",
    "specialization": "specialization",
}
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
WIDTH = 0.8


def rows_where(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    """The rows in which each named column has its value."""
    chosen = np.logical_and.reduce([table[column] == value for column, value in values.items()])
    rows: Any = table[chosen]
    return rows


def _deepest(table: pd.DataFrame) -> str:
    return str(table["site"].iloc[-1])


def draw_violins(
    ax: Axes, groups: Sequence[Any], places: Sequence[float], width: float, colour: str
) -> None:
    """One violin a group with its median and quartiles; a dash where a group is empty."""
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
    """Violins of a coefficient over the units of a site, one a transformation (Figs. 3b, 12).

    Args:
        units: `Invariance.units`; or several by name (networks, trainings), drawn side by side.
        site: which; by default the deepest. Several networks are each taken at their deepest.
        column: `invariance` or `specialization`.
        ax: where to plot; by default new axes.
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
        own = rows_where(table, site=chosen, **{"class": "all"})
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
    """A figure of I_k's distribution from site to site, one line a transformation (Fig. 11).

    Args:
        summary: `Invariance.summary`.
        column: `mean`, `median`, `specialization`, `images_per_unit` or `units_per_image`.
        ax: where to plot; by default new axes.
    """
    every = rows_where(summary, **{"class": "all"})
    sites = list(dict.fromkeys(every["site"]))
    names = list(dict.fromkeys(every["transformation"]))
    ax = new_axes(ax, (max(5.5, 0.4 * len(sites) + 3), 4.0))
    for number, name in enumerate(names):
        rows = rows_where(every, transformation=name).set_index("site")
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
    """How many units an image activates, and how many images a unit (Fig. 3a).

    Args:
        units, images: the tables of `Invariance`.
        site: which; by default the deepest.
        ax: where to plot; by default new axes.
    """
    chosen = site or _deepest(units)
    own = rows_where(units, site=chosen, **{"class": "all"}).dropna(subset=["invariance"])
    shown = rows_where(images, site=chosen)
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
