"""The figures of a study of networks, each with its caption (Jang et al., Figs. 2–14 in form)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariscope import plot
from invariscope.analysis.across import NetworkTables
from invariscope.paper.measured_study import family
from invariscope.plot.axes import figure_of
from invariscope.plurals import number_of

ACROSS = 3  # panels side by side


@dataclass(frozen=True)
class NetworkFigure:
    """One figure.

    Attributes:
        name: of its file: `fig2a`.
        title, caption: in words.
        figure: what is drawn.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def _panels(
    names: Sequence[str], size: tuple[float, float], draw: Callable[[str, Axes], Any]
) -> Figure:
    """Draw a panel for each name, three side by side, with one legend where all have the same."""
    columns = min(len(names), ACROSS)
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    for k, name in enumerate(names, 1):
        draw(name, figure.add_subplot(rows, columns, k))
    _share_legend(figure)
    return figure


def _share_legend(figure: Figure) -> None:
    """Draw one legend below all panels, where every panel has that legend."""
    first, *others = figure.axes
    shown, legend = first.get_legend_handles_labels(), first.get_legend()
    if legend is None or any(ax.get_legend_handles_labels()[1] != shown[1] for ax in others):
        return
    title = legend.get_title().get_text()
    for ax in figure.axes:
        if own := ax.get_legend():
            own.remove()
    names = shown[1]
    beside = max(1, int(figure.get_figwidth() * 20 / (max(map(len, names)) + 9)))  # of 7 points
    rows = -(-len(names) // beside)
    figure.set_figheight(figure.get_figheight() + 0.15 * (1 + rows + bool(title)))
    figure.legend(
        *shown,
        loc="outside lower center",
        ncols=-(-len(names) // rows),
        title=title,
        title_fontsize=7,
        fontsize=7,
        frameon=False,
    )


def _accuracy(tables: NetworkTables, families: Mapping[str, str]) -> Iterator[NetworkFigure]:
    every = tables.categories
    figure = figure_of(plot.transfer_matrix(tables.accuracy, every))
    caption = (
        f"Top-1 accuracy (%) of networks that saw all {number_of(every, 'category')} transformed; "
        "none: those that saw no image transformed."
    )
    yield NetworkFigure("fig2a", "Training × test transformation", caption, figure)
    kinds = list(dict.fromkeys(family(t, families) for t in tables.transformations))
    none_left = " Networks that saw all categories transformed have no unseen ones."
    for column, words in (("within", "seen"), ("across", "unseen")):

        def draw(kind: str, ax: Axes, column: str = column) -> None:
            names = [t for t in tables.transformations if family(t, families) == kind]
            plot.against_count(tables.beside, column, names=names, chance=tables.chance, ax=ax)
            ax.set_title(kind, fontsize=9)

        figure = _panels(kinds, (3.4, 3.0), draw)
        caption = (
            f"Accuracy on transformed test images of {words}-transformed categories, answers among "
            "all categories. Line: mean over seeds; small marks: each seed; dotted: chance."
        ) + none_left * (column == "across")
        name = "fig2b" if column == "within" else "fig2c"
        yield NetworkFigure(name, f"{column.capitalize()}-category accuracy", caption, figure)


def _active(tables: NetworkTables) -> Iterator[NetworkFigure]:
    units: Any = tables.units[tables.units["count"] == tables.categories]
    images: Any = tables.images[tables.images["count"] == tables.categories]
    if not len(units) or not len(images):
        return
    ax = plot.active_shares(units, images, site=tables.site)
    tau = tables.measured["tau"]
    caption = (
        f"At the penultimate layer, τ = {tau:g}; networks that saw all categories transformed."
    )
    yield NetworkFigure(
        "fig3a", "How many units an image activates, how many images a unit", caption, figure_of(ax)
    )
    ax = plot.with_and_without(tables.units, tables.categories)
    caption = (
        "Penultimate layer; x: trained without the transformation, x + T(x): with it on all "
        "categories."
    )
    yield NetworkFigure("fig3b", "Invariance with and without training", caption, figure_of(ax))


def _by_transformation(tables: NetworkTables) -> Iterator[NetworkFigure]:
    names = tables.transformations
    units, quadrants, means = tables.units, tables.confusion, tables.means
    figure = _panels(names, (4.0, 2.8), lambda name, ax: plot.by_count(units, name, ax))
    caption = (
        "I_k of the penultimate layer's units over the images of seen and of unseen categories."
    )
    yield NetworkFigure(
        "fig4", "Invariance against the number of seen categories (Figs. 4, 9, 10)", caption, figure
    )
    figure = _panels(names, (3.4, 2.8), lambda name, ax: plot.confusion(quadrants, name, ax))
    caption = "Transformed images of seen (solid) and unseen (dashed) categories by where they go."
    yield NetworkFigure("fig6", "Confusion quadrants", caption, figure)
    for group in ("all", "seen", "unseen"):
        figure = _panels(
            names,
            (3.6, 3.0),
            lambda name, ax, group=group: plot.layer_by_layer(means, name, group, ax),
        )
        caption = f"Mean I_k of each layer, images of {group} categories."
        yield NetworkFigure(
            f"fig11_{group}", f"Layer by layer, {group} categories", caption, figure
        )


def _beside(tables: NetworkTables) -> Iterator[NetworkFigure]:
    figure = figure_of(plot.against_count(tables.beside, "invariance"))
    yield NetworkFigure(
        "fig5a",
        "Invariance against the number of seen categories",
        "Mean I_k of the penultimate layer over all test images.",
        figure,
    )
    partial: Any = tables.beside[tables.beside["count"] < tables.categories]
    for name, accuracy, invariance in (
        ("fig5b", "within", "invariance_seen"),
        ("fig5c", "across", "invariance_unseen"),
    ):
        figure = figure_of(plot.invariance_accuracy(partial, accuracy, invariance))
        caption = (
            "A mark a network, larger where it saw more categories transformed. r is Pearson's "
            "inside transformations (their means are taken off), averaged over seeds as Fisher's "
            "z, with Student's 95 % interval over seeds; too few counts give none."
        )
        yield NetworkFigure(
            name, f"{accuracy.capitalize()}-category accuracy against invariance", caption, figure
        )


def _ablation(tables: NetworkTables) -> Iterator[NetworkFigure]:
    if not len(tables.ablation):
        return
    keys = ["site", "transformation", "shown", "ablated", "threshold"]
    table: Any = tables.ablation[tables.ablation["transformation"] == tables.ablation["trained"]]
    means: pd.DataFrame = table.groupby(keys, sort=False)["accuracy"].mean().reset_index()
    caption = "Accuracy on transformed images, units chosen anew for each image; means over seeds."
    yield NetworkFigure(
        "fig7", "Ablating active and inactive units", caption, figure_of(plot.ablation(means))
    )
    if means["threshold"].str.startswith("top").any():
        caption = "The same with Goodfellow et al.'s top-k % rule; means over transformations."
        figure = figure_of(plot.ablation_by_share(means))
        yield NetworkFigure("fig8", "Thresholds of Goodfellow et al.", caption, figure)


def _specialization(tables: NetworkTables) -> Iterator[NetworkFigure]:
    ax = plot.with_and_without(tables.units, tables.categories, column="specialization")
    caption = "+1: a unit answers to transformed images only, −1: to images as they are only."
    yield NetworkFigure("fig12", "Specialization with and without training", caption, figure_of(ax))


def network_figures(tables: NetworkTables, families: Mapping[str, str]) -> list[NetworkFigure]:
    """Draw every figure that the tables allow, in the paper's order.

    A study of another network gives Figs. 13 and 14, which repeat Figs. 2 to 5.

    Args:
        families: of transformations, by name.
    """
    parts = [*_accuracy(tables, families), *_active(tables), *_by_transformation(tables)]
    parts += [*_beside(tables), *_ablation(tables), *_specialization(tables)]
    return sorted(
        parts, key=lambda drawn: (len(drawn.name.partition("_")[0].rstrip("abc")), drawn.name)
    )
