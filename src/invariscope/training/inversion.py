"""Measure how photos come back from a generator: pixels, feature maps and readouts."""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope.training.critics import Eyes

FLAT = 2  # axes of a readout
Figures = dict[str, Tensor]


class InversionWeights(Protocol):
    """The weights of the losses.

    Attributes:
        pixel_weight: of the squared error over the photos' variance.
        feature_weight: of the relative squared error of each feature map.
        readout_weight: of the divergence of each network's readout from that of the photo.
    """

    @property
    def pixel_weight(self) -> float: ...
    @property
    def feature_weight(self) -> float: ...
    @property
    def readout_weight(self) -> float: ...


class InversionLosses:
    """Losses of photos that come back, in pixels and in frozen networks' answers.

    Args:
        eyes: the networks; the last output of some is a readout.
        some: photos that say what is usual, `(n, 3, side, side)` in [0, 1].
    """

    def __init__(self, eyes: Sequence[Eyes], some: Tensor) -> None:
        self.eyes, self.counts = eyes, list[int]()
        with torch.no_grad():
            self.usual_maps, _ = self.seen(some)
        self.sizes = [float(m.float().square().mean()) for m in self.usual_maps]
        self.spread = float(some.var(0).mean())

    def seen(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Compute the feature maps of images by all networks, and their readouts."""
        with torch.autocast(images.device.type, torch.bfloat16, cache_enabled=False):
            each = [eyes(images) for eyes in self.eyes]
        self.counts = [sum(m.ndim > FLAT for m in own) for own in each]
        found = [m for own in each for m in own]
        return [m for m in found if m.ndim > FLAT], [m.float() for m in found if m.ndim == FLAT]

    def by_network(self, maps: Sequence[Tensor]) -> list[list[Tensor]]:
        """Sort the maps of all networks by network."""
        ends = [sum(self.counts[: k + 1]) for k in range(len(self.counts))]
        return [list(maps[b - n : b]) for b, n in zip(ends, self.counts, strict=True)]

    def losses(
        self,
        back: Tensor,
        photos: Tensor,
        got: tuple[Sequence[Tensor], Sequence[Tensor]],
        aim: tuple[Sequence[Tensor], Sequence[Tensor]],
        weights: InversionWeights,
    ) -> Figures:
        """Compare photos that came back with the photos, each figure weighted.

        Args:
            back, photos: `(n, 3, side, side)` in [0, 1].
            got, aim: what `seen` gives for both, or for the same change of both.
        """
        feature = readout = photos.new_zeros(())
        for values, wanted, size in zip(got[0], aim[0], self.sizes, strict=True):
            feature = feature + F.mse_loss(values, wanted).float() / size
        for values, wanted in zip(got[1], aim[1], strict=True):
            parts = values.log_softmax(1), wanted.log_softmax(1)
            readout = readout + F.kl_div(*parts, reduction="batchmean", log_target=True)
        return {
            "pixel": weights.pixel_weight * (back - photos).square().mean() / self.spread,
            "feature": weights.feature_weight * feature,
            "readout": weights.readout_weight * readout,
        }
