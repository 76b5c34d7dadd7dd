"""The architectures of the DeePSiM generators: a layer's activity → an image.

Dosovitskiy and Brox, Generating Images with Perceptual Similarity Metrics based on Deep
Networks (arXiv 1602.02644). Eight variants invert eight layers of CaffeNet. Two sets of names are
in use for the published weights, and both are read: that of the `upconvGAN` networks (`defc7`,
`deconv5`, `Rconv6`; Wang and Ponce; Hugging Face `binxu/DeePSim_DosovitskiyBrox2016`), which
the networks here have, and that of XDream (`fc7`, `tconv5_0`, `conv6`; Xiao and Kreiman; Zenodo
15491763), whose transposed convolutions have no bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from invariscope.errors import unknown
from invariscope.zoo.weight_file import check_state

SLOPE = 0.3
FLAT = (256, 4, 4)  # what the fully connected layers end in


class _Layer(NamedTuple):
    """A convolution or a transposed convolution, followed by a leaky ReLU or not."""

    name: str
    channels: int
    kind: str
    size: int = 3
    stride: int = 1
    padding: int = 1
    bias: bool = True
    bent: bool = True


def _up(name: str, channels: int, *, bias: bool = True, bent: bool = True) -> _Layer:
    return _Layer(name, channels, "transposed", 4, 2, 1, bias, bent)


def _back(name: str, channels: int, *, bias: bool = True) -> _Layer:
    return _Layer(name, channels, "transposed", 3, 1, 1, bias)


def _conv(name: str, channels: int, size: int = 3, stride: int = 1, padding: int = 1) -> _Layer:
    return _Layer(name, channels, "convolution", size, stride, padding)


def _plain(name: str, channels: int, *, bent: bool = True) -> _Layer:
    return _Layer(name, channels, "convolution", bias=False, bent=bent)


UPWARD = (
    _up("deconv5", 256),
    _back("conv5_1", 512),
    _up("deconv4", 256),
    _back("conv4_1", 256),
    _up("deconv3", 128),
    _back("conv3_1", 128),
    _up("deconv2", 64),
    _up("deconv1", 32),
    _up("deconv0", 3, bent=False),
)
POOL = (_conv("Rconv6", 512), _conv("Rconv7", 512), _conv("Rconv8", 512, padding=0))
CONV = (
    _conv("conv6", 384, padding=0),
    _conv("conv7", 512, padding=0),
    _conv("conv8", 512, size=2, padding=0),
    _up("tconv5_0", 256, bias=False),
    _back("tconv5_1", 256, bias=False),
    _up("tconv4_0", 128, bias=False),
    _back("tconv4_1", 128, bias=False),
    _up("tconv3_0", 128, bias=False),
    _back("tconv3_1", 128, bias=False),
    _up("tconv2_0", 64, bias=False),
    _plain("conv2_1", 32),
    _up("tconv1_0", 16, bias=False),
    _plain("conv1_1", 3, bent=False),
)
NORM = (
    _conv("conv7", 128),
    _conv("conv8", 128),
    _up("tconv4_0", 128, bias=False),
    _plain("conv4_1", 128),
    _up("tconv3_0", 64, bias=False),
    _plain("conv3_1", 64),
    _up("tconv2_0", 32, bias=False),
    _plain("conv2_1", 32),
    _up("tconv1_0", 16, bias=False, bent=False),
    _plain("conv1_1", 3, bent=False),
)


@dataclass(frozen=True)
class Variant:
    """A published network of the eight.

    Attributes:
        code: shape of a code.
        layers: the convolutions; the fully connected ones of `fc…` stand before them.
        image_size: of the picture.
        bounded: whether the output is 255 times a tanh.
    """

    code: tuple[int, ...]
    layers: tuple[_Layer, ...]
    image_size: int = 256
    bounded: bool = False


VARIANTS = {
    "fc6": Variant((4096,), UPWARD),
    "fc7": Variant((4096,), UPWARD),
    "fc8": Variant((1000,), UPWARD),
    "pool5": Variant((256, 6, 6), POOL + UPWARD),
    "conv3": Variant((384, 13, 13), CONV, bounded=True),
    "conv4": Variant((384, 13, 13), CONV, bounded=True),
    "norm1": Variant(
        (96, 27, 27), (_conv("conv6", 128, stride=2, padding=2), *NORM), 240, bounded=True
    ),
    "norm2": Variant((256, 13, 13), (_conv("conv6", 256, padding=2), *NORM), 240, bounded=True),
}


class DeepsimNetwork(nn.Sequential):
    """Code `(n, code_dim)` → `(n, 3, side, side)`: BGR in 0 … 255 less its mean, unbounded.

    Every layer but the last is followed by a leaky ReLU (in `norm1` and `norm2` the last two
    are not, as published). `conv3`, `conv4`, `norm1` and `norm2` end in 255 · tanh.

    Args:
        variant: the layer of CaffeNet whose activity is the code.
        width: of the hidden fully connected layers.
        narrow: what every number of channels but the colours' is divided by.
    """

    def __init__(self, variant: str = "fc7", *, width: int = 4096, narrow: int = 1) -> None:
        if variant not in VARIANTS:
            raise unknown("DeePSiM variant", variant, VARIANTS)
        super().__init__()
        kind = VARIANTS[variant]
        self.variant, self.image_size, self.bounded = variant, kind.image_size, kind.bounded
        channels, *sides = kind.code
        shape = (channels // narrow, *sides)
        self.code_dim = shape[0] * (sides[0] * sides[1] if sides else 1)
        if sides:
            self.add_module("reshape", nn.Unflatten(1, shape))
        else:
            shape = self._connected(width, narrow)
        channels = shape[0]
        for layer in kind.layers:
            channels = self._convolve(layer, channels, narrow)
        if kind.bounded:
            self.add_module("tanh", nn.Tanh())

    def _connected(self, width: int, narrow: int) -> tuple[int, ...]:
        shape = (FLAT[0] // narrow, *FLAT[1:])
        flat = shape[0] * shape[1] * shape[2]
        ends = (("defc7", self.code_dim, width), ("defc6", width, width), ("defc5", width, flat))
        for name, a, b in ends:
            self.add_module(name, nn.Linear(a, b))
            self.add_module(f"relu_{name}", nn.LeakyReLU(SLOPE, inplace=True))
        self.add_module("reshape", nn.Unflatten(1, shape))
        return shape

    def _convolve(self, layer: _Layer, channels: int, narrow: int) -> int:
        out = 3 if layer.channels == 3 else layer.channels // narrow
        make = nn.ConvTranspose2d if layer.kind == "transposed" else nn.Conv2d
        own = make(channels, out, layer.size, layer.stride, layer.padding, bias=layer.bias)
        self.add_module(layer.name, own)
        if layer.bent:
            self.add_module(f"relu_{layer.name}", nn.LeakyReLU(SLOPE, inplace=True))
        return out

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (its name in Sequential)
        made = super().forward(input)
        return made * 255 if self.bounded else made


# XDream's names for the layers of `fc…` and `pool5`.
XDREAM = {
    "fc7": "defc7",
    "fc6": "defc6",
    "fc5": "defc5",
    "conv6": "Rconv6",
    "conv7": "Rconv7",
    "conv8": "Rconv8",
    "tconv5_0": "deconv5",
    "tconv5_1": "conv5_1",
    "tconv4_0": "deconv4",
    "tconv4_1": "conv4_1",
    "tconv3_0": "deconv3",
    "tconv3_1": "conv3_1",
    "tconv2": "deconv2",
    "tconv1": "deconv1",
    "tconv0": "deconv0",
}


def own_names(state: Mapping[str, Tensor], variant: str) -> dict[str, Tensor]:
    """Rename published weights to the names of `DeepsimNetwork`, from either published set."""
    # Some copies have the network inside another (`G.`) or each layer behind a padding (`.1.`).
    names = {k.removeprefix("G.").replace(".1.", "."): v for k, v in state.items()}
    if VARIANTS[variant].bounded or not any(name.startswith("tconv") for name in names):
        return names
    renamed = {}
    for name, tensor in names.items():
        layer, _, kind = name.rpartition(".")
        renamed[f"{XDREAM.get(layer, layer)}.{kind}"] = tensor
        if layer.startswith("tconv") and kind == "weight" and f"{layer}.bias" not in names:
            renamed[f"{XDREAM.get(layer, layer)}.bias"] = tensor.new_zeros(tensor.shape[1])
    return renamed


def deepsim_network(variant: str, state: Mapping[str, Tensor], source: str) -> DeepsimNetwork:
    """Build a network with published weights, each name and shape checked.

    Args:
        variant: which of the eight.
        state: the weights, under either set of names.
        source: what they are from, for messages.

    Raises:
        InputError: an unknown variant, or weights that are not of its architecture.
    """
    with torch.device("meta"):
        network = DeepsimNetwork(variant)
    weights = own_names(state, variant)
    check_state(weights, network.state_dict(), source)
    network.load_state_dict({k: v.float() for k, v in weights.items()}, assign=True)
    return network
