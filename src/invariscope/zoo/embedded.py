"""The architectures of the embedded networks and generator (96 × 96 RGB)."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut, with torchvision's module names."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.bn2.weight)  # a block starts as its shortcut
        self.downsample = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class EmbeddedResNet(nn.Module):
    """A residual network for 96 × 96 images with torchvision's names.

    `conv1, bn1, relu, maxpool, layer1 … layer4, avgpool, fc`; with the default widths
    2.8 M parameters and 79 M multiply-adds an image.

    Args:
        classes: readout units of `fc`.
        widths: channels of `layer1` … `layer4`.
        blocks: residual blocks of each layer.
    """

    def __init__(
        self,
        classes: int = 10,
        widths: Sequence[int] = (32, 64, 128, 256),
        blocks: Sequence[int] = (2, 2, 2, 2),
    ) -> None:
        super().__init__()
        self.widths, self.blocks = tuple(widths), tuple(blocks)
        self.conv1 = nn.Conv2d(3, widths[0], 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
            layer = nn.Sequential()
            for block in range(count):
                stride = 2 if stage > 1 and block == 0 else 1
                layer.append(BasicBlock(channels, width, stride))
                channels = width
            self.add_module(f"layer{stage}", layer)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


class EmbeddedPlainNet(nn.Module):
    """Convolutions in a row without shortcuts: another architecture, for observers.

    `features` (convolution, batch norm, ReLU; four pools), `avgpool`, `fc`; with the default
    widths 0.8 M parameters and 64 M multiply-adds an image of 96 × 96.

    Args:
        classes: readout units of `fc`.
        widths: channels at 48, 24, 12 and 6 pixels; two convolutions at each of the last two.
    """

    def __init__(self, classes: int = 10, widths: Sequence[int] = (32, 64, 128, 192)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.features = nn.Sequential()
        channels, repeats = 3, (1, 1, 2, 2)
        for number, (width, count) in enumerate(zip(widths, repeats, strict=True)):
            for _ in range(count):
                stride = 2 if number == 0 else 1
                conv = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
                self.features.extend([conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)])
                channels = width
            if number < len(widths) - 1:
                self.features.append(nn.MaxPool2d(3, 2, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.avgpool(self.features(x)), 1))


EmbeddedNetwork = EmbeddedResNet | EmbeddedPlainNet


def network_metadata(network: EmbeddedNetwork) -> dict[str, Any]:
    """Describe a network by the settings that `build_network` needs beside the weights."""
    if isinstance(network, EmbeddedPlainNet):
        return {"architecture": "plain", "widths": network.widths}
    return {"architecture": "resnet", "widths": network.widths, "blocks": network.blocks}


def build_network(metadata: Mapping[str, Any]) -> EmbeddedNetwork:
    """Build the network that a shipped file describes, with random weights."""
    classes, widths = len(metadata["classes"]), metadata["widths"]
    if metadata["architecture"] == "plain":
        return EmbeddedPlainNet(classes, widths)
    return EmbeddedResNet(classes, widths, metadata["blocks"])


class _Up(nn.Module):
    """A 3×3 convolution, nearest ×2, then a residual 3×3: no transposed grid, few operations."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, 1, 1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.act = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(self.act(self.conv1(x)))
        return x + self.act(self.conv2(x))


class EmbeddedDecoder(nn.Module):
    """Code → 96 × 96 RGB image; with the defaults 1.4 M parameters, 92 M multiply-adds.

    Args:
        code_dim: length of a code.
        widths: channels at 6, 12, 24, 48 and (before the colours) 96 pixels.
    """

    def __init__(self, code_dim: int = 256, widths: Sequence[int] = (128, 80, 56, 32, 20)) -> None:
        super().__init__()
        self.code_dim = code_dim
        self.width0 = widths[0]
        self.fc = nn.Linear(code_dim, widths[0] * 36)
        self.act = nn.LeakyReLU(0.2)
        self.ups = nn.Sequential(*(_Up(a, b) for a, b in pairwise(widths[:-1])))
        self.last = nn.Conv2d(widths[-2], widths[-1], 3, 1, 1)
        self.smooth = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.rgb = nn.Conv2d(widths[-1], 3, 5, 1, 2)

    def forward(self, codes: Tensor) -> Tensor:
        """Decode `(n, code_dim)` into `(n, 3, 96, 96)` in [0, 1]."""
        x = self.act(self.fc(codes)).unflatten(1, (self.width0, 6, 6))
        x = self.smooth(self.act(self.last(self.ups(x))))
        return torch.sigmoid(self.rgb(x))


class EmbeddedEncoder(nn.Module):
    """`layer3` of the standard network, `(n, 128, 6, 6)` → code `(n, code_dim)`."""

    def __init__(self, code_dim: int = 256, channels: int = 128, squeezed: int = 48) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.act = nn.LeakyReLU(0.2)
        self.fc = nn.Linear(squeezed * 36, code_dim)

    def forward(self, features: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.act(self.squeeze(features)), 1))
