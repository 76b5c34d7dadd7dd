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

from invariscope.testing.networks import (
    SIDE,
    SmallGenerator,
    SmallNetwork,
    fixed_weights,
    small_subject,
)


class SlowGenerator(SmallGenerator):
    """The small generator, `DELAY` seconds slower."""

    def _generate(self, codes):
        time.sleep(float(os.environ.get("DELAY", "0")))
        return super()._generate(codes)


class BrokenReadout(nn.Linear):
    """Answers NaN at unit 3 while the file `$BROKEN` is there."""

    def forward(self, input):  # noqa: A002
        answers = super().forward(input)
        if Path(os.environ["BROKEN"]).exists():
            answers[:, 3] = torch.nan
        return answers


class Broken(SmallNetwork):
    """The same with a readout that fails."""

    def __init__(self):
        super().__init__()
        self.fc = BrokenReadout(8 * 16, 5)


class Pooled(SmallNetwork):
    """The same for images of twice the size."""

    def forward(self, x):
        return super().forward(F.avg_pool2d(x, 2))


def _subject(model, device, name, side=SIDE):
    classes = [f"class {i}" for i in range(5)]
    model = fixed_weights(model)
    model.fc.bias += 1  # so that references drive every unit
    return small_subject(model, image_size=side, name=name, device=device, classes=classes)


def subject(device):
    return _subject(SmallNetwork(), device, "conv")


def broken(device):
    """A subject that fails at one of its units."""
    return _subject(Broken(), device, "broken")


def large(device):
    """An observer that sees larger images than the study's."""
    return _subject(Pooled(), device, "large", 2 * SIDE)


def generator(device):
    return SlowGenerator(device)
