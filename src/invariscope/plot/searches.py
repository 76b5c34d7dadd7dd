"""Results of searches: distances beside affine copies, fronts, galleries (Figs. 2, 3a, S1)."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from invariscope.experiments.front_choice import choose
from invariscope.experiments.result import Result
from invariscope.plot.axes import AFFINE_COLOURS, AFFINE_MARKERS, COLOURS, TASK_COLOURS, new_axes


def distance_activation(
    images: pd.DataFrame, affine: pd.DataFrame | None = None, ax: Axes | None = None
) -> Axes:
    """Plot chosen images and affine copies by pixel distance and loss of activity.

    Args:
        images: columns `task`, `pixel_distance` and `reduction` (percent of the reference's
            activity), one row an image.
        affine: from `analysis.affine.affine_baseline`.
        ax: where to plot; by default new axes.

    Example:
        >>> import pandas as pd
        >>> from invariscope import plot
        >>> image = {"task": "invariance", "pixel_distance": 40.0, "reduction": 15.0}
        >>> plot.distance_activation(pd.DataFrame([image])).get_xlabel()
        'pixel distance from the reference (L2)'
    """
    ax = new_axes(ax)
    if affine is not None:
        for kind, copies in affine.groupby("kind"):
            path = copies.sort_values("distance")
            ax.plot(
                path["distance"],
                path["reduction"],
                marker=AFFINE_MARKERS[str(kind)],
                color=AFFINE_COLOURS[str(kind)],
                linewidth=1,
                markersize=5,
                alpha=0.8,
                label=f"affine copies: {kind}",
            )
    for task, rows in images.groupby("task"):
        colour = TASK_COLOURS[str(task)]
        words = "invariant images" if task == "invariance" else "silencing images"
        ax.plot(
            rows["pixel_distance"], rows["reduction"], "o", color=colour, markersize=8, label=words
        )
    ax.plot([0], [0], "k*", markersize=11, label="reference")
    ax.axhline(100, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_xlabel("pixel distance from the reference (L2)")
    ax.set_ylabel("activity lost (% of the reference's)")
    ax.legend(frameon=False, fontsize="small")
    return ax


def front(result: Result, ax: Axes | None = None) -> Axes:
    """Plot the front of every run; a ring marks the member that is shown in galleries.

    Members of a run that fills cells are dots without a line, since one does not lead to the next.

    Args:
        result: runs of one unit; colours tell sites apart, lines seeds.
        ax: where to plot; by default new axes.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> from invariscope.testing.toys import ToyGenerator, ToySubject
        >>> subject, generator = ToySubject(torch.ones(1, 3, 4, 4)), ToyGenerator(4)
        >>> reference = iv.image_reference(torch.full((3, 4, 4), 0.5), 4)
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> found = iv.stretch_and_squeeze(
        ...     subject, generator, "linear:0", reference=reference, options=short, out="runs"
        ... )
        >>> iv.plot.front(found).get_ylabel()
        'squeeze (change of activity)'
    """
    ax = new_axes(ax)
    groups: dict[str, str] = {}
    for record in result.runs:
        settings = record.settings
        name = f"{settings.task} at {settings.site}"
        label = None if name in groups else name
        colour = groups.setdefault(name, COLOURS[len(groups) % len(COLOURS)])
        x, y = record.front["stretch"].to_numpy(), record.front["squeeze"].to_numpy()
        marks = "." if settings.strategy.get("cells") else ".-"
        ax.plot(x, y, marks, color=colour, alpha=0.6, markersize=4, linewidth=1, label=label)
        row = choose(record.front, settings)
        ax.plot(x[row], y[row], "o", markersize=9, markerfacecolor="none", color=colour)
    ax.set_xlabel("stretch (L2 distance at the site)")
    ax.set_ylabel("squeeze (change of activity)")
    ax.legend(frameon=False, fontsize="small")
    return ax


def gallery(result: Result, which: str = "kept", images: Sequence[Tensor] | None = None) -> Figure:
    """Show the reference, then one row a task and site with one image a seed (Fig. 3a).

    Args:
        result: runs from one reference.
        which: the member of each front that is shown (see `experiments.front_choice.choose`).
        images: these members' images where they are at hand; by default the generator makes them.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> from invariscope.testing.toys import ToyGenerator, ToySubject
        >>> subject, generator = ToySubject(torch.ones(1, 3, 4, 4)), ToyGenerator(4)
        >>> reference = iv.image_reference(torch.full((3, 4, 4), 0.5), 4)
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> found = iv.stretch_and_squeeze(
        ...     subject, generator, "linear:0", reference=reference, options=short, out="runs"
        ... )
        >>> len(iv.plot.gallery(found).axes)
        2
    """
    rows = list(dict.fromkeys((r.settings.task, r.settings.site) for r in result.runs))
    seeds = sorted({r.settings.seed for r in result.runs})
    figure = Figure(figsize=(1.5 * (len(seeds) + 1), 1.6 * len(rows) + 0.2), layout="constrained")
    axes = figure.subplots(len(rows), len(seeds) + 1, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    made = result.images(which) if images is None else images
    for record, image in zip(result.runs, made, strict=True):
        settings = record.settings
        row = rows.index((settings.task, settings.site))
        axes[row, seeds.index(settings.seed) + 1].imshow(_picture(image))
    for row, (task, site) in enumerate(rows):
        axes[row, 0].imshow(_picture(result.reference.image))
        axes[row, 1].set_title(f"{task}\n{site}", fontsize="small", loc="left")
    axes[0, 0].set_title("reference", fontsize="small", loc="left")
    return figure


def _picture(image: Tensor):  # noqa: ANN202
    return image.permute(1, 2, 0).clamp(0, 1).numpy()
