"""The second pass: sums over active sets, images per unit and units per image.

Sums are float64, and h is computed in float64 from float32 activities, so the order of images and
the size of batches change a coefficient by rounding of the last digits alone.
"""

import torch
from torch import Tensor

from invariscope.invariance.extremes import Extremes
from invariscope.invariance.first_pass import FirstPass
from invariscope.invariance.pairs import active, compare, treat
from invariscope.invariance.passes import Activities, Progress, Setup

Key = tuple[int, str]


class Tally:
    """Sums by (place of the transformation, site).

    Args:
        setup: what is shown.
        first: what the first pass found.
        tau: an image activates a unit above this share of its maximum.
        groups: into how many classes images fall; 1 where classes do not matter.

    Attributes:
        images: `(groups,)` images shown of each class.
        active, invariance, specialization: `(groups, units)` float64: the size of the active set
            and the sums over it.
        units_active: `(images,)` int64: how many units an image activates, constant ones left out.
        fired, kept: `(percents, units)`: untransformed images for which the unit fires, and those
            of them for which it still does, transformed.
        shown: whether an image was shown, `(images,)` bool: a damaged photo is not.
    """

    def __init__(self, setup: Setup, first: FirstPass, tau: float, groups: int = 1) -> None:
        self._setup, self._groups = setup, groups
        where = setup.where
        self.images = torch.zeros(groups, dtype=torch.float64, device=where)
        self.shown = torch.zeros(len(setup.images), dtype=torch.bool)
        self.active: dict[Key, Tensor] = {}
        self.invariance: dict[Key, Tensor] = {}
        self.specialization: dict[Key, Tensor] = {}
        self.units_active: dict[Key, Tensor] = {}
        self.fired: dict[Key, Tensor] = {}
        self.kept: dict[Key, Tensor] = {}
        self._threshold: dict[Key, Tensor] = {}
        self._counted: dict[Key, Tensor] = {}
        self._top = {site: levels.to(where) for site, levels in first.levels.items()}
        for place in range(len(setup.transformations)):
            if place not in setup.failed:
                for site, units in setup.units.items():
                    self._begin((place, site), units, first.extremes, tau)

    def _begin(self, key: Key, units: int, extremes: Extremes, tau: float) -> None:
        where = self._setup.where
        maximum = extremes.maximum(*key, self._setup.negatives)
        usable = maximum.isfinite() & (maximum > 0)
        self._threshold[key] = torch.where(usable, tau * maximum, torch.nan)
        self._counted[key] = usable & ~extremes.constant(*key)
        for sums in (self.active, self.invariance, self.specialization):
            sums[key] = torch.zeros(self._groups, units, dtype=torch.float64, device=where)
        self.units_active[key] = torch.zeros(len(self._setup.images), dtype=torch.int64)
        if key[1] in self._top:
            for counts in (self.fired, self.kept):
                counts[key] = torch.zeros_like(self._top[key[1]], dtype=torch.int64)

    def counted(self, key: Key) -> int:
        """How many units could be active in some images and not in others."""
        return int(self._counted[key].sum())

    def run(self, progress: Progress | None = None) -> None:
        """Show every image and add it up."""
        before: Activities = {}
        groups = torch.empty(0)
        for shown in self._setup.show(progress):
            if shown.transformation is None:
                before = shown.activities
                groups = self._group(torch.from_numpy(shown.batch.labels))
                self.images += groups.sum(0)
                self.shown[torch.from_numpy(shown.batch.indices)] = True
                continue
            indices = torch.from_numpy(shown.batch.indices)
            for site, after in shown.activities.items():
                self._add((shown.transformation, site), before[site], after, groups, indices)

    def _group(self, labels: Tensor) -> Tensor:
        """`(n, groups)` float64, 1 where an image is of that class."""
        own = labels if self._groups > 1 else torch.zeros_like(labels)
        return torch.nn.functional.one_hot(own, self._groups).double().to(self._setup.where)

    def _add(
        self, key: Key, plain: Tensor, changed: Tensor, groups: Tensor, indices: Tensor
    ) -> None:
        negatives = self._setup.negatives
        before, after = treat(plain.double(), negatives), treat(changed.double(), negatives)
        on = active(before, after, self._threshold[key])
        h, specialization = compare(before, after)
        self.active[key] += groups.T @ on.double()
        self.invariance[key] += groups.T @ torch.where(on, h, 0)
        self.specialization[key] += groups.T @ torch.where(on, specialization, 0)
        self.units_active[key][indices] = (on & self._counted[key]).sum(1).cpu()
        for row, level in enumerate(self._top.get(key[1], ())):
            fires = before.abs() > level
            self.fired[key][row] += fires.sum(0)
            self.kept[key][row] += (fires & (after.abs() > level)).sum(0)
