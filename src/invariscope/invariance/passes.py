"""The pass over images, untransformed and transformed, batch after batch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.invariance.images import ImageSet
from invariscope.invariance.pairs import NEGATIVES
from invariscope.invariance.reading import READINGS, count, read
from invariscope.photos.stream import Batch
from invariscope.subjects.base import Subject
from invariscope.transformations import Transformation

HELD = 2**26  # numbers of one batch's responses that may be held at once (256 MB)
COMPARED = 2**23  # units' activities of one batch that are compared at once (64 MB each copy)
PassWatcher = Callable[[int, int], None]


class BatchActivities(NamedTuple):
    """One batch's answers.

    Attributes:
        batch: the images as they are, their numbers and labels.
        transformation: its place in the list; None for the images as they are.
        activities: of the units of all sites, `(n, units)` float32.
    """

    batch: Batch
    transformation: int | None
    activities: Tensor


@dataclass(frozen=True)
class MeasurementSetup:
    """Images, transformations, a subject and the sites that are read.

    Attributes:
        subject: who answers.
        images: what is shown.
        transformations: each is applied to every image.
        labels: what tables call them.
        sites: where activity is read, shallow to deep.
        reading: `channel` or `place` (see `reading`).
        negatives: `signed` or `rectified` (see `pairs`).
        batch: images shown at once; fewer where the sites are large.
        seed: of random transformations.
        failed: why a transformation could not be used, by its place; both passes add to it.
    """

    subject: Subject
    images: ImageSet
    transformations: tuple[Transformation, ...]
    labels: tuple[str, ...]
    sites: tuple[str, ...]
    reading: str = "channel"
    negatives: str = "signed"
    batch: int = 64
    seed: int = 0
    failed: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        validate.one_of("reading", self.reading, READINGS)
        validate.one_of("rule for negative activity", self.negatives, NEGATIVES)
        validate.at_least("batch", self.batch, 1)
        if not self.labels:
            raise InputError("no transformation given; expected 'all' or names such as 'blur'")
        for label in self.labels:
            if self.labels.count(label) > 1:
                raise InputError(f"transformation {label!r} is given twice; name each once")

    @cached_property
    def units(self) -> dict[str, int]:
        """How many units each site has."""
        shapes = self.subject.sites()
        return {site: count(shapes[site], self.reading) for site in self.sites}

    @cached_property
    def places(self) -> dict[str, slice]:
        """The slice of each site's units among the units of all sites."""
        ends = list(accumulate(self.units.values()))
        return {s: slice(e - n, e) for (s, n), e in zip(self.units.items(), ends, strict=True)}

    @property
    def chunk(self) -> int:
        """Images that are shown at once."""
        shapes = self.subject.sites()
        numbers = sum(math.prod(shapes[site]) for site in self.sites)
        most = min(HELD // max(numbers, 1), COMPARED // max(sum(self.units.values()), 1))
        return max(1, min(self.batch, most))

    @property
    def where(self) -> torch.device:
        """The device for sums: the subject's, if float64 is there."""
        device = self.subject.device
        return torch.device("cpu") if device.type == "mps" else device

    def describe(self) -> dict[str, Any]:
        """Collect the settings that determine the answers, as plain values."""
        return {
            "subject": self.subject.identity(),
            "images": self.images.content,
            "transformations": [t.describe() for t in self.transformations],
            "sites": list(self.sites),
            "reading": self.reading,
            "negatives": self.negatives,
            "seed": self.seed,
        }

    def activities(self, images: Tensor) -> Tensor:
        """Read every unit's activity for images of the subject's size, `(n, units)` float32."""
        responses = self.subject.respond(images, self.sites)
        read_out = [read(responses[site], self.reading) for site in self.sites]
        return torch.cat(read_out, 1).to(self.where)

    def show(self, watch: PassWatcher | None = None) -> Iterator[BatchActivities]:
        """Show every batch untransformed, then under each transformation that has not failed.

        Args:
            watch: told images shown so far, transformed ones counted, and how many there are.
        """
        keys = self.images.keys(self.seed)
        done = 0
        for batch in self.images.stream(self.subject.image_size, self.chunk, self.subject.device):
            seen = self.subject.see(batch.images)
            for place in (None, *range(len(self.transformations))):
                shown = seen if place is None else self.transform(place, seen, keys[batch.indices])
                if shown is not None:
                    yield BatchActivities(batch, place, self.activities(shown))
                done += len(seen)
            if watch:
                watch(done, len(self.images) * (1 + len(self.transformations)))

    def transform(self, place: int, images: Tensor, keys: Tensor) -> Tensor | None:
        """Transform images; None, and the reason kept, where the transformation fails."""
        if place in self.failed:
            return None
        try:
            return self.transformations[place](images, keys)
        except InputError as error:
            self.failed[place] = str(error)
            return None
