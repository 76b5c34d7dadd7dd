"""The DeePSiM generator: codes of a fully connected layer → 256 × 256 images."""

from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from invariscope.devices import place
from invariscope.generators.base import Generator
from invariscope.zoo.deepsim import DeepsimNetwork
from invariscope.zoo.registry import weights_hash

MEAN_BGR = (104.0, 117.0, 123.0)


@final
class DeepsimGenerator(Generator):
    """Images of a `DeepsimNetwork`: its output plus the mean, in RGB, over 255 (PAPERS §1).

    Args:
        network: with its weights; it is moved to the device.
        name: how a person calls it.
        device: where images are made.
    """

    image_size = 256

    def __init__(
        self,
        network: DeepsimNetwork,
        *,
        name: str = "deepsim:fc7",
        device: torch.device | str = "cpu",
    ) -> None:
        self.name = name
        self.device = torch.device(device)
        self.code_dim = network.code_dim
        self.network = place(network.eval(), self.device)
        self._mean = torch.tensor(MEAN_BGR, device=self.device).view(1, 3, 1, 1)

    @cached_property
    def _weights(self) -> str:
        return weights_hash(self.network)

    def identity(self) -> dict[str, Any]:
        return {"kind": "deepsim", "weights": self._weights}

    def _generate(self, codes: Tensor) -> Tensor:
        return (self.network(codes).float() + self._mean).flip(1) / 255
