"""The generator that the package ships: 96 × 96 images from whitened codes."""

from typing import Any, final

import torch
from torch import Tensor

from invariscope.devices import place
from invariscope.generators.base import CodeStatistics, Generator
from invariscope.zoo.embedded import EmbeddedDecoder
from invariscope.zoo.registry import Entry, load_weights


@final
class EmbeddedGenerator(Generator):
    """A decoder trained by `invariscope.training`; natural codes have mean 0, covariance I.

    Args:
        entry: which shipped file.
        device: where images are made.
    """

    image_size = 96

    def __init__(self, entry: Entry, device: torch.device | str = "cpu") -> None:
        tensors, metadata = load_weights(entry)
        self.name = entry.name
        self.device = torch.device(device)
        self.code_dim = int(metadata["code_dim"])
        self._sha256 = entry.sha256
        self._decoder = EmbeddedDecoder(self.code_dim)
        own = {k.removeprefix("decoder."): v for k, v in tensors.items() if k[:8] == "decoder."}
        self._decoder.load_state_dict(own)
        self._decoder.eval()
        place(self._decoder, self.device)
        self.code_statistics = CodeStatistics(
            mean=torch.zeros(self.code_dim, dtype=torch.float64),
            covariance=torch.eye(self.code_dim, dtype=torch.float64),
        )

    def identity(self) -> dict[str, Any]:
        return {"kind": "embedded", "weights": self._sha256}

    def _generate(self, codes: Tensor) -> Tensor:
        return self._decoder(codes)
