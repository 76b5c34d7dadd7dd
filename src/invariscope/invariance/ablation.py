"""Accuracy without the inactive, or without the active units.

For each image that is presented, the units whose normalised activity for *that* image is at most τ
(or those above it) are set to 0 inside the running network, and the rest of the network goes on
from there (PAPERS §2; Figs. 7 and 8). A channel that counts as one unit is set to 0 as a whole.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.invariance.classes import Classifier, classifier
from invariscope.invariance.pairs import treat
from invariscope.invariance.passes import MeasurementSetup
from invariscope.invariance.ranges import ActivityRanges, measure_ranges
from invariscope.invariance.reading import read, spread
from invariscope.subjects.network import NetworkSubject

INACTIVE, ACTIVE, NOTHING, EVERY = "inactive", "active", "nothing", "every"
Thresholds = Mapping[int, Tensor]
TAUS = tuple(round(0.05 * step, 2) for step in range(21))
MOST_LOST = 0.01
PASSED_BY = 0.25  # of the accuracy above chance, left without a site: its units do not carry it


def tau_thresholds(
    setup: MeasurementSetup, ranges: ActivityRanges, site: str, tau: float
) -> dict[int, Tensor]:
    """τ times each unit's maximum, `(units,)`, for each transformation that did not fail."""
    places = [p for p in range(len(setup.transformations)) if p not in setup.failed]
    own = setup.places[site]
    return {p: tau * ranges.maximum(p, setup.negatives)[own] for p in places}


def top_thresholds(
    setup: MeasurementSetup, ranges: ActivityRanges, site: str, percent: float
) -> dict[int, Tensor]:
    """Goodfellow et al.'s firing thresholds, `(units,)`, for each transformation."""
    if percent not in ranges.percents:
        raise InputError(f"no threshold for the top {percent} %; expected one of {ranges.percents}")
    level = ranges.levels[ranges.percents.index(percent), setup.places[site]]
    return {p: level for p in range(len(setup.transformations)) if p not in setup.failed}


@dataclass(eq=False)
class _Presented:
    """One transformation's images, untransformed or transformed, with some units set to 0.

    Attributes:
        place: of the transformation.
        transformed: whether images are shown transformed.
        threshold: what a unit's activity must exceed to be active, `(units,)`.
        which: `inactive`, `active`, `every` or `nothing` is set to 0.
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
        """Set the units to 0 in the site's output."""
        activity = treat(read(output, self.setup.reading), self.setup.negatives)
        on = activity.abs().double() > self.threshold.to(activity.device)
        kept = on if self.which == INACTIVE else ~on
        kept = kept & (self.which != EVERY)
        self.lost += int((~kept).sum())
        self.seen += kept.numel()
        return torch.where(spread(kept, output, self.setup.reading), output, 0)

    def answer(
        self, subject: NetworkSubject, site: str, readout: Classifier, images: Tensor
    ) -> Tensor:
        """Find the class unit that each image drives most, `(n,)`."""
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
        which: `inactive` units are set to 0, or `active` ones, `every` one, or `nothing`.

    Returns:
        One row a transformation and presentation: `site`, `transformation`, `shown` (`as it is` or
        `transformed`), `ablated`, `images`, `accuracy` in [0, 1], `share` of units set to 0.

    Raises:
        InputError: the subject is no network, or an unknown site or choice.
    """
    subject = setup.subject
    validate.one_of("choice of units", which, (INACTIVE, ACTIVE, NOTHING, EVERY))
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
        key = None if which in (NOTHING, EVERY) else id(threshold)
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


@dataclass(frozen=True)
class TauChoice:
    """The threshold by the paper's rule.

    Attributes:
        tau: the highest that costs nothing; None where even 0 costs too much.
        table: accuracy with the inactive units ablated, a row a tau that was tried,
            transformation and presentation; `lost` against no ablation, in [0, 1]; `intact`,
            `without_site` and `chance` (see `passed_by`).
    """

    tau: float | None
    table: pd.DataFrame = field(repr=False)

    @property
    def known(self) -> float:
        """The threshold; an error where there is none.

        Raises:
            InputError: even τ = 0 costs too much.
        """
        if self.tau is None:
            raise InputError(
                f"even without the silent units of {self.table['site'].iloc[0]!r} accuracy "
                "falls by more than one percentage point; give a number as tau (--tau)"
            )
        return self.tau


def find_tau(
    setup: MeasurementSetup,
    site: str,
    *,
    ranges: ActivityRanges | None = None,
    readout: Classifier | None = None,
    taus: Sequence[float] = TAUS,
    most_lost: float = MOST_LOST,
) -> TauChoice:
    """Find the highest τ that costs at most 1 point of accuracy, inactive units ablated.

    The loss is against the intact network, for every transformation, on the images as they are
    and transformed alike; the first τ of the grid that costs more ends the search. The rule says
    nothing of the active units: `ablation_accuracy` shows whether accuracy goes with them.

    Args:
        setup: what is shown (`make_setup`), with `site` among its sites.
        site: where units are ablated; the paper takes the penultimate layer.
        ranges: the scale of activity, where it is known already.
        readout: how the network's answer is read; by default from the deepest site.
        taus: the grid, rising.
        most_lost: the accuracy that may be lost, as a share of images.

    Raises:
        InputError: no classes, no network, an unknown site, or no transformation that can be used.
    """
    ranges, readout = _prepare(setup, site, ranges, readout)
    _, ends = _ends(setup, site, tau_thresholds(setup, ranges, site, 0), readout)
    chosen, tables = None, []
    for tau in taus:
        at_tau = tau_thresholds(setup, ranges, site, tau)
        table = ablate(setup, site, at_tau, INACTIVE, readout)
        lost = ends["intact"] - table["accuracy"].to_numpy(float)
        tables.append(table.assign(tau=tau, lost=lost, **ends))
        if lost.max() > most_lost + 1e-12:
            break
        chosen = tau
    return TauChoice(chosen, pd.concat(tables, ignore_index=True))


def ablation_accuracy(
    setup: MeasurementSetup,
    site: str,
    tau: float,
    *,
    top: Sequence[float] = (),
    ranges: ActivityRanges | None = None,
    readout: Classifier | None = None,
) -> pd.DataFrame:
    """Accuracy with nothing, the inactive or the active units of a site set to 0 (Figs. 7 and 8).

    Args:
        setup: what is shown (`make_setup`), with `site` among its sites.
        site: where units are ablated.
        tau: the threshold.
        top: k of Goodfellow et al.'s rule, whose thresholds are tried too; a share of less than
            one image is left out.
        ranges, readout: see `find_tau`.

    Returns:
        The rows of `ablate` with `threshold`: `tau 0.1`, `top 5 %`, …; empty for `nothing`; and
        `intact`, `without_site` and `chance` (see `passed_by`).

    Raises:
        InputError: no classes, no network, an unknown site, or no transformation that can be used.
    """
    ranges, readout = _prepare(setup, site, ranges, readout, top)
    at_tau = tau_thresholds(setup, ranges, site, tau)
    named = {f"tau {tau:g}": at_tau}
    for k in top:
        levels = top_thresholds(setup, ranges, site, k)
        if not any(bool(level.isnan().all()) for level in levels.values()):
            named[f"top {k:g} %"] = levels
    intact, ends = _ends(setup, site, at_tau, readout)
    tables = [intact.assign(threshold="", **ends)]
    for name, thresholds in named.items():
        for which in (INACTIVE, ACTIVE):
            table = ablate(setup, site, thresholds, which, readout)
            tables.append(table.assign(threshold=name, **ends))
    return pd.concat(tables, ignore_index=True)


def passed_by(table: pd.DataFrame) -> str:
    """Say in a sentence that the network's answer does not need a site, where that is so.

    τ by the paper's rule, and what ablation costs, say something of a site's units where the
    answer goes through them. Inside a residual block it goes around them, too.

    Args:
        table: of `find_tau` or `ablation_accuracy`: a row a transformation and presentation, with
            `intact`, accuracy without ablation, `without_site`, accuracy with every unit of the
            site at 0, and `chance`, all in [0, 1]; tables of earlier versions have none of these.

    Returns:
        A sentence where more than a quarter of the accuracy above chance is left without the
        site; else nothing.
    """
    if "without_site" not in table:
        return ""
    intact, without, chance = table[["intact", "without_site", "chance"]].mean()
    if not without - chance > PASSED_BY * (intact - chance):
        return ""
    site = table["site"].iloc[0]
    return (
        f"with every unit of {site!r} at 0 accuracy is still {100 * without:.0f} % (intact "
        f"{100 * intact:.0f} %, chance {100 * chance:.1f} %): other paths of the network pass by "
        "this site, so τ by the paper's rule and ablation say little of its units"
    )


def _ends(
    setup: MeasurementSetup, site: str, thresholds: Thresholds, readout: Classifier
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Ablate nothing, and every unit: the rows of the first, and both accuracies as columns."""
    intact, without = (
        ablate(setup, site, thresholds, which, readout) for which in (NOTHING, EVERY)
    )
    accuracies = {
        "intact": intact["accuracy"].to_numpy(float),
        "without_site": without["accuracy"].to_numpy(float),
    }
    return intact, accuracies | {"chance": 1 / readout.units}


def _prepare(
    setup: MeasurementSetup,
    site: str,
    ranges: ActivityRanges | None,
    readout: Classifier | None,
    top: Sequence[float] = (),
) -> tuple[ActivityRanges, Classifier]:
    if site not in setup.sites:
        raise InputError(f"site {site!r} is not among those of the setup, {setup.sites}")
    if readout is None:
        readout = classifier(setup.subject, setup.images.classes)
    ranges = ranges or measure_ranges(setup, top)
    if len(setup.failed) == len(setup.labels):
        why = "; ".join(
            f"{setup.labels[place]}: {reason}" for place, reason in setup.failed.items()
        )
        raise InputError(f"τ and ablation need a transformation that can be used ({why})")
    return ranges, readout
