"""Accuracy of people, or of networks in their place, in each condition (Figs. 4a, 4b)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from invariscope.plot.style import COLOURS, new_axes
from invariscope.survey.power import by_participant

NORMAL_95 = 1.96


def answers(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot the mean accuracy over participants, its 95 % interval, and each participant.

    Args:
        table: from `load_answers`; what is excluded does not count. Where any answer is simulated,
            the plot says so.
        ax: where to plot; by default new axes.

    Raises:
        InputError: no answer that counts.
    """
    ax = new_axes(ax)
    accuracy = by_participant(table)
    for place, name in enumerate(accuracy.columns):
        own = accuracy[name].dropna().to_numpy(float)
        error = own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else np.nan
        beside = place + 0.18 + 0.1 * np.linspace(-1, 1, len(own))
        ax.plot(beside, own, ".", color=COLOURS[5], alpha=0.5, markersize=4)
        ax.errorbar(place, own.mean(), NORMAL_95 * error, fmt="o", color=COLOURS[0], capsize=3)
    chance = 1 / len(set(table["category"]))
    ax.axhline(chance, color=COLOURS[6], linewidth=0.8, linestyle=":", label="chance")
    names = [str(name).replace(" ", "\n") for name in accuracy.columns]
    ax.set_xticks(range(len(names)), names, fontsize="small")
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("accuracy")
    who = f"{len(accuracy)} participants"
    if bool(table["simulated"].to_numpy(bool).any()):
        who = f"simulated, {who}"
        ax.text(
            *(0.5, 0.5, "simulated"),
            transform=ax.transAxes,
            ha="center",
            va="center",
            fontsize=32,
            color="#D55E00",
            alpha=0.18,
            zorder=0,
        )
    ax.set_title(who, fontsize="medium")
    ax.legend(frameon=False, fontsize="small", loc="upper right")
    return ax
