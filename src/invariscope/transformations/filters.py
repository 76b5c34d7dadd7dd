"""Blur, high-pass, horizontal and vertical edges, and contrast inversion.

Beyond its border an image goes on with its border pixels. Kernels are laid on the image as they
are printed (cross-correlation), the same on every channel.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope import validate
from invariscope.transformations.base import Parameters, Strength, Transformation

EDGE = ((-1, 0, 1),) * 3
HIGH_PASS = (
    (-1, -1, -1, -1, -1),
    (-1, 1, 2, 1, -1),
    (-1, 2, 4, 2, -1),
    (-1, 1, 2, 1, -1),
    (-1, -1, -1, -1, -1),
)
PROFILE = (-1, 2, 4, 2, -1)
KERNELS = {
    "zero-sum": HIGH_PASS,
    "separable": tuple(tuple(a * b for b in PROFILE) for a in PROFILE),
}
TRUNCATE = 4  # standard deviations at which a Gaussian ends, as in scipy.ndimage


def correlate(images: Tensor, kernel: tuple[tuple[int, ...], ...]) -> Tensor:
    """Correlate each channel with a square kernel of odd side, borders replicated.

    Under a kernel whose sum is 0 a constant channel gives 0 exactly.
    """
    weights = torch.tensor(kernel, dtype=images.dtype, device=images.device)
    channels, margin = images.shape[1], len(kernel) // 2
    if float(weights.sum()) == 0:
        images = images - images[..., :1, :1]
    padded = F.pad(images, (margin,) * 4, mode="replicate")
    # Depthwise convolutions are several times faster in this order.
    padded = padded.contiguous(memory_format=torch.channels_last)
    return F.conv2d(padded, weights.expand(channels, 1, -1, -1), groups=channels)


def gaussian(side: int, sigma: float) -> Tensor:
    """Make the matrix `(side, side)` float64 that blurs a line of pixels, ends replicated."""
    radius = int(TRUNCATE * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    sources = (torch.arange(side)[:, None] + offsets).clamp(0, side - 1)
    matrix = torch.zeros(side, side, dtype=torch.float64)
    return matrix.scatter_add_(1, sources, (weights / weights.sum()).expand_as(sources))


@dataclass(frozen=True, kw_only=True)
class Blur(Transformation):
    """Gaussian blur.

    Attributes:
        sigma: its standard deviation in pixels.
    """

    name = "blur"
    group = "convolutional"
    strength = Strength("sigma", 0.5, 0.5, 20.0)
    positive = ("sigma",)

    sigma: float = 2.0

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        height, width = images.shape[-2:]
        across, down = gaussian(width, self.sigma), gaussian(height, self.sigma)
        return down.to(images) @ (images @ across.to(images).T)


@dataclass(frozen=True, kw_only=True)
class HighPass(Transformation):
    """A 5 × 5 high-pass filter.

    Attributes:
        kernel: `zero-sum`, whose middle row and column are [-1, 2, 4, 2, -1] (PAPERS §2), or
            `separable`, the product of two such profiles, which is no high-pass: its sum is 36.
    """

    name = "high-pass"
    group = "convolutional"

    kernel: str = "zero-sum"

    def __post_init__(self) -> None:
        super().__post_init__()
        validate.one_of("kernel", self.kernel, KERNELS)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        return correlate(images, KERNELS[self.kernel])


@dataclass(frozen=True, kw_only=True)
class Horizontal(Transformation):
    """Differences along rows: [-1 0 1] in three equal rows."""

    name = "horizontal"
    group = "convolutional"

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        return correlate(images, EDGE)


@dataclass(frozen=True, kw_only=True)
class Vertical(Transformation):
    """Differences along columns: the transpose of `horizontal`."""

    name = "vertical"
    group = "convolutional"

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        return correlate(images, tuple(zip(*EDGE, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Inversion(Transformation):
    """Contrast inversion: white minus the pixel."""

    name = "inversion"
    group = "convolutional"

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        return self.white - images
