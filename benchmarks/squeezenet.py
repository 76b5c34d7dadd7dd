"""SqueezeNet 1.0 of the shared folder as a subject: `benchmarks/squeezenet.py:make`.

Its weights take BGR values from 0 to 255 minus a mean, at 227 px.
"""

import os
from pathlib import Path

from invariscope.photos import PhotoRule
from invariscope.subjects import NetworkSubject
from invariscope.subjects.checkpoint import load_state
from invariscope.zoo.vision import torchvision_models
from invariscope.zoo.weight_file import read_state


def make() -> NetworkSubject:
    file = Path(os.environ["INVARISCOPE_SHARED"]) / "weights" / "squeezenet1_0_imagenet.safetensors"
    model = torchvision_models().squeezenet1_0(weights=None).eval()
    load_state(model, read_state(file), file.name)
    return NetworkSubject(
        model,
        image_size=227,
        mean=(104, 117, 123),
        std=1,
        value_range=255,
        channels="BGR",
        photo=PhotoRule(256),
        name="squeezenet",
        classes=torchvision_models().get_model_weights("squeezenet1_0").DEFAULT.meta["categories"],
    )
