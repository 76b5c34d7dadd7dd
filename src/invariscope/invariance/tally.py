"""The second pass: sums over active sets, images per unit and units per image.

Sums are float64, and h is computed in float64 from float32 activities, so the order of images and
the size of batches change a coefficient by rounding of the last digits alone.
"""

import torch
from torch import Tensor

from invariscope.invariance.first_pass import FirstPass
from invariscope.invariance.pairs import active, compare, treat
from invariscope.invariance.passes import MeasurementSetup, PassProgress


class ActiveSums:
    """Sums over images, by the place of the transformation.

    Args:
        setup: what is shown.
        first: what the first pass found.
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
        self, setup: MeasurementSetup, first: FirstPass, tau: float, groups: int = 1
    ) -> None:
        self._setup, self._groups, self._levels = setup, groups, first.levels
        self._site_of = self._sites()
        shape = groups, len(self._site_of)
        zeros = torch.zeros(shape, dtype=torch.float64, device=setup.where)
        self.images = zeros.new_zeros(groups)
        self.shown = torch.zeros(len(setup.images), dtype=torch.bool)
        self.fired = torch.zeros_like(first.levels, dtype=torch.int64)
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
            maximum = first.extremes.maximum(place, setup.negatives)
            usable = maximum.isfinite() & (maximum > 0)
            self._threshold[place] = torch.where(usable, tau * maximum, torch.nan)
            self.counted[place] = usable & ~first.extremes.constant(place)
            for sums in (self.active, self.invariance, self.specialization):
                sums[place] = zeros.clone()
            shape = len(setup.images), len(setup.sites)
            self.units_active[place] = torch.zeros(shape, dtype=torch.int64)
            self.kept[place] = torch.zeros_like(self.fired)

    def _sites(self) -> Tensor:
        """`(units, sites)` float32, 1 where a unit is of that site."""
        numbers = torch.tensor(list(self._setup.units.values()))
        own = torch.arange(len(numbers)).repeat_interleave(numbers)
        return torch.nn.functional.one_hot(own, len(numbers)).float().to(self._setup.where)

    def run(self, progress: PassProgress | None = None) -> None:
        """Show every image and add it up."""
        setup = self._setup
        before = groups = indices = torch.empty(0)
        for shown in setup.show(progress):
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
        """`(n, groups)` float64, 1 where an image is of that class."""
        own = labels if self._groups > 1 else torch.zeros_like(labels)
        return torch.nn.functional.one_hot(own, self._groups).double().to(self._setup.where)

    def _above(self, activities: Tensor) -> Tensor:
        """For how many images each unit fires, `(percents, units)`.

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
