"""Final fronts: stretch against squeeze, one line a run (Fig. S1)."""

from matplotlib.axes import Axes

from invariscope.experiments.front_choice import choose
from invariscope.experiments.result import Result
from invariscope.plot.style import COLOURS, new_axes


def front(result: Result, ax: Axes | None = None) -> Axes:
    """Plot the front of every run; a ring marks the member that is shown in galleries.

    Args:
        result: runs of one unit; colours tell sites apart, lines seeds.
        ax: where to plot; by default new axes.
    """
    ax = new_axes(ax)
    groups: dict[str, str] = {}
    for record in result.runs:
        settings = record.settings
        name = f"{settings.task} at {settings.site}"
        label = None if name in groups else name
        colour = groups.setdefault(name, COLOURS[len(groups) % len(COLOURS)])
        x, y = record.front["stretch"].to_numpy(), record.front["squeeze"].to_numpy()
        ax.plot(x, y, ".-", color=colour, alpha=0.6, markersize=4, linewidth=1, label=label)
        row = choose(record.front, settings)
        ax.plot(x[row], y[row], "o", markersize=9, markerfacecolor="none", color=colour)
    ax.set_xlabel("stretch (L2 distance at the site)")
    ax.set_ylabel("squeeze (change of activity)")
    ax.legend(frameon=False, fontsize="small")
    return ax
