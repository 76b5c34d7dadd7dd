"""Each unit's smallest and largest activity for images as they are and under each transformation.

They give the scale of normalised activity (PAPERS §2): f_k is a unit's activity over its maximum
over all test images, transformed or not. It is a scale for each transformation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from invariscope.subjects.kinds import ALIKE

AS_IT_IS = "as it is"


@dataclass
class Extremes:
    """Smallest and largest activities, float32; NaN where an answer was not a number.

    Attributes:
        low, high: `(units,)` by the place of the transformation, or None for images as they are.
        images: how many images were shown.
    """

    low: dict[int | None, Tensor] = field(default_factory=dict)
    high: dict[int | None, Tensor] = field(default_factory=dict)
    images: int = 0

    def add(self, transformation: int | None, activities: Tensor) -> None:
        """Take in one batch, `(n, units)`."""
        low, high = activities.aminmax(dim=0)
        self.low[transformation] = torch.minimum(self.low.get(transformation, low), low)
        self.high[transformation] = torch.maximum(self.high.get(transformation, high), high)
        if transformation is None:
            self.images += len(activities)

    def range(self, transformation: int) -> tuple[Tensor, Tensor]:
        """Smallest and largest activity over images as they are and transformed, `(units,)`."""
        return (
            torch.minimum(self.low[None], self.low[transformation]).double(),
            torch.maximum(self.high[None], self.high[transformation]).double(),
        )

    def maximum(self, transformation: int, negatives: str) -> Tensor:
        """What activity is normalised by, `(units,)` float64: the largest strength.

        Args:
            negatives: `signed`: the largest absolute value; `rectified`: the largest value, or 0.
        """
        low, high = self.range(transformation)
        return high.clamp(min=0) if negatives == "rectified" else torch.maximum(-low, high)

    def constant(self, transformation: int) -> Tensor:
        """Whether a unit's activity is the same for every image, `(units,)` bool."""
        low, high = self.range(transformation)
        return high - low <= ALIKE * torch.maximum(high.abs(), low.abs())

    def tensors(self) -> dict[str, Tensor]:
        """For a file."""
        named = {"images": torch.tensor(self.images)}
        for kind, table in (("low", self.low), ("high", self.high)):
            for place, values in table.items():
                named[f"{kind}/{AS_IT_IS if place is None else place}"] = values
        return named

    @classmethod
    def load(cls, tensors: Mapping[str, Tensor], device: torch.device) -> Self:
        """From `tensors`."""
        extremes = cls(images=int(tensors["images"]))
        for name, values in tensors.items():
            kind, _, place = name.partition("/")
            if kind in ("low", "high"):
                key = None if place == AS_IT_IS else int(place)
                (extremes.low if kind == "low" else extremes.high)[key] = values.to(device)
        return extremes
