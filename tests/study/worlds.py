"""A small convolutional subject and generator that a study file names as `worlds.py:subject`.

`DELAY` in the environment slows every answer down (seconds), so that a worker can be killed
while it works; it changes no number.
"""

import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from invariscope import seeds
from invariscope.generators import CodeStatistics, Generator
from invariscope.subjects import NetworkSubject

SIDE, CODE_DIM = 8, 16


def weights(*shape):
    """Fixed weights that differ with their shape."""
    return seeds.normal([("worlds", *shape)], shape)[0].float()


class ConvNet(nn.Module):
    """A convolution and a readout."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1)
        self.fc = nn.Linear(8 * 16, 5)
        for parameter in self.parameters():
            size = parameter[0].numel()
            parameter.data = weights(*parameter.shape) / size**0.5

    def forward(self, x):
        return self.fc(torch.relu(self.conv1(x)).flatten(1))


class ConvGenerator(Generator):
    """A transposed convolution and a convolution."""

    name = "conv"
    code_dim = CODE_DIM
    image_size = SIDE
    code_statistics = CodeStatistics(
        torch.zeros(CODE_DIM, dtype=torch.float64), torch.eye(CODE_DIM, dtype=torch.float64)
    )

    def __init__(self, device):
        self.device = torch.device(device)

    def identity(self):
        return {"kind": "conv"}

    def _generate(self, codes):
        time.sleep(float(os.environ.get("DELAY", "0")))
        x = codes.unflatten(1, (1, 4, 4))
        x = torch.tanh(F.conv_transpose2d(x, weights(1, 6, 2, 2), stride=2))
        return torch.sigmoid(F.conv2d(x, weights(3, 6, 3, 3) / 2, padding=1))


class BrokenReadout(nn.Linear):
    """Answers NaN at unit 3 while the file `$BROKEN` is there."""

    def forward(self, input):  # noqa: A002
        answers = super().forward(input)
        if Path(os.environ["BROKEN"]).exists():
            answers[:, 3] = torch.nan
        return answers


class Broken(ConvNet):
    """The same with a readout that fails."""

    def __init__(self):
        super().__init__()
        whole, self.fc = self.fc, BrokenReadout(8 * 16, 5)
        self.fc.load_state_dict(whole.state_dict())


class Pooled(ConvNet):
    """The same for images of twice the size."""

    def forward(self, x):
        return super().forward(F.avg_pool2d(x, 2))


def _subject(model, device, name, side=SIDE):
    return NetworkSubject(
        model.eval().requires_grad_(requires_grad=False),
        image_size=side,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        name=name,
        device=device,
        classes=[f"class {i}" for i in range(5)],
    )


def subject(device):
    return _subject(ConvNet(), device, "conv")


def broken(device):
    """A subject that fails at one of its units."""
    return _subject(Broken(), device, "broken")


def large(device):
    """An observer that sees larger images than the study's."""
    return _subject(Pooled(), device, "large", 2 * SIDE)


def generator(device):
    return ConvGenerator(device)
