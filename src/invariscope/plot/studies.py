"""Figures of a study's own runs: distance, separability, convergence, dimension, and others."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from invariscope.analysis.controls import AFFINE
from invariscope.analysis.grouping import groups_by, rows_where
from invariscope.plot.axes import (
    AFFINE_COLOURS,
    AFFINE_MARKERS,
    COLOURS,
    MARKERS,
    TASK_COLOURS,
    chance_line,
    figure_of,
    new_axes,
    points,
    say_bars,
    say_intervals,
)
from invariscope.plurals import number_of

ALL = "all"
SD, WILSON = "SD over units", "Wilson's 95 % intervals"  # what bars are


def mean_distance(
    summary: pd.DataFrame, ax: Axes | None = None, *, controls: pd.DataFrame | None = None
) -> Axes:
    """Draw loss of activity against pixel distance, mean ± SD over units (Fig. 2).

    Args:
        summary: one subject's rows of `analysis.distance.distance_activation`.
        ax: where to plot; by default new axes.
        controls: the same subject's rows of `analysis.controls.control_means`, drawn hollow;
            affine copies are left out, which `summary` has at every strength.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"series": "invariance", "site": "pixels", "distance": 120.0, "distance_sd": 8.0}
        >>> table = pd.DataFrame([{**row, "reduction": 20.0, "reduction_sd": 5.0}])
        >>> plot.mean_distance(table).get_ylabel()
        "activity lost (% of the reference's)"
    """
    ax = new_axes(ax)
    sites = [site for site in dict.fromkeys(summary["site"]) if site]
    for key, own in groups_by(summary, ["series", "site"]):
        kind, site = key["series"], key["site"]
        copies = kind not in TASK_COLOURS
        rows = own.sort_values("distance") if copies else own
        ax.errorbar(
            rows["distance"],
            rows["reduction"],
            rows["reduction_sd"].fillna(0),
            rows["distance_sd"].fillna(0),
            color=AFFINE_COLOURS[kind] if copies else TASK_COLOURS[kind],
            marker=AFFINE_MARKERS[kind] if copies else MARKERS[sites.index(site)],
            markersize=4 if copies else 7,
            capsize=2,
            linewidth=1,
            alpha=0.8 if copies else 1,
            label=f"affine copies: {kind}" if copies else f"{kind}, stretched at {site}",
        )
    for number, row in enumerate([] if controls is None else controls.to_dict("records")):
        if row["series"] != AFFINE:
            ax.errorbar(
                row["distance"],
                row["reduction"],
                np.nan_to_num(row["reduction_sd"]),
                np.nan_to_num(row["distance_sd"]),
                color="0.35",
                marker=MARKERS[number % len(MARKERS)],
                markerfacecolor="white",
                markersize=7,
                capsize=2,
                linewidth=1,
                linestyle="",
                label=row["series"],
            )
    ax.plot([0], [0], "k*", markersize=10, label="reference")
    ax.axhline(100, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_xlabel("pixel distance from the reference (L2)")
    say_bars(ax, SD)
    ax.set_ylabel("activity lost (% of the reference's)")
    ax.legend(frameon=False, fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def separability(table: pd.DataFrame, scheme: str = "grouped", ax: Axes | None = None) -> Axes:
    """Accuracy in telling the stretched sites apart, against components (Fig. 3c).

    Args:
        table: of `analysis.separability.separability`, with `subject`.
        scheme: `grouped` by unit, or `stratified`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"components": [2, 50], "accuracy": [0.5, 0.8]})
        >>> table = table.assign(low=0.4, high=0.9, chance=0.33, shuffled=0.34, subject="a network")
        >>> table = table.assign(scheme="grouped", **{"class": "all"})
        >>> plot.separability(table).get_ylabel()
        'accuracy, folds grouped by unit'
    """
    own = rows_where(table, (table["scheme"] == scheme) & (table["class"] == ALL))
    ax = points(own, "components", "accuracy", "subject", ends=("low", "high"), ax=ax)
    for number, (_, rows) in enumerate(groups_by(own, ["subject"])):
        places = range(len(rows))
        ax.plot(places, rows["shuffled"], "--", color=COLOURS[number], linewidth=0.8)
    chance_line(ax, float(own["chance"].iloc[0]), "chance (dashed: shuffled)")
    ax.set_ylim(0, 1.03)
    ax.set_xlabel("principal components")
    say_intervals(ax, own, "units")
    ax.set_ylabel(f"accuracy, folds {scheme}" + (" by unit" if scheme == "grouped" else ""))
    return ax


def convergence(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of runs that their stopping rule ended, with Wilson's interval (row 10).

    Args:
        table: of `analysis.searches.convergence`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"target": "fc", "task": "invariance", "site": "pixels", "subject": "a network"}
        >>> table = pd.DataFrame([{**row, "subset": None, "share": 0.7, "low": 0.5, "high": 0.8}])
        >>> plot.convergence(table).get_ylabel()
        'runs that converged'
    """
    several = len(set(table["target"])) > 1
    words = table["target"] + " " if several else ""
    sizes = [
        f" ({number_of(size, 'unit', 'g')})" if pd.notna(size) else ""
        for size in table["subset"].astype(float)
    ]
    named = table.assign(named=words + table["task"] + " " + table["site"] + sizes)
    ax = points(named, "named", "share", "subject", ends=("low", "high"), join=False, ax=ax)
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("runs that converged")
    say_intervals(ax, named, "runs", WILSON)
    return ax


def controls(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how much farther invariant images lie than each control, at equal losses (Fig. 2).

    Args:
        table: one subject's rows of `analysis.controls.beside_invariant`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"series": "affine copies", "farther": 70.0, "compared": 5}
        >>> table = pd.DataFrame([{**row, "loss": 25.0, "low": 60.0, "high": 80.0}])
        >>> plot.controls(table).get_ylabel()
        'how much farther invariant images lie'
    """
    known = table[table["compared"] > 0]
    named = known.assign(named=[f"{loss:g} % lost" for loss in known["loss"]])
    ax = points(named, "named", "farther", "series", ends=("low", "high"), join=False, ax=ax)
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set_ylabel("how much farther invariant images lie")
    say_intervals(ax, named, "units")
    return ax


def coverage(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the cells of appearance that restarts reach against the images shown.

    Args:
        table: one subject's rows of `analysis.coverage.coverage`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"images": [1000, 2000], "cells": [4.0, 6.0], "cells_sd": 1.0})
        >>> plot.coverage(table.assign(site="pixels", strategy="isotropic")).get_ylabel()
        'cells beyond the natural maximum'
    """
    ax = new_axes(ax)
    several = len(set(table["strategy"])) > 1
    for number, (key, own) in enumerate(groups_by(table, ["strategy", "site"])):
        ax.errorbar(
            own["images"],
            own["cells"],
            own["cells_sd"].fillna(0),
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            capsize=2,
            linewidth=1,
            label=f"{key['strategy']}, {key['site']}" if several else key["site"],
        )
    ax.set_ylim(bottom=0)
    ax.set_xlabel("images shown")
    say_bars(ax, SD)
    ax.set_ylabel("cells beyond the natural maximum")
    ax.legend(frameon=False, fontsize="small")
    return ax


def dimension(table: pd.DataFrame, estimator: str = "two nearest", ax: Axes | None = None) -> Axes:
    """Dimension against how many images are taken, mean over units (row 11).

    Args:
        table: one subject's rows of `analysis.dimension.dimension`.
        estimator: `two nearest` or `participation ratio`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"points": [25, 50], "dimension": [5.0, 6.0], "site": "pixels"})
        >>> plot.dimension(table.assign(estimator="two nearest")).get_ylabel()
        'dimension (two nearest)'
    """
    own = rows_where(table, table["estimator"] == estimator)
    means = own.groupby(["site", "points"], sort=False, as_index=False).agg(
        dimension=("dimension", "mean"), sd=("dimension", "std")
    )
    ax = points(means.sort_values("points"), "points", "dimension", "site", sd="sd", ax=ax)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("images (one a run)")
    say_bars(ax, SD)
    ax.set_ylabel(f"dimension ({estimator})")
    return ax


def displacement(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how far I_k predicts displacement along the transformations, by stretched site.

    Args:
        table: of `analysis.displacement.predicted_displacement`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> row = {"subject": "a network", "site": "pixels", "r": 0.2, "low": -0.1, "high": 0.5}
        >>> plot.displacement(pd.DataFrame([row])).get_ylabel()
        'r of I_k and displacement'
    """
    ax = points(table, "site", "r", "subject", ends=("low", "high"), join=False, ax=ax)
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set_ylim(-1.05, 1.05)
    ax.set_ylabel("r of I_k and displacement")
    say_intervals(ax, table, "units")
    return ax


def subsets(table: pd.DataFrame, value: str = "full_stretch", ax: Axes | None = None) -> Axes:
    """Draw the reach of stretch at a subset against the subset's size (row 13).

    Args:
        table: of `analysis.searches.subsets`.
        value: `full_stretch`, `pixel_distance`, `reduction` or `converged`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"entries": [100, None], "full_stretch": [186.0, 212.0]})
        >>> plot.subsets(table.assign(subject="a network", site="conv")).get_ylabel()
        'full stretch'
    """
    entries = [("all" if pd.isna(size) else f"{size:g}") for size in table["entries"]]
    named = table.assign(entries=entries, group=table["subject"] + " " + table["site"])
    ends = ("low", "high") if value == "converged" else None
    ax = points(named, "entries", value, "group", ends=ends, ax=ax)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("units of the site that are stretched")
    if ends:
        say_intervals(ax, table, "runs", WILSON)
    ax.set_ylabel(value.replace("_", " "))
    return ax


def naturalness(table: pd.DataFrame, value: str = "over_maximum", ax: Axes | None = None) -> Axes:
    """Draw the activity for searched images beside natural images (row 8).

    Args:
        table: of `analysis.naturalness.naturalness`.
        value: `over_maximum` or `percentile`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"series": ["photos", "invariance"], "over_maximum": [0.5, 1.0]})
        >>> table = table.assign(site=["", "pixels"], subject="a network", over_maximum_sd=0.1)
        >>> plot.naturalness(table).get_ylabel()
        'activity over the natural maximum'
    """
    site = table["site"].fillna("").astype(str)
    named = table.assign(named=(table["series"] + " " + site).str.strip())
    ax = points(named, "named", value, "subject", sd=f"{value}_sd", join=False, ax=ax)
    say_bars(ax, SD)
    if value == "over_maximum":
        ax.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
        ax.set_ylabel("activity over the natural maximum")
    else:
        ax.set_ylabel("percentile among natural images")
    return ax


def appearance(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how far each statistic moved, by stretched site: 1 is another unit's reference.

    Args:
        table: one subject's rows of `analysis.appearance.appearance_summary`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> table = pd.DataFrame({"statistic": ["colour", "texture"], "relative": [2.0, 0.9]})
        >>> len(plot.appearance(table.assign(task="invariance", site="pixels")).texts)
        2
    """
    named = table.assign(named=table["task"] + " " + table["site"])
    wide = named.pivot_table(index="named", columns="statistic", values="relative", sort=False)
    values = wide.to_numpy(float)
    if not np.isfinite(values).any():
        ax = new_axes(ax, (4, 1))
        ax.set_axis_off()
        ax.text(0.5, 0.5, "no other unit's reference to compare with", ha="center")
        return ax
    ax = new_axes(ax, (1.4 + 0.9 * values.shape[1], 1.3 + 0.5 * values.shape[0]))
    shown = ax.imshow(values, cmap="viridis", vmin=0, vmax=max(1.0, float(np.nanmax(values))))
    middle = float(np.nanmax(values)) / 2
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < middle else "black"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
    ax.set_xticks(range(values.shape[1]), wide.columns, rotation=30, ha="right")
    ax.set_yticks(range(values.shape[0]), wide.index)
    figure_of(ax).colorbar(shown, ax=ax, label="apart from the reference")
    return ax
