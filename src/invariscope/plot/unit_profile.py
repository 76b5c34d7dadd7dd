"""One unit's invariance to known transformations and to the images of a search, on one scale."""

import numpy as np
from matplotlib.axes import Axes

from invariscope.analysis.unit_profile import IGNORES, IMAGES, SENSITIVE, Profile
from invariscope.plot.axes import COLOURS, TASK_COLOURS, new_axes


def profile(found: Profile, ax: Axes | None = None) -> Axes:
    """Plot h: a row a transformation (photos, and the reference), a row a task and site.

    Args:
        found: from `analysis.profile.profile`.
        ax: where to plot; by default new axes, as high as there are rows.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> from invariscope import plot
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> found = iv.profile(subject, "output:0", images, transformations=["inversion"])
        >>> [tick.get_text() for tick in plot.profile(found).get_yticklabels()]
        ['contrast polarity · inversion']
    """
    known = found.coefficients.sort_values("invariance", ascending=False)
    groups: dict[tuple[str, str], list[float]] = {}
    for row in found.images.to_dict("records"):
        groups.setdefault((row["task"], row["site"]), []).append(row["h"])
    ax = new_axes(ax, (6.4, 1.4 + 0.24 * (len(known) + len(groups))))
    ax.axvspan(IGNORES, 1, color=COLOURS[2], alpha=0.12, linewidth=0)
    ax.axvspan(0, SENSITIVE, color=COLOURS[4], alpha=0.12, linewidth=0)
    places = np.arange(len(known))
    invariance, own = known["invariance"].to_numpy(float), known["reference_h"].to_numpy(float)
    if np.isfinite(invariance).any():
        ax.plot(
            invariance,
            places,
            "o",
            color=COLOURS[0],
            clip_on=False,
            label="photos: invariance coefficient",
        )
    for place in places[np.isnan(invariance)]:
        ax.text(0.01, place, "–", va="center", color="0.4")
    if np.isfinite(own).any():
        ax.plot(
            own,
            places,
            "D",
            color="k",
            markersize=5,
            fillstyle="none",
            clip_on=False,
            label="the reference",
        )
    pairs = zip(known["changes"], known["transformation"], strict=True)
    labels = [change if change == name else f"{change} · {name}" for change, name in pairs]
    for (task, site), values in groups.items():
        label = IMAGES[task]
        there = ax.get_legend_handles_labels()[1]
        ax.plot(
            values,
            [len(labels)] * len(values),
            "o",
            color=TASK_COLOURS[task],
            alpha=0.6,
            markersize=5,
            clip_on=False,
            label=None if label in there else label,
        )
        labels.append(f"{label} at {site}")
    ax.set_yticks(range(len(labels)), labels, fontsize="small")
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_xlim(0, 1.02)
    ax.set_xlabel(f"h, invariance (≥ {IGNORES:g} ignores, ≤ {SENSITIVE:g} sensitive)")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax
