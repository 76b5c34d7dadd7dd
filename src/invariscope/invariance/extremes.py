"""Each unit's smallest and largest activity for images as they are and under each transformation.

They give the scale of normalised activity (PAPERS §2): f_k is a unit's activity over its maximum
over all test images, transformed or not. It is a scale for each transformation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from invariscope.invariance.passes import Activities

AS_IT_IS = "as it is"
CONSTANT = 1e-6  # a unit that varies by less, as a share of its maximum, is constant


@dataclass
class Extremes:
    """Smallest and largest activities, float32; NaN where an answer was not a number.

    Attributes:
        low, high: `(units,)` by (place of the transformation or None, site).
        images: how many images were shown.
    """

    low: dict[tuple[int | None, str], Tensor] = field(default_factory=dict)
    high: dict[tuple[int | None, str], Tensor] = field(default_factory=dict)
    images: int = 0

    def add(self, transformation: int | None, activities: Activities) -> None:
        """Take in one batch."""
        for site, activity in activities.items():
            key = (transformation, site)
            low, high = activity.aminmax(dim=0)
            self.low[key] = torch.minimum(self.low[key], low) if key in self.low else low
            self.high[key] = torch.maximum(self.high[key], high) if key in self.high else high
        if transformation is None:
            self.images += len(next(iter(activities.values())))

    def range(self, transformation: int, site: str) -> tuple[Tensor, Tensor]:
        """Smallest and largest activity over images as they are and transformed, `(units,)`."""
        plain, changed = (None, site), (transformation, site)
        return (
            torch.minimum(self.low[plain], self.low[changed]).double(),
            torch.maximum(self.high[plain], self.high[changed]).double(),
        )

    def maximum(self, transformation: int, site: str, negatives: str) -> Tensor:
        """What activity is normalised by, `(units,)` float64: the largest strength.

        Args:
            negatives: `signed`: the largest absolute value; `rectified`: the largest value, or 0.
        """
        low, high = self.range(transformation, site)
        return high.clamp(min=0) if negatives == "rectified" else torch.maximum(-low, high)

    def constant(self, transformation: int, site: str) -> Tensor:
        """Whether a unit's activity is the same for every image, `(units,)` bool."""
        low, high = self.range(transformation, site)
        return high - low <= CONSTANT * torch.maximum(high.abs(), low.abs())

    def tensors(self) -> dict[str, Tensor]:
        """For a file."""
        named = {"images": torch.tensor(self.images)}
        for kind, table in (("low", self.low), ("high", self.high)):
            for (place, site), values in table.items():
                named[f"{kind}/{AS_IT_IS if place is None else place}/{site}"] = values
        return named

    @classmethod
    def load(cls, tensors: Mapping[str, Tensor], device: torch.device) -> Self:
        """From `tensors`."""
        extremes = cls(images=int(tensors["images"]))
        for name, values in tensors.items():
            if name == "images":
                continue
            kind, place, site = name.split("/", 2)
            key = (None if place == AS_IT_IS else int(place), site)
            (extremes.low if kind == "low" else extremes.high)[key] = values.to(device)
        return extremes
