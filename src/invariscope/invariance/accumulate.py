"""Sums over active sets in a second pass, and the tables made of the sums.

Sums are float64, and h is computed in float64 from float32 activities, so the order of images and
the size of batches change a coefficient by rounding of the last digits alone. A unit has a
coefficient, or the reason why it has none.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope.invariance.pairs import active, compare, treat
from invariscope.invariance.passes import MeasurementSetup, PassWatcher
from invariscope.invariance.ranges import ActivityRanges
from invariscope.invariance.reading import unit_names
from invariscope.subjects.kinds import SILENT, WITHOUT_ANSWER, unit_kinds

EVERY = "all"
ONE_IMAGE = "one image: its own activity is the maximum, so every unit would count as active"
NO_IMAGE = "no image of this class"
INACTIVE = "no image activates it above the threshold"
TOO_FEW = "fewer than one image in this share"
NEVER_FIRES = "fires for no image"

Array = NDArray[np.float64]


class ActiveSums:
    """Sums over images, by the place of the transformation.

    Args:
        setup: what is shown.
        ranges: of every unit's activity.
        tau: an image activates a unit above this share of its maximum.
        groups: into how many classes images fall; 1 where classes do not matter.

    Attributes:
        images: `(groups,)` images shown of each class.
        shown: whether an image was shown, `(images,)` bool: a damaged photo is not.
        active, invariance, specialization: `(groups, units)` float64: the size of the active set
            and the sums over it.
        counted: units that are active in some images and not in others, `(units,)` bool.
        units_active: `(images, sites)` int64: how many of them an image activates.
        fired: `(percents, units)`: untransformed images for which a unit fires under Goodfellow
            et al.'s rule.
        kept: those of them for which it still fires, transformed.
    """

    def __init__(
        self, setup: MeasurementSetup, ranges: ActivityRanges, tau: float, groups: int = 1
    ) -> None:
        self._setup, self._groups, self._levels = setup, groups, ranges.levels
        self._site_of = self._sites()
        shape = groups, len(self._site_of)
        zeros = torch.zeros(shape, dtype=torch.float64, device=setup.where)
        self.images = zeros.new_zeros(groups)
        self.shown = torch.zeros(len(setup.images), dtype=torch.bool)
        self.fired = torch.zeros_like(ranges.levels, dtype=torch.int64)
        self.active: dict[int, Tensor] = {}
        self.invariance: dict[int, Tensor] = {}
        self.specialization: dict[int, Tensor] = {}
        self.counted: dict[int, Tensor] = {}
        self.units_active: dict[int, Tensor] = {}
        self.kept: dict[int, Tensor] = {}
        self._threshold: dict[int, Tensor] = {}
        for place in range(len(setup.labels)):
            if place in setup.failed:
                continue
            maximum = ranges.maximum(place, setup.negatives)
            usable = maximum.isfinite() & (maximum > 0)
            self._threshold[place] = torch.where(usable, tau * maximum, torch.nan)
            self.counted[place] = usable & ~ranges.constant(place)
            for sums in (self.active, self.invariance, self.specialization):
                sums[place] = zeros.clone()
            shape = len(setup.images), len(setup.sites)
            self.units_active[place] = torch.zeros(shape, dtype=torch.int64)
            self.kept[place] = torch.zeros_like(self.fired)

    def _sites(self) -> Tensor:
        """Make an indicator of each unit's site, `(units, sites)` float32."""
        numbers = torch.tensor(list(self._setup.units.values()))
        own = torch.arange(len(numbers)).repeat_interleave(numbers)
        return torch.nn.functional.one_hot(own, len(numbers)).float().to(self._setup.where)

    def run(self, watch: PassWatcher | None = None) -> None:
        """Show every image and add up the activities."""
        setup = self._setup
        before = groups = indices = torch.empty(0)
        for shown in setup.show(watch):
            activities = treat(shown.activities, setup.negatives)
            if shown.transformation is None:
                before, indices = activities, torch.from_numpy(shown.batch.indices)
                groups = self._group(torch.from_numpy(shown.batch.labels))
                self.images += groups.sum(0)
                self.shown[indices] = True
                self.fired += self._above(before)
            else:
                self._add(shown.transformation, before, activities, groups, indices)

    def _group(self, labels: Tensor) -> Tensor:
        """Make an indicator of each image's class, `(n, groups)` float64."""
        own = labels if self._groups > 1 else torch.zeros_like(labels)
        return torch.nn.functional.one_hot(own, self._groups).double().to(self._setup.where)

    def _above(self, activities: Tensor) -> Tensor:
        """Count the images that make each unit fire, `(percents, units)`.

        Levels are activities that were measured, so in float32 they are exact.
        """
        strengths = activities.abs()
        counts = [(strengths > level).sum(0) for level in self._levels.float()]
        return torch.stack(counts) if counts else torch.zeros_like(self.fired)

    def _add(
        self, place: int, before: Tensor, after: Tensor, groups: Tensor, indices: Tensor
    ) -> None:
        both = torch.minimum(before.abs(), after.abs())
        self.kept[place] += self._above(both)
        before, after = before.double(), after.double()
        on = active(before, after, self._threshold[place])
        h, specialization = compare(before, after)
        self.active[place] += groups.T @ on.double()
        self.invariance[place] += groups.T @ torch.where(on, h, 0)
        self.specialization[place] += groups.T @ torch.where(on, specialization, 0)
        sites = (on & self.counted[place]).float() @ self._site_of
        self.units_active[place][indices] = sites.long().cpu()


def _array(tensor: Tensor) -> Array:
    return tensor.double().cpu().numpy()


def _faults(setup: MeasurementSetup, ranges: ActivityRanges, place: int) -> NDArray[np.object_]:
    """Say why a unit has no scale at all, `(units,)`; empty where there is a scale."""
    units = sum(setup.units.values())
    if place in setup.failed:
        return np.full(units, setup.failed[place], object)
    if ranges.images < 2:
        return np.full(units, ONE_IMAGE, object)
    low, high = map(_array, ranges.range(place))
    kinds = unit_kinds(low, high)
    # Without a reading of its negative activity, a unit that is never positive is silent here.
    silent = _array(ranges.maximum(place, setup.negatives)) == 0
    kinds = np.where(silent, SILENT, kinds)
    return np.where(np.isin(kinds, WITHOUT_ANSWER), kinds, "").astype(object)


def _mean(total: Array, number: Array, known: NDArray[np.bool_]) -> Array:
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=known)


def unit_table(
    setup: MeasurementSetup, ranges: ActivityRanges, sums: ActiveSums, classes: Sequence[str]
) -> pd.DataFrame:
    """Make the table with one row a site, unit, transformation and class.

    Args:
        classes: names of the groups of `sums`; empty where classes do not matter.

    Returns:
        `site`, `unit`, `transformation`, `class` (`all` for every image), `images` shown,
        `active` of them (A_k), `invariance` (I_k), `specialization`, `maximum` and `minimum` of
        its activity over images as they are and transformed, and `reason`: why a coefficient is
        missing, else empty.
    """
    parts = []
    for place in range(len(setup.labels)):
        faults = _faults(setup, ranges, place)
        known = place not in setup.failed
        low, high = map(_array, ranges.range(place)) if known else (None, None)
        for group, images, number, h, specialization in _groups(setup, sums, place, classes):
            there = (faults == "") & (number > 0)
            empty = NO_IMAGE if images == 0 else INACTIVE
            columns = {
                **_units(setup),
                "transformation": setup.labels[place],
                "class": group,
                "images": images,
                "active": pd.array(number if known else [pd.NA] * len(number), "Int64"),
                "invariance": _mean(h, number, there),
                "specialization": _mean(specialization, number, there),
                "maximum": np.nan if high is None else high,
                "minimum": np.nan if low is None else low,
                "reason": np.where(faults != "", faults, np.where(there, "", empty)),
            }
            parts.append(pd.DataFrame(columns))
    return _by_site(setup, parts)


def _units(setup: MeasurementSetup) -> dict[str, list[str]]:
    """Make the columns `site` and `unit` of all units."""
    shapes = setup.subject.sites()
    return {
        "site": [site for site, units in setup.units.items() for _ in range(units)],
        "unit": [u for site in setup.sites for u in unit_names(site, shapes[site], setup.reading)],
    }


def _by_site(setup: MeasurementSetup, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Join tables below each other, ordered by site first."""
    own = np.repeat(np.arange(len(setup.sites)), list(setup.units.values()))
    order = np.argsort(np.tile(own, len(parts)), kind="stable")
    return pd.concat(parts, ignore_index=True).iloc[order].reset_index(drop=True)


def _groups(
    setup: MeasurementSetup, sums: ActiveSums, place: int, classes: Sequence[str]
) -> Iterator[tuple[str, int, Array, Array, Array]]:
    """(class, images, active, h, specialization) for all images, then for each class."""
    images = _array(sums.images)
    nothing = torch.zeros(len(images), sum(setup.units.values()))
    active, h, specialization = (
        _array(own.get(place, nothing))
        for own in (sums.active, sums.invariance, sums.specialization)
    )
    yield EVERY, int(images.sum()), active.sum(0), h.sum(0), specialization.sum(0)
    for row, name in enumerate(classes):
        yield name, int(images[row]), active[row], h[row], specialization[row]


def image_table(setup: MeasurementSetup, sums: ActiveSums) -> pd.DataFrame:
    """Count the units that an image activates (Fig. 3a), by site and transformation.

    Returns:
        `site`, `transformation`, `image`, `active` units, and their `share` of the units that are
        neither silent nor constant; no rows for a transformation that failed.
    """
    shown = sums.shown.numpy()
    names = np.array(setup.images.names, object)[shown]
    parts = []
    for depth, site in enumerate(setup.sites):
        for place, every in sums.units_active.items():
            if place in setup.failed:
                continue
            number = every[:, depth].numpy()[shown]
            counted = int(sums.counted[place][setup.places[site]].sum())
            columns = {
                "site": site,
                "transformation": setup.labels[place],
                "image": names,
                "active": number,
                "share": number / counted if counted else np.nan,
            }
            parts.append(pd.DataFrame(columns))
    columns = ["site", "transformation", "image", "active", "share"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def top_table(setup: MeasurementSetup, ranges: ActivityRanges, sums: ActiveSums) -> pd.DataFrame:
    """Goodfellow et al.'s rule, one row a site, unit, transformation and share of images.

    Returns:
        `site`, `unit`, `transformation`, `percent` (k), `threshold` in units of activity, `fired`
        (untransformed images above it), `kept` (the share of them that stay above it when
        transformed), and `reason`: why `kept` is missing, else empty.
    """
    parts = []
    fired = _array(sums.fired)
    for place, (row, percent) in product(range(len(setup.labels)), enumerate(ranges.percents)):
        faults = _faults(setup, ranges, place)
        level = _array(ranges.levels[row])
        kept = _array(sums.kept.get(place, torch.zeros_like(ranges.levels))[row])
        there = (faults == "") & (fired[row] > 0)
        other = np.where(np.isnan(level), TOO_FEW, NEVER_FIRES)
        part = {
            **_units(setup),
            "transformation": setup.labels[place],
            "percent": percent,
            "threshold": level,
            "fired": fired[row].astype(int),
            "kept": _mean(kept, fired[row], there),
            "reason": np.where(faults != "", faults, np.where(there, "", other)),
        }
        parts.append(pd.DataFrame(part))
    columns = ["site", "unit", "transformation", "percent", "threshold", "fired", "kept", "reason"]
    return _by_site(setup, parts) if parts else pd.DataFrame(columns=columns)
