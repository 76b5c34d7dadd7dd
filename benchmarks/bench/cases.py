"""What is searched in a measurement: networks, unit, site and reference."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from invariscope import seeds
from invariscope.generators import load_generator
from invariscope.generators.base import Generator
from invariscope.generators.deepsim import DeepsimGenerator
from invariscope.subjects import NetworkSubject
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.embedded import embedded_subject
from invariscope.units import Sites
from invariscope.zoo.deepsim import SLOPE, DeepsimNetwork
from invariscope.zoo.vision import torchvision_models


@dataclass(frozen=True)
class Case:
    """A search to measure.

    Attributes:
        unit: entry of the site `readout`.
        site: the stretch site.
        reference: `(code_dim,)`, the code of the image to depart from.
    """

    name: str
    generator: Generator
    subject: NetworkSubject
    unit: int
    site: str
    reference: Tensor
    readout: str = "fc"

    @property
    def address(self) -> str:
        """The target unit's."""
        return f"{self.readout}:{self.unit}"


def random_weights(module: nn.Module, name: str) -> nn.Module:
    """The module with weights from named streams that keep the size of activity (He et al. 2015).

    Convolutions and linear layers have normal weights and no bias, other parameters keep what
    they were made with.
    """
    for key, layer in module.named_modules():
        weight = getattr(layer, "weight", None)
        if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            continue
        assert isinstance(weight, Tensor)
        inputs = weight[0].numel()
        if isinstance(layer, nn.ConvTranspose2d):
            inputs = layer.in_channels * weight[0, 0].numel() // math.prod(layer.stride)
        stream = seeds.torch_stream("weights", name, key)
        nn.init.normal_(weight, 0, math.sqrt(2 / (1 + SLOPE**2) / inputs), generator=stream)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return module.eval()


def _embedded(device: torch.device) -> Case:
    generator = load_generator("embedded:v1", device)
    reference = seeds.normal([("bench", "reference")], (generator.code_dim,))[0]
    subject = embedded_subject("standard", device)
    return Case("embedded", generator, subject, 3, "layer3.0.conv1", reference)


def _paper(device: torch.device) -> Case:
    with torch.device("meta"):
        decoder = DeepsimNetwork()
    random_weights(decoder.to_empty(device="cpu"), "deepsim")
    # Pictures whose pixels spread over most of 0 … 255.
    decoder.get_submodule("deconv0").get_parameter("weight").data *= 50
    generator = DeepsimGenerator(decoder, device=device)
    with torch.random.fork_rng(devices=[]):  # torchvision draws weights from torch's own stream
        network = torchvision_models().resnet50(weights=None)
    for name, module in random_weights(network, "resnet50").named_modules():
        if name.endswith("bn3"):  # a sum of two in each block, as large as one
            nn.init.constant_(module.get_parameter("weight"), 0.5)
    subject = NetworkSubject(network, image_size=224, name="resnet50", device=device)
    reference = seeds.normal([("bench", "reference")], (generator.code_dim,))[0]
    return Case("paper", generator, subject, 3, "layer3.0.conv1", reference)


CASES: dict[str, Callable[[torch.device], Case]] = {"embedded": _embedded, "paper": _paper}


@final
class TrivialGenerator(Generator):
    """The first numbers of a code as a 2 × 2 picture: costs next to nothing."""

    name, image_size = "trivial", 2

    def __init__(self, code_dim: int, device: torch.device) -> None:
        self.code_dim, self.device = code_dim, device

    def identity(self) -> dict[str, Any]:
        return {"trivial": self.code_dim}

    def _generate(self, codes: Tensor) -> Tensor:
        return torch.sigmoid(codes[:, :12]).unflatten(1, (3, 2, 2))


@final
class TrivialSubject(Subject):
    """One unit, the mean of an image's pixels."""

    name, image_size = "trivial", 2

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def identity(self) -> dict[str, Any]:
        return {"trivial": PIXELS}

    def _sites(self) -> Sites:
        return {"mean": (1,)}

    def _respond(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:  # noqa: ARG002
        return {"mean": images.mean((1, 2, 3)).unsqueeze(1)}
