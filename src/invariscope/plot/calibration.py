"""Accuracy against the strength of a transformation, with the bound that it grows to."""

from matplotlib.axes import Axes

from invariscope.invariance.calibration import Calibration
from invariscope.plot.style import COLOURS, new_axes


def calibration(found: Calibration, ax: Axes | None = None) -> Axes:
    """Plot the curve of a calibration; a ring marks the first strength below the bound.

    Args:
        found: from `calibrate`.
        ax: where to plot; by default new axes.
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
