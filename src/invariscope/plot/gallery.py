"""Images of one unit: rows are sites, columns are seeds (Fig. 3a)."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from invariscope.experiments.result import Result


def gallery(result: Result, which: str = "kept", images: Sequence[Tensor] | None = None) -> Figure:
    """The reference, then one row a task and site with one image a seed.

    Args:
        result: runs from one reference.
        which: the member of each front that is shown (see `sns.choice.choose`).
        images: these members' images where they are at hand; by default the generator makes them.
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
