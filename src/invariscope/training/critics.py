"""Critics of images, by pixels and by the features of frozen networks."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from invariscope.zoo.embedded import EmbeddedNetwork, EmbeddedPlainNet
from invariscope.zoo.vision import library, torchvision_models
from invariscope.zoo.weight_file import check_state, read_state

COARSE = 12  # pixels of a feature map above which its critic begins with a stride of 2
SIDE = 96  # pixels of the images that are seen
LITE_SIDE = 128  # pixels to which images are enlarged for EfficientNet-Lite0
Eyes = Callable[[Tensor], list[Tensor]]


class _Cut(nn.Module):
    """A network cut after some layers, with the outputs of a few of these.

    Args:
        layers: modules applied one after the other.
        read: places in `layers` whose outputs are given.
        side: images of 96 pixels are enlarged to this; 0 for as they are.
    """

    mean: Tensor
    std: Tensor
    enlarge: Tensor

    def __init__(
        self,
        layers: Sequence[nn.Module],
        read: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        side: int = 0,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(copy.deepcopy(list(layers)))  # folding changes them
        fold_norms(self.layers)
        self.read, self.side = tuple(read), side
        eye = torch.eye(SIDE)[None]
        lines = F.interpolate(eye, side, mode="linear", align_corners=False) if side else eye
        self.register_buffer("enlarge", lines[0].T.contiguous())
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Feature maps of images in [0, 1]."""
        if self.side:
            enlarge = self.enlarge.to(images)
            images = enlarge @ images @ enlarge.T
        x = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        x = x.to(next(self.layers.parameters()).dtype)
        out = []
        for place, layer in enumerate(self.layers):
            x = layer(x)
            if place in self.read:
                out.append(x)
        return out


@torch.no_grad()
def fold_norms(module: nn.Module) -> None:
    """Fold a module's batch norms into the convolutions before these.

    The module is changed: a norm becomes what it applies after its sums (timm's do), or nothing.
    """
    before: nn.Conv2d | None = None
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d) and before is not None:
            assert child.running_mean is not None
            assert child.running_var is not None
            before.weight, bias = fuse_conv_bn_weights(
                before.weight,
                before.bias,
                child.running_mean,
                child.running_var,
                child.eps,
                child.weight,
                child.bias,
            )
            before.bias = bias
            module.add_module(name, getattr(child, "act", nn.Identity()))
        before = child if isinstance(child, nn.Conv2d) else None
        fold_norms(child)


def embedded_eyes(
    network: EmbeddedNetwork, mean: Sequence[float], std: Sequence[float]
) -> nn.Module:
    """Cut a shipped network into maps of 24, 12, 6 and perhaps 3 pixels, and a readout."""
    tail = (network.avgpool, nn.Flatten(), network.fc)
    if isinstance(network, EmbeddedPlainNet):
        layers = [*network.features, *tail]
        pools = [k for k, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        return _Cut(
            layers, (*(k - 1 for k in pools[1:]), len(layers) - 4, len(layers) - 1), mean, std
        )
    names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    layers = [*(network.get_submodule(name) for name in names), *tail]
    return _Cut(layers, (4, 5, 6, 7, 10), mean, std)


def layer3_reader(
    network: EmbeddedNetwork, mean: Sequence[float], std: Sequence[float]
) -> nn.Module:
    """Cut a residual network after `layer3`, the input of the generator's encoder."""
    names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
    return _Cut([network.get_submodule(name) for name in names], (6,), mean, std)


def efficientnet_eyes(network: nn.Module, side: int) -> nn.Module:
    """Cut timm's `tf_efficientnet_lite0` into strides 4 to 32, for images of `side` pixels."""
    blocks = list(network.get_submodule("blocks").children())
    layers = [network.get_submodule("conv_stem"), network.get_submodule("bn1"), *blocks]
    half = (127 / 255,) * 3, (128 / 255,) * 3
    return _Cut(layers, (3, 4, 6, 8), *half, side)


def load_lite(file: Path) -> nn.Module:
    """Load the eyes of timm's `tf_efficientnet_lite0` from a file of weights.

    Raises:
        InputError: timm is not installed, or the weights are not of this network.
        StoreError: the file is missing or not one of weights.
    """
    torchvision_models()  # timm imports torchvision
    network = library("timm").create_model("tf_efficientnet_lite0", pretrained=False)
    state = read_state(file)
    check_state(state, network.state_dict(), file.name)
    network.load_state_dict(state)
    return efficientnet_eyes(network.eval().requires_grad_(requires_grad=False), LITE_SIDE)


class Augmentation(NamedTuple):
    """The same small changes for images that are compared.

    Attributes:
        colours: `(n, 3)`: brightness, saturation and contrast.
        corners: `(n, 2)`: where a square is greyed, pixels; -1000 for nowhere.
        places: `(2, side)`: rows and columns in a rolled order, the same for all images.
    """

    colours: Tensor
    corners: Tensor
    places: Tensor

    def taken(self, first: int, last: int) -> "Augmentation":
        """Take the changes of some of the images."""
        return Augmentation(self.colours[first:last], self.corners[first:last], self.places)


def draw_augmentation(number: int, side: int, like: Tensor) -> Augmentation:
    """Draw differentiable augmentations (Zhao et al. 2020, arXiv 2006.10738) for so many images.

    All are rolled by one shift, so that the strides of networks leave no grid in what is made.
    """
    shift = torch.randint(0, side, (2, 1), device=like.device)
    places = (torch.arange(side, device=like.device) + shift) % side
    colours = torch.rand(number, 3, device=like.device) * 2 - 1
    corners = torch.randint(-16, side - 16, (number, 2), device=like.device)
    nowhere = torch.rand(number, 1, device=like.device) < 0.5
    return Augmentation(colours, torch.where(nowhere, -1000, corners), places)


CUT = 32  # pixels of the greyed square


def augmented(images: Tensor, changes: Augmentation) -> Tensor:
    """Change images by an augmentation; gradients pass."""
    brightness, saturation, contrast = changes.colours.T[:, :, None, None, None]
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (1 + 0.5 * saturation)
    middle = images.mean((1, 2, 3), keepdim=True)
    images = middle + (images - middle) * (1 + 0.25 * contrast) + 0.2 * brightness
    axis = torch.arange(images.shape[-1], device=images.device)
    corners = changes.corners[:, :, None]
    inside = (axis >= corners) & (axis < corners + CUT)
    square = (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]
    cut = torch.where(square, 0.5, images)
    return cut.index_select(2, changes.places[0]).index_select(3, changes.places[1])


def _conv(channels_in: int, channels: int, side: int = 3, stride: int = 1) -> nn.Module:
    return nn.Conv2d(channels_in, channels, side, stride, side // 2)


class ProjectedCritics(nn.Module):
    """Critics of patches, of pixels and of each feature map.

    Feature maps are divided by fixed scales, their channels' root mean squares over photos, and
    mixed by a fixed random projection (Sauer et al. 2021, arXiv 2111.01007, §3).

    Args:
        scales: the channels' root mean squares over photos, and the side, of each feature map.
        width: channels of a critic.
    """

    def __init__(self, scales: Sequence[tuple[Tensor, int]], width: int = 64) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.2)
        self.pixels = nn.Sequential(
            *(_conv(3, 48, 4, 2), act, _conv(48, 96, 4, 2), act),
            *(_conv(96, 128, 4, 2), act, _conv(128, 1)),
        )
        self.fine = nn.Sequential(_conv(3, 32), act, _conv(32, 64, 4, 2), act, _conv(64, 1))
        self.projections = nn.ModuleList()
        self.heads = nn.ModuleList()
        for scale, side in scales:
            projection = nn.Conv2d(len(scale), width, 1, bias=False)
            nn.init.normal_(projection.weight, std=len(scale) ** -0.5)
            with torch.no_grad():
                projection.weight.div_(scale.to(projection.weight)[:, None, None] + 1e-6)
            self.projections.append(projection.requires_grad_(requires_grad=False))
            stride = 2 if side > COARSE else 1
            first, second = _conv(width, width, 3, stride), _conv(width, width)
            self.heads.append(nn.Sequential(act, first, act, second, act, _conv(width, 1)))
        self.judging = [
            part
            for critic in (self.pixels, self.fine, *self.heads)
            for part in critic.modules()
            if isinstance(part, nn.Conv2d)
        ]
        for number, part in enumerate(self.judging):
            self.register_buffer(f"direction{number}", torch.randn(len(part.weight)))
        for _ in range(30):
            self.bound()

    @torch.no_grad()
    def bound(self) -> None:
        """Divide each convolution's weights by their spectral norm (Miyato et al. 2018).

        One power iteration from the direction of the last call, arXiv 1802.05957, §2.1.
        """
        for number, part in enumerate(self.judging):
            rows, left = part.weight.flatten(1), self.get_buffer(f"direction{number}")
            right = F.normalize(rows.T @ left, dim=0)
            wide = rows @ right
            left.copy_(F.normalize(wide, dim=0))
            part.weight.div_(left @ wide)

    def forward(self, images: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
        """Give verdicts `(n, 1, h, w)` of each critic, above 0 for a photo."""
        verdicts = [self.pixels(2 * images - 1), self.fine(2 * images - 1)]
        for projection, head, map_ in zip(self.projections, self.heads, maps, strict=True):
            verdicts.append(head(projection(map_)))
        return verdicts
