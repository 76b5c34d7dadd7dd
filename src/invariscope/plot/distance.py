"""Loss of activity against pixel distance, with affine copies beside (Fig. 2)."""

import pandas as pd
from matplotlib.axes import Axes

from invariscope.plot.style import AFFINE_COLOURS, AFFINE_MARKERS, TASK_COLOURS, new_axes


def distance_activation(
    images: pd.DataFrame, affine: pd.DataFrame | None = None, ax: Axes | None = None
) -> Axes:
    """Plot chosen images and affine copies by pixel distance and loss of activity.

    Args:
        images: columns `task`, `pixel_distance` and `reduction` (percent of the reference's
            activity), one row an image.
        affine: from `analysis.affine.affine_baseline`.
        ax: where to plot; by default new axes.
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
