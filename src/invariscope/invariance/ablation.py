"""Accuracy without the inactive, or without the active units.

For each image that is presented, the units whose normalised activity for *that* image is at most τ
(or those above it) are set to 0 inside the running network, and the rest of the network goes on
from there (PAPERS §2; Figs. 7 and 8). A channel that counts as one unit is set to 0 as a whole.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.invariance.classes import Classifier
from invariscope.invariance.first_pass import FirstPass
from invariscope.invariance.pairs import treat
from invariscope.invariance.passes import MeasurementSetup
from invariscope.invariance.reading import read, spread
from invariscope.subjects.network import NetworkSubject

INACTIVE, ACTIVE, NOTHING = "inactive", "active", "nothing"
Thresholds = Mapping[int, Tensor]


def tau_thresholds(
    setup: MeasurementSetup, first: FirstPass, site: str, tau: float
) -> dict[int, Tensor]:
    """τ times each unit's maximum, `(units,)`, for each transformation that did not fail."""
    places = [p for p in range(len(setup.transformations)) if p not in setup.failed]
    own = setup.places[site]
    return {p: tau * first.extremes.maximum(p, setup.negatives)[own] for p in places}


def top_thresholds(
    setup: MeasurementSetup, first: FirstPass, site: str, percent: float
) -> dict[int, Tensor]:
    """Goodfellow et al.'s firing thresholds, `(units,)`, for each transformation."""
    if percent not in first.percents:
        raise InputError(f"no threshold for the top {percent} %; expected one of {first.percents}")
    level = first.levels[first.percents.index(percent), setup.places[site]]
    return {p: level for p in range(len(setup.transformations)) if p not in setup.failed}


@dataclass(eq=False)
class _Presented:
    """One transformation's images, as they are or transformed, with some units set to 0.

    Attributes:
        place: of the transformation.
        transformed: whether images are shown transformed.
        threshold: what a unit's activity must exceed to be active, `(units,)`.
        which: `inactive`, `active` or `nothing` is set to 0.
        correct: images that were classified correctly.
        lost, seen: units set to 0, and all, over all images.
    """

    setup: MeasurementSetup
    place: int
    transformed: bool
    threshold: Tensor
    which: str
    correct: int = 0
    lost: int = 0
    seen: int = 0

    def edit(self, output: Tensor) -> Tensor:
        """The site's output without those units."""
        activity = treat(read(output, self.setup.reading), self.setup.negatives)
        on = activity.abs().double() > self.threshold.to(activity.device)
        kept = on if self.which == INACTIVE else ~on
        self.lost += int((~kept).sum())
        self.seen += kept.numel()
        return torch.where(spread(kept, output, self.setup.reading), output, 0)

    def answer(
        self, subject: NetworkSubject, site: str, readout: Classifier, images: Tensor
    ) -> Tensor:
        """The class unit that each image drives most, `(n,)`."""
        with nullcontext() if self.which == NOTHING else subject.edited(site, self.edit):
            return readout.answer(subject, images)


def ablate(
    setup: MeasurementSetup, site: str, thresholds: Thresholds, which: str, readout: Classifier
) -> pd.DataFrame:
    """Top-1 accuracy while units of one site are set to 0.

    Args:
        setup: what is shown; its transformations, each beside the images as they are.
        site: where units are ablated.
        thresholds: what a unit's activity must exceed to be active, `(units,)`, by place of the
            transformation.
        which: `inactive` units are set to 0, or `active` ones, or `nothing`.

    Returns:
        One row a transformation and presentation: `site`, `transformation`, `shown` (`as it is` or
        `transformed`), `ablated`, `images`, `accuracy` in [0, 1], `share` of units set to 0.

    Raises:
        InputError: the subject is no network, or an unknown site or choice.
    """
    subject = setup.subject
    validate.one_of("choice of units", which, (INACTIVE, ACTIVE, NOTHING))
    if not isinstance(subject, NetworkSubject):
        raise InputError(f"{subject.name} cannot be ablated; expected a network")
    subject.module(site)
    cells = {
        (place, transformed): _Presented(setup, place, transformed, threshold, which)
        for place, threshold in thresholds.items()
        for transformed in (False, True)
    }
    # Images as they are need to be shown but once where their thresholds are the same.
    same: dict[int | None, _Presented] = {}
    for place, threshold in thresholds.items():
        key = None if which == NOTHING else id(threshold)
        cells[place, False] = same.setdefault(key, cells[place, False])
    keys, images = setup.images.keys(setup.seed), 0
    for batch in setup.images.stream(subject.image_size, setup.batch, subject.device):
        seen, images = subject.see(batch.images), images + len(batch.labels)
        wanted = readout.targets[torch.from_numpy(batch.labels)]
        for cell in dict.fromkeys(cells.values()):
            shown = seen
            if cell.transformed:
                shown = setup.transform(cell.place, seen, keys[batch.indices])
            if shown is not None:
                found = cell.answer(subject, site, readout, shown)
                cell.correct += int((found == wanted).sum())
    rows = [
        {
            "site": site,
            "transformation": setup.labels[place],
            "shown": "transformed" if transformed else "as it is",
            "ablated": which,
            "images": images,
            "accuracy": cell.correct / images,
            "share": cell.lost / max(cell.seen, 1),
        }
        for (place, transformed), cell in cells.items()
        if place not in setup.failed
    ]
    return pd.DataFrame(rows)
