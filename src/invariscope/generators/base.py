"""What every generator promises: codes in, images out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invariscope.errors import InputError


@dataclass(frozen=True)
class CodeStatistics:
    """Mean and covariance of the codes of natural images.

    Attributes:
        mean: `(code_dim,)`.
        covariance: `(code_dim, code_dim)`.
    """

    mean: Tensor
    covariance: Tensor

    @property
    def sd(self) -> Tensor:
        """Standard deviation of each component, `(code_dim,)`."""
        return self.covariance.diagonal().sqrt()


class Generator(ABC):
    """Makes images from codes.

    Attributes:
        name: how a person calls it, such as `embedded`.
        code_dim: length of a code.
        image_size: height and width of an image in pixels.
        code_statistics: of natural images' codes, where they are known.
        device: where images are made.
    """

    name: str
    code_dim: int
    image_size: int
    code_statistics: CodeStatistics | None = None
    device: torch.device

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What makes its images what they are."""

    @abstractmethod
    def _generate(self, codes: Tensor) -> Tensor:
        """Images of float32 codes on the device; values beyond [0, 1] are clipped after."""

    @torch.no_grad()
    def generate(self, codes: Tensor) -> Tensor:
        """Images of codes.

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
        return self._generate(codes.to(self.device, torch.float32)).float().clamp(0, 1)
