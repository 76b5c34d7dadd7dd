"""Published architectures for CIFAR-10 (32 × 32 RGB), with the names in their weight files.

`resnet20` and the option A shortcut: He et al. 2016, §4.2; `resnet50` is its bottleneck form with
a 3 × 3 stem; `preact_resnet18`: He et al. 2016 (identity mappings); `wide_resnet`: Zagoruyko &
Komodakis 2016; `certified_small`: Wong et al. 2018. Trained weights of most are in RobustBench.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def _conv(channels_in: int, channels: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels, size, stride, size // 2, bias=False)


class _Padded(nn.Module):
    """Option A: every second pixel, and zeros for the channels that are new."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))


class _Basic(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(channels_in, channels, 3, stride), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = _conv(channels, channels, 3), nn.BatchNorm2d(channels)
        same = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if same else _Padded(channels - channels_in)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class _Bottleneck(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        wide = 4 * channels
        self.conv1, self.bn1 = _conv(channels_in, channels, 1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = _conv(channels, channels, 3, stride), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = _conv(channels, wide, 1), nn.BatchNorm2d(wide)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != wide:
            self.shortcut = nn.Sequential(_conv(channels_in, wide, 1, stride), nn.BatchNorm2d(wide))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


class _PreAct(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(channels_in), _conv(channels_in, channels, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(channels), _conv(channels, channels, 3)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(_conv(channels_in, channels, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(F.relu(self.bn1(x)))
        return self.conv2(F.relu(self.bn2(out))) + self.shortcut(x)


class _Wide(nn.Module):
    """Pre-activation; where the width changes, the shortcut starts after the activation."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.relu1 = nn.BatchNorm2d(channels_in), nn.ReLU(inplace=True)
        self.conv1 = _conv(channels_in, channels, 3, stride)
        self.bn2, self.relu2 = nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        self.conv2 = _conv(channels, channels, 3)
        self.convShortcut = None
        if channels_in != channels:
            self.convShortcut = _conv(channels_in, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        first = self.relu1(self.bn1(x))
        out = self.conv2(self.relu2(self.bn2(self.conv1(first))))
        return out + (x if self.convShortcut is None else self.convShortcut(first))


class _Stages(nn.Module):
    """Stem, `layer1` …, mean over the picture, `linear`."""

    def __init__(
        self,
        block: type[nn.Module],
        widths: Sequence[int],
        counts: Sequence[int],
        *,
        wider: int = 1,
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = _conv(3, widths[0], 3)
        self.bn1 = nn.BatchNorm2d(widths[0]) if norm else None
        channels, self.depth = widths[0], len(widths)
        for stage, (width, count) in enumerate(zip(widths, counts, strict=True), start=1):
            blocks = [block(channels, width, 1 if stage == 1 else 2)]
            blocks += [block(width * wider, width, 1) for _ in range(count - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            channels = width * wider
        self.linear = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        if self.bn1 is not None:
            x = F.relu(self.bn1(x))
        for stage in range(1, self.depth + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.linear(x.mean((2, 3)))


class _WideResNet(nn.Module):
    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        count, last = (depth - 4) // 6, 64 * width
        self.conv1 = _conv(3, 16, 3)
        for stage, (before, channels, stride) in enumerate(
            [(16, 16 * width, 1), (16 * width, 32 * width, 2), (32 * width, last, 2)], start=1
        ):
            blocks = [_Wide(before, channels, stride)]
            blocks += [_Wide(channels, channels, 1) for _ in range(count - 1)]
            block = nn.Sequential()
            block.add_module("layer", nn.Sequential(*blocks))
            self.add_module(f"block{stage}", block)
        self.bn1, self.relu = nn.BatchNorm2d(last), nn.ReLU(inplace=True)
        self.fc = nn.Linear(last, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for stage in (1, 2, 3):
            x = self.get_submodule(f"block{stage}")(x)
        return self.fc(self.relu(self.bn1(x)).mean((2, 3)))


def resnet20() -> nn.Module:
    """0.27 M parameters."""
    return _Stages(_Basic, (16, 32, 64), (3, 3, 3))


def resnet50() -> nn.Module:
    """23.5 M parameters."""
    return _Stages(_Bottleneck, (64, 128, 256, 512), (3, 4, 6, 3), wider=4)


def preact_resnet18() -> nn.Module:
    """11.2 M parameters; no norm or activation between the last block and the mean."""
    return _Stages(_PreAct, (64, 128, 256, 512), (2, 2, 2, 2), norm=False)


def wide_resnet(depth: int, width: int) -> nn.Module:
    """28 and 10: 36.5 M parameters; 34 and 10: 46.2 M."""
    return _WideResNet(depth, width)


def certified_small() -> nn.Module:
    """Build two convolutions and two linear layers, 0.2 M parameters."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2048, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )
