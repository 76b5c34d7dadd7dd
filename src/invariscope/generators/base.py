"""The contract of every generator: codes in, images out; and back, where the generator can."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invariscope import validate
from invariscope.devices import part_of_batch
from invariscope.errors import InputError
from invariscope.generators.constraints import ImageConstraints
from invariscope.generators.inversion import Features, InvertedCodes, invert


@dataclass(frozen=True)
class CodeStatistics:
    """Mean and covariance of the codes of natural images.

    Attributes:
        mean: `(code_dim,)`.
        covariance: `(code_dim, code_dim)`.
    """

    mean: Tensor
    covariance: Tensor

    def __repr__(self) -> str:
        """Say the length of the codes."""
        return f"CodeStatistics(code_dim={len(self.mean)})"

    @classmethod
    def standard(cls, code_dim: int) -> "CodeStatistics":
        """Give the statistics of whitened codes: mean 0, covariance I."""
        zero = torch.zeros(code_dim, dtype=torch.float64)
        return cls(zero, torch.eye(code_dim, dtype=torch.float64))

    @property
    def sd(self) -> Tensor:
        """Standard deviation of each component, `(code_dim,)`."""
        return self.covariance.diagonal().sqrt()

    def radius(self, percentile: float) -> float:
        """Compute how far from the mean that percentile of normal codes lies, in L2.

        A sum of squares of unequal variances is taken as the χ² that has its mean and variance
        (Satterthwaite), which is exact for whitened codes. Photos' own codes spread more,
        so more than a hundredth of them lie beyond the 99th percentile.

        Args:
            percentile: between 0 and 100.

        Example:
            >>> from invariscope.generators.base import CodeStatistics
            >>> round(CodeStatistics.standard(384).radius(99), 2)
            21.25
        """
        trace = float(self.covariance.diagonal().double().sum())
        square = float(self.covariance.double().square().sum())
        scale, freedom = square / trace, trace**2 / square
        from scipy import stats  # noqa: PLC0415  (slow to import, and few ask for a bound)

        return float((scale * stats.chi2.ppf(percentile / 100, freedom)) ** 0.5)


def drawn_back(codes: Tensor, radius: float, centre: Tensor | None = None) -> Tensor:
    """Draw codes beyond a radius around a centre straight back to the radius.

    Args:
        codes: `(n, code_dim)`.
        centre: `(code_dim,)`; by default 0.
    """
    away = codes if centre is None else codes - centre.to(codes)
    norm = torch.linalg.vector_norm(away, dim=1, keepdim=True).clamp(min=1e-12)
    near = away * (radius / norm).clamp(max=1)
    return near if centre is None else near + centre.to(codes)


class Generator(ABC):
    """Makes images from codes.

    Attributes:
        name: how a person calls it, such as `embedded`.
        code_dim: length of a code.
        image_size: height and width of an image in pixels.
        code_statistics: of natural images' codes, where they are known.
        device: where images are made.
        encodes: whether it has an encoder of its own.
        constraints: that all its images keep to; none for most.
    """

    name: str
    code_dim: int
    image_size: int
    code_statistics: CodeStatistics | None = None
    device: torch.device
    encodes: bool = False
    constraints: ImageConstraints = ImageConstraints()

    def __repr__(self) -> str:
        """Name the generator, its sizes and its device in one line."""
        return (
            f"{type(self).__name__}({self.name!r}, code_dim={self.code_dim}, "
            f"image_size={self.image_size}, device={self.device})"
        )

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Describe everything that decides the images, as plain values."""

    @abstractmethod
    def _generate(self, codes: Tensor) -> Tensor:
        """Make images of float32 codes on the device; values beyond [0, 1] are clipped after."""

    def _encode(self, images: Tensor) -> Tensor:  # noqa: ARG002  (for those that can)
        """Encode float32 images of the generator's size on the device."""
        raise InputError(f"{self.name} has no encoder; invert by gradient or search")

    @torch.no_grad()
    def generate(self, codes: Tensor) -> Tensor:
        """Make images of codes.

        Args:
            codes: `(n, code_dim)`.

        Returns:
            `(n, 3, image_size, image_size)` float32 in [0, 1].

        Raises:
            InputError: codes of another length.
        """
        if codes.ndim != 2 or codes.shape[1] != self.code_dim:
            raise InputError(
                f"codes have shape {tuple(codes.shape)}; {self.name} takes (n, {self.code_dim})"
            )
        codes = codes.to(self.device, torch.float32)
        part = part_of_batch(len(codes), self.image_size, self.device)
        if part == len(codes):
            return self._generate(codes).float().clamp(0, 1)
        return torch.cat([self._generate(own).float().clamp(0, 1) for own in codes.split(part)])

    def bounded(self, codes: Tensor) -> Tensor:
        """Draw codes `(n, code_dim)` back to the bound of images; without a bound, none."""
        return codes

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Encode images by the generator's own encoder.

        Args:
            images: `(n, 3, image_size, image_size)` in [0, 1].

        Returns:
            `(n, code_dim)` float32 on the device.

        Raises:
            InputError: images of another size, or a generator without an encoder.
        """
        return self._encode(self._sized(images))

    def invert(
        self,
        images: Tensor,
        *,
        how: str = "auto",
        features: Features | None = None,
        steps: int | None = None,
    ) -> InvertedCodes:
        """Find codes with images close to given images, and measure how close.

        Args:
            images: `(n, 3, image_size, image_size)` in [0, 1].
            how: `encoder`; `gradient`, from the encoder's codes or the natural mean; `search`,
                without gradients; `auto`, the encoder where there is one, else gradient.
            features: for `gradient`, what else shall agree (see `subjects.perceptual`): a
                perceptual loss beside that of the pixels.
            steps: of the gradient descent (300) or generations of the search (1000).

        Raises:
            InputError: images of another size, an unknown way, or one this generator has not.
        """
        return invert(self, self._sized(images), how=how, features=features, steps=steps)

    def constrain(self, images: Tensor) -> Tensor:
        """Show any images under this generator's constraints, if there are some.

        Photos, references and affine copies that stand beside its images are passed through this.

        Args:
            images: `(n, 3, height, width)` in [0, 1].

        Returns:
            `(n, 3, height, width)`, of its `image_size` where it has constraints; else as given.
        """
        return images

    def violations(self, images: Tensor) -> str:  # noqa: ARG002  (for those with constraints)
        """Say how images break the constraints; empty where all are kept."""
        return ""

    def _sized(self, images: Tensor) -> Tensor:
        side = self.image_size
        if tuple(validate.images(images).shape[2:]) != (side, side):
            raise InputError(
                f"images are {images.shape[3]} × {images.shape[2]} px; {self.name} makes "
                f"{side} × {side}"
            )
        return images.to(self.device, torch.float32)
