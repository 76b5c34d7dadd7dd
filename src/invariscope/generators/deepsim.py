"""The DeePSiM generators: activity of a layer of CaffeNet → an image."""

from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from invariscope.devices import place
from invariscope.generators.base import Generator
from invariscope.zoo import registry
from invariscope.zoo.deepsim import DeepsimNetwork, deepsim_network
from invariscope.zoo.download import fetch
from invariscope.zoo.weight_file import read_state, weights_hash

MEAN_BGR = (104.0, 117.0, 123.0)
PREFIX = "deepsim:"


@final
class DeepsimGenerator(Generator):
    """Images of a `DeepsimNetwork`: its output plus the mean, in RGB, over 255 (PAPERS §1).

    The codes of `pool5`, `conv3`, `conv4`, `norm1` and `norm2` are flattened maps.

    Args:
        network: with its weights; it is moved to the device.
        name: how a person calls it; by default `deepsim:` and the variant.
        device: where images are made.
    """

    def __init__(
        self,
        network: DeepsimNetwork,
        *,
        name: str | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.name = name or f"{PREFIX}{network.variant}"
        self.device = torch.device(device)
        self.code_dim = network.code_dim
        self.image_size = network.image_size
        # Weights that require gradients are cast to bf16 once for many chunks (see `bulk`).
        self.network = place(network.eval(), self.device)
        self._mean = torch.tensor(MEAN_BGR, device=self.device).view(1, 3, 1, 1)

    @cached_property
    def _weights(self) -> str:
        return weights_hash(self.network)

    def identity(self) -> dict[str, Any]:
        return {"kind": "deepsim", "weights": self._weights}

    def _generate(self, codes: Tensor) -> Tensor:
        return (self.network(codes).float() + self._mean).flip(1) / 255


def deepsim_generator(variant: str, device: torch.device | str = "cpu") -> DeepsimGenerator:
    """Load a published generator, downloaded at first use.

    Args:
        variant: `fc6`, `fc7`, `fc8`, `pool5`, `conv3`, `conv4`, `norm1` or `norm2`.

    Raises:
        InputError: an unknown variant, or a file with other weights than the variant's.
        StoreError: it cannot be downloaded or read.
    """
    entry = registry.find(f"{PREFIX}{variant}", "deepsim")
    path = fetch(entry)
    network = deepsim_network(variant, read_state(path), repr(str(path)))
    return DeepsimGenerator(network, device=device)
