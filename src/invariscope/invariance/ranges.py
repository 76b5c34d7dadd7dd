"""The range of every unit's activity, the scale of normalised activity (PAPERS §2).

f_k is a unit's activity over its maximum over all test images, transformed or not, so there is a
scale for each transformation. One pass over the images finds the ranges, and the firing thresholds
of Goodfellow et al.'s rule beside them; a file keeps both.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.invariance.passes import MeasurementSetup, PassWatcher
from invariscope.invariance.top import TopActivities
from invariscope.store.files import replace_tensors
from invariscope.subjects.kinds import ALIKE
from invariscope.subjects.trust import answers, changed_answer

FILE = "first_pass.safetensors"
TOP = "top"
AS_IT_IS = "as it is"


@dataclass
class ActivityRanges:
    """Smallest and largest activities, float32; NaN where an answer was not a number.

    Attributes:
        low, high: `(units,)` by the place of the transformation, or None for images as they are.
        images: how many images were shown.
        percents: k of Goodfellow et al.'s rule.
        levels: what a unit must exceed to fire under that rule, `(percents, units)` float64.
    """

    low: dict[int | None, Tensor] = field(default_factory=dict)
    high: dict[int | None, Tensor] = field(default_factory=dict)
    images: int = 0
    percents: tuple[float, ...] = ()
    levels: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.float64))

    def add(self, transformation: int | None, activities: Tensor) -> None:
        """Take in one batch, `(n, units)`."""
        low, high = activities.aminmax(dim=0)
        self.low[transformation] = torch.minimum(self.low.get(transformation, low), low)
        self.high[transformation] = torch.maximum(self.high.get(transformation, high), high)
        if transformation is None:
            self.images += len(activities)

    def range(self, transformation: int) -> tuple[Tensor, Tensor]:
        """Give the extremes over untransformed and transformed images, `(units,)` float64 each."""
        return (
            torch.minimum(self.low[None], self.low[transformation]).double(),
            torch.maximum(self.high[None], self.high[transformation]).double(),
        )

    def maximum(self, transformation: int, negatives: str) -> Tensor:
        """Give the largest strength, the divisor of normalised activity, `(units,)` float64.

        Args:
            transformation: its place.
            negatives: `signed`: the largest absolute value; `rectified`: the largest value, or 0.
        """
        low, high = self.range(transformation)
        return high.clamp(min=0) if negatives == "rectified" else torch.maximum(-low, high)

    def constant(self, transformation: int) -> Tensor:
        """Find the units with the same activity for every image, `(units,)` bool."""
        low, high = self.range(transformation)
        return high - low <= ALIKE * torch.maximum(high.abs(), low.abs())

    def tensors(self) -> dict[str, Tensor]:
        """Name everything for a file."""
        named = {"images": torch.tensor(self.images), TOP: self.levels}
        for kind, table in (("low", self.low), ("high", self.high)):
            for place, values in table.items():
                named[f"{kind}/{AS_IT_IS if place is None else place}"] = values
        return named

    @classmethod
    def load(
        cls, tensors: Mapping[str, Tensor], percents: Sequence[float], device: torch.device
    ) -> Self:
        """Read the tensors of a file."""
        levels = tensors[TOP].to(device)
        ranges = cls(images=int(tensors["images"]), percents=tuple(percents), levels=levels)
        for name, values in tensors.items():
            kind, _, place = name.partition("/")
            if kind in ("low", "high"):
                key = None if place == AS_IT_IS else int(place)
                (ranges.low if kind == "low" else ranges.high)[key] = values.to(device)
        return ranges


def measure_ranges(
    setup: MeasurementSetup,
    percents: Sequence[float] = (),
    folder: Path | None = None,
    watch: PassWatcher | None = None,
) -> ActivityRanges:
    """Show every image, untransformed and transformed, and keep each unit's range.

    Args:
        setup: what is shown; failed transformations are noted there.
        percents: k of Goodfellow et al.'s rule.
        folder: where the result is kept; a result of the same settings is read instead.
        watch: told images shown so far and in all.

    Raises:
        InputError: Goodfellow et al.'s rule would keep too much.
        StoreError: the file cannot be written, or is damaged.
    """
    kept = TopActivities(setup, percents)
    asked = json.dumps({**setup.describe(), "top": list(percents)}, sort_keys=True)
    path = None if folder is None else folder / FILE
    now = answers(setup.subject, setup.sites)
    if path and path.exists() and (there := _load(path, asked, setup, percents, now)):
        return there
    ranges, grey, count = ActivityRanges(percents=tuple(percents)), 0, 0
    for shown in setup.show(watch):
        ranges.add(shown.transformation, shown.activities)
        if shown.transformation is None:
            kept.add(shown.activities)
            images = shown.batch.images
            count += len(images)
            grey += int((images == images[:, :1]).flatten(1).all(1).sum())
    ranges.levels = kept.levels()
    for place, transformation in enumerate(setup.transformations):
        words = transformation.fault_for_grey(grey / max(count, 1), setup.labels[place])
        if words:
            setup.failed.setdefault(place, words)
    if path:
        failed = json.dumps(setup.failed)
        about = {"asked": asked, "failed": failed, "answers": json.dumps(now)}
        replace_tensors(path, ranges.tensors(), about)
    return ranges


def _load(
    path: Path, asked: str, setup: MeasurementSetup, percents: Sequence[float], now: dict[str, Any]
) -> ActivityRanges | None:
    """Read a kept result; None if its settings or its subject are others."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{str(path)!r} is damaged ({error}); delete it") from error
    before = json.loads(about.get("answers", "{}"))
    if about.get("asked") != asked or changed_answer(before, now):
        return None
    setup.failed.update({int(place): why for place, why in json.loads(about["failed"]).items()})
    return ActivityRanges.load(tensors, percents, setup.where)
