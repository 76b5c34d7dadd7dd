"""Small networks and a small generator with fixed weights, for examples and tests."""

from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invariscope import seeds
from invariscope.generators.base import CodeStatistics, Generator
from invariscope.subjects import NetworkSubject

SIDE = 8
AnyModule = TypeVar("AnyModule", bound=nn.Module)


def fixed_weights(module: AnyModule) -> AnyModule:
    """Give a module weights that follow from their names and shapes, scaled by their fan-in.

    Args:
        module: changed in place, and put into eval mode without gradients.
    """
    for key, parameter in module.named_parameters():
        draws = seeds.normal([(key, *parameter.shape)], tuple(parameter.shape))[0].float()
        fan_in = max(parameter[0].numel(), 1)
        parameter.data = draws * (fan_in**-0.5 if parameter.ndim > 1 else 0.1)
    return module.eval().requires_grad_(requires_grad=False)


class SmallNetwork(nn.Module):
    """Two convolutions, an in-place ReLU that is called twice, and a readout of five units.

    Attributes:
        scale: factor of the readout's input, neither weight nor architecture.
    """

    scale = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(8, 8, 3, 2, 1)
        self.fc = nn.Linear(8 * 16, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Compute readouts `(n, 5)` of images `(n, 3, 8, 8)`."""
        maps = self.relu(self.conv2(self.relu(self.conv1(x))))
        return self.fc(self.scale * maps.flatten(1))


class RepeatingNetwork(nn.Module):
    """A network with answers by a plain attribute, hidden from weights and source.

    Args:
        times: how often the convolution is applied.
    """

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.last = nn.Linear(3, 4)
        fixed_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Compute readouts `(n, 4)`."""
        for _ in range(self.times):
            x = torch.tanh(self.first(x))
        return self.last(x.mean((2, 3)))


def small_subject(network: nn.Module | None = None, **settings: Any) -> NetworkSubject:
    """Make a subject of a small network, for images of 8 px.

    Args:
        network: by default `SmallNetwork` with fixed weights.
        settings: further ones of `NetworkSubject`.
    """
    network = fixed_weights(SmallNetwork()) if network is None else network
    known: dict[str, Any] = {"image_size": SIDE, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    return NetworkSubject(network, **{**known, "name": "conv", **settings})


class SmallGenerator(Generator):
    """A transposed convolution and a convolution: 16 numbers to images of 8 px.

    Args:
        statistics: whether natural codes are known, with mean 0 and covariance I.
    """

    name = "conv"
    code_dim = 16
    image_size = SIDE

    def __init__(self, device: torch.device | str = "cpu", *, statistics: bool = True) -> None:
        self.device = torch.device(device)
        shapes = {"up": (1, 6, 2, 2), "last": (3, 6, 3, 3)}
        self._weights = {k: seeds.normal([(k, *s)], s)[0].float() for k, s in shapes.items()}
        if statistics:
            mean, covariance = torch.zeros(self.code_dim), torch.eye(self.code_dim)
            self.code_statistics = CodeStatistics(mean.double(), covariance.double())

    def identity(self) -> dict[str, Any]:
        return {"kind": "conv"}

    def _generate(self, codes: Tensor) -> Tensor:
        up, last = (own.to(codes.device) for own in self._weights.values())
        maps = torch.tanh(F.conv_transpose2d(codes.unflatten(1, (1, 4, 4)), up, stride=2))
        return torch.sigmoid(F.conv2d(maps, last / 2, padding=1))
