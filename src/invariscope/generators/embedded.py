"""The generator that the package ships: 96 × 96 images from whitened codes."""

from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor, nn

from invariscope.devices import place
from invariscope.generators.base import CodeStatistics, Generator, drawn_back
from invariscope.zoo import registry
from invariscope.zoo.embedded import EmbeddedDecoder, EmbeddedEncoder, build_network
from invariscope.zoo.folded import fold_last_upsampling
from invariscope.zoo.registry import WeightEntry
from invariscope.zoo.smooth import ColourEncoder, SmoothDecoder
from invariscope.zoo.weight_file import load_weights


@final
class EmbeddedGenerator(Generator):
    """A decoder trained by `invariscope.training`; natural codes have mean 0, covariance I.

    Its encoder reads a layer of a shipped network, which is loaded when first needed.

    Args:
        entry: which shipped file.
        device: where images are made.

    Attributes:
        longest: L2 norm of the longest code that is decoded as it is; longer ones are drawn back
            to it, so that a search stays where images of random codes are. None: no bound.
    """

    image_size = 96
    encodes = True

    def __init__(self, entry: WeightEntry, device: torch.device | str = "cpu") -> None:
        tensors, metadata = load_weights(entry)
        self.name = entry.name
        self.device = torch.device(device)
        self.code_dim = int(metadata["code_dim"])
        self._sha256 = entry.sha256
        self._encoded = str(metadata["encodes"])
        self._colours = metadata.get("architecture") == "smooth"
        decoder, encoder = (
            (SmoothDecoder(self.code_dim), ColourEncoder(self.code_dim))
            if self._colours
            else (EmbeddedDecoder(self.code_dim), EmbeddedEncoder(self.code_dim))
        )
        self._decoder = fold_last_upsampling(self._with_weights(decoder, tensors, "decoder."))
        self._encoder = self._with_weights(encoder, tensors, "encoder.")
        self.code_statistics = CodeStatistics.standard(self.code_dim)
        self.longest: float | None = metadata.get("longest_code")

    def _with_weights(
        self, module: nn.Module, tensors: dict[str, Tensor], prefix: str = ""
    ) -> nn.Module:
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        module.load_state_dict(own)
        return place(module.eval().requires_grad_(requires_grad=False), self.device)

    @cached_property
    def _network(self) -> tuple[nn.Module, dict[str, Any]]:
        """Build the network up to the layer that the encoder reads, and its preprocessing."""
        name, layer = self._encoded.split()
        tensors, metadata = load_weights(registry.find(name, "classifier"))
        network = build_network(metadata)
        self._with_weights(network, tensors)
        names = [child for child, _ in network.named_children()]
        kept = names[: names.index(layer) + 1]
        return nn.Sequential(*(network.get_submodule(child) for child in kept)), metadata

    def identity(self) -> dict[str, Any]:
        return {"kind": "embedded", "weights": self._sha256}

    def _generate(self, codes: Tensor) -> Tensor:
        return self._decoder(self.bounded(codes))

    def bounded(self, codes: Tensor) -> Tensor:
        return codes if self.longest is None else drawn_back(codes, self.longest)

    def _encode(self, images: Tensor) -> Tensor:
        network, metadata = self._network
        mean, std = (
            torch.tensor(metadata[key], device=self.device).view(1, 3, 1, 1)
            for key in ("mean", "std")
        )
        features = network((images - mean) / std)
        return self._encoder(features, images) if self._colours else self._encoder(features)
