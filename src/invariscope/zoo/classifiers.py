"""Classifiers for training: small networks of our own, and torchvision's and timm's."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from invariscope import seeds, validate
from invariscope.errors import InputError, unknown
from invariscope.plurals import number_of
from invariscope.zoo.vision import library, torchvision_models


def standardise(images: Tensor) -> Tensor:
    """Standardise each image: less its mean, over its standard deviation, over pixels and channels.

    The deviation counts as at least `1 / √numbers` of a pixel value from 0 to 255, as in
    TensorFlow's per-image standardisation, so that a constant image gives 0.

    Args:
        images: `(n, channels, height, width)`, floats, white 1.

    Returns:
        The same shape.
    """
    numbers = images[0].numel() if len(images) else 1
    mean = images.mean((1, 2, 3), keepdim=True)
    centred = images - mean
    deviation = centred.square().mean((1, 2, 3), keepdim=True).sqrt()
    return centred / deviation.clamp(min=1 / (255 * math.sqrt(numbers)))


class Standardised(nn.Module):
    """A network behind the per-image standardisation of its training."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(standardise(images))


class SmallNet(nn.Module):
    """Four convolutions and two fully connected layers, for processors without a GPU.

    `conv1, bn1, relu1, … relu4, fc1, relu5, fc2`; at 64 px 0.45 M parameters and 5 M
    multiply-adds an image. `relu5` is the penultimate layer.

    Args:
        classes: readout units.
        side: of the images in pixels; 16 at least.
        widths: channels of the convolutions, whose strides are 4, 2, 2 and 1.
        hidden: units of `fc1`.
    """

    def __init__(
        self,
        classes: int,
        side: int = 64,
        widths: Sequence[int] = (32, 64, 96, 128),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        validate.at_least("side", side, 16)
        self.layers = len(widths)
        strides = (4, *(2,) * (len(widths) - 2), 1)
        channels, places = 3, side
        for number, (width, stride) in enumerate(zip(widths, strides, strict=True), 1):
            kernel, margin = (6, 1) if number == 1 else (3, 1)
            convolution = nn.Conv2d(channels, width, kernel, stride, margin, bias=False)
            self.add_module(f"conv{number}", convolution)
            self.add_module(f"bn{number}", nn.BatchNorm2d(width))
            self.add_module(f"relu{number}", nn.ReLU())
            channels, places = width, (places + 2 * margin - kernel) // stride + 1
        self.fc1 = nn.Linear(channels * places * places, hidden)
        self.relu5 = nn.ReLU()
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        for number in range(1, self.layers + 1):
            for name in ("conv", "bn", "relu"):
                x = self.get_submodule(f"{name}{number}")(x)
        return self.fc2(self.relu5(self.fc1(torch.flatten(x, 1))))


class RecurrentNet(nn.Module):
    """Four convolutions, the third applied several times, and two fully connected layers.

    The third convolution's output, normed and rectified, is added to its input, and the layer
    answers again: `h₀ = 0, h = relu3(norm3(conv3(x + h)))`, `steps` times with the same weights. So
    a network of one step is feed-forward, and has the weights of its recurrent twin. Group norm
    there keeps no statistics, which would differ between the steps. `relu5` is the penultimate
    layer.

    Args:
        classes: readout units.
        side: of the images in pixels; 16 at least.
        steps: applications of the third convolution, 1 at least.
        widths: channels of the first, the second and third, and the fourth convolution.
        hidden: units of `fc1`.
    """

    def __init__(
        self,
        classes: int,
        side: int = 64,
        steps: int = 4,
        widths: Sequence[int] = (32, 64, 128),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        validate.at_least("side", side, 16)
        validate.at_least("steps", steps, 1)
        first, middle, last = widths
        self.steps = steps
        self.conv1 = nn.Conv2d(3, first, 6, 4, 1, bias=False)
        self.conv2 = nn.Conv2d(first, middle, 3, 2, 1, bias=False)
        self.conv3 = nn.Conv2d(middle, middle, 3, 1, 1, bias=False)
        self.conv4 = nn.Conv2d(middle, last, 3, 2, 1, bias=False)
        self.bn1, self.bn2, self.bn4 = (nn.BatchNorm2d(width) for width in (first, middle, last))
        self.norm3 = nn.GroupNorm(8, middle)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.relu4, self.relu5 = nn.ReLU(), nn.ReLU()
        places = (((side - 4) // 4 + 1 + 1) // 2 + 1) // 2
        self.fc1 = nn.Linear(last * places * places, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.relu2(self.bn2(self.conv2(x)))
        again = torch.zeros_like(x)
        for _ in range(self.steps):
            again = self.relu3(self.norm3(self.conv3(x + again)))
        x = self.relu4(self.bn4(self.conv4(again)))
        return self.fc2(self.relu5(self.fc1(torch.flatten(x, 1))))


class ModifiedAlexNet(nn.Module):
    """AlexNet with two fully connected layers, without the max-pools after conv1 and conv2.

    As the paper has it for faces (PAPERS §2): local response normalisation, dropout and
    initialisation as in AlexNet (Krizhevsky et al. 2012); `relu6` is the penultimate layer.

    Args:
        classes: readout units.
        side: of the images in pixels; 15 at least.
        hidden: units of the first fully connected layer.
        dropout: probability with which an input of a fully connected layer is dropped.
    """

    def __init__(
        self, classes: int, side: int = 128, hidden: int = 4096, dropout: float = 0.5
    ) -> None:
        super().__init__()
        validate.at_least("side", side, 15)
        self.conv1 = nn.Conv2d(3, 96, 11, 4, 2)
        self.lrn1 = nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0)
        self.conv2 = nn.Conv2d(96, 256, 5, 1, 2, groups=2)
        self.lrn2 = nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0)
        self.conv3 = nn.Conv2d(256, 384, 3, 1, 1)
        self.conv4 = nn.Conv2d(384, 384, 3, 1, 1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, 1, 1, groups=2)
        self.pool5 = nn.MaxPool2d(3, 2)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.relu4, self.relu5, self.relu6 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        places = ((side - 7) // 4 + 1 - 3) // 2 + 1
        self.dropout = nn.Dropout(dropout)
        self.fc6 = nn.Linear(256 * places * places, hidden)
        self.fc7 = nn.Linear(hidden, classes)
        self._initialise()

    def _initialise(self) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                if module.bias is not None:
                    nn.init.constant_(module.bias, name in ("conv2", "conv4", "conv5", "fc6"))

    def forward(self, x: Tensor) -> Tensor:
        x = self.lrn1(self.relu1(self.conv1(x)))
        x = self.lrn2(self.relu2(self.conv2(x)))
        x = self.relu4(self.conv4(self.relu3(self.conv3(x))))
        x = self.pool5(self.relu5(self.conv5(x)))
        x = self.relu6(self.fc6(self.dropout(torch.flatten(x, 1))))
        return self.fc7(self.dropout(x))


OWN: dict[str, type[nn.Module]] = {
    "small": SmallNet,
    "recurrent": RecurrentNet,
    "alexnet": ModifiedAlexNet,
}
SHORT = {"resnet18": "torchvision:resnet18", "inception": "torchvision:googlenet"}


def make_classifier(
    name: str, classes: int, side: int, options: Mapping[str, Any] | None = None, seed: int = 0
) -> nn.Module:
    """Build a network with random weights, in training mode.

    Args:
        name: `small`, `recurrent`, `alexnet`, `resnet18`, `inception`, `torchvision:NAME` or
            `timm:NAME`.
        classes: readout units.
        side: of the images that it will see.
        options: arguments of the network's own, such as `hidden` or timm's `patch_size`.
        seed: two networks of one name and seed begin with the same weights.

    Raises:
        InputError: an unknown name or option, or a side that the network cannot take.
    """
    source, _, known = SHORT.get(name, name).partition(":")
    makers: dict[str, Callable[..., nn.Module]] = {"torchvision": _torchvision, "timm": _timm}
    if name not in OWN and (source not in makers or not known):
        raise unknown("network", name, [*OWN, *SHORT, "torchvision:NAME", "timm:NAME"])
    with seeds.torch_global("classifier", name, seed):
        try:
            if name in OWN:
                network = OWN[name](classes, side, **(options or {}))
            else:
                network = makers[source](known, classes, side, dict(options or {}))
            network.eval()
            with torch.no_grad():
                network(torch.zeros(1, 3, side, side))
        except (TypeError, RuntimeError, ValueError, ZeroDivisionError, AssertionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"network {name!r} cannot be made for {number_of(classes, 'category')} of {side} "
                f"px: {error}"
            ) from error
    return network.train()


def _torchvision(name: str, classes: int, side: int, options: dict[str, Any]) -> nn.Module:
    models = torchvision_models()
    if name not in models.list_models(module=models):
        raise unknown("torchvision model", name, models.list_models(module=models))
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True, **options}
    if name.startswith("vit_"):
        options = {"image_size": side, **options}
    return models.get_model(name, weights=None, num_classes=classes, **options)


def _timm(name: str, classes: int, side: int, options: dict[str, Any]) -> nn.Module:
    torchvision_models()  # timm imports torchvision
    timm: Any = library("timm")
    if name not in timm.list_models():
        raise unknown("timm model", name, timm.list_models())
    sized = "img_size" in inspect.signature(timm.model_entrypoint(name)).parameters
    if sized or name.startswith(("vit_", "deit", "swin", "beit", "mixer")):
        options = {"img_size": side, **options}
    return timm.create_model(name, pretrained=False, num_classes=classes, **options)
