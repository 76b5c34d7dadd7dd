"""A published network on real photos: the preprocessing is right if it recognises them."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope import NetworkSubject
from invariscope.subjects.checkpoint import load_state
from invariscope.zoo.vision import torchvision_models
from invariscope.zoo.weight_file import read_state

SHARED = os.environ.get("INVARISCOPE_SHARED")
pytestmark = pytest.mark.skipif(
    SHARED is None, reason="INVARISCOPE_SHARED names no folder with photos and weights"
)
# ImageNet's class of each folder.
CLASSES = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}
CAFFE = {"mean": (104, 117, 123), "std": 1, "value_range": 255, "channels": "BGR"}


@pytest.fixture(scope="module")
def photos():
    """Pixels `(n, 3, 224, 224)` and ImageNet's classes of the validation photos."""
    pixels, classes = [], []
    with zipfile.ZipFile(Path(str(SHARED)) / "data" / "imagenette224.zip") as archive:
        for name in archive.namelist():
            folder = Path(name).parent.name
            if "/val/" in name and folder in CLASSES and not name.endswith("/"):
                with Image.open(io.BytesIO(archive.read(name))) as photo:
                    pixels.append(torch.from_numpy(np.array(photo.convert("RGB"))))
                classes.append(CLASSES[folder])
    return torch.stack(pixels).permute(0, 3, 1, 2).float() / 255, torch.tensor(classes)


def top1(photos, **preprocessing):
    file = Path(str(SHARED)) / "weights" / "squeezenet1_0_imagenet.safetensors"
    model = torchvision_models().squeezenet1_0(weights=None).eval()
    load_state(model, read_state(file), file.name)
    subject = NetworkSubject(model, **({"image_size": 227} | CAFFE | preprocessing))
    images, classes = photos
    answers = [subject.respond(part, ["classifier"])["classifier"] for part in images.split(50)]
    return float((torch.cat(answers).flatten(1).argmax(1) == classes).float().mean())


def test_squeezenet_recognises_as_many_photos_as_it_should(photos):
    assert top1(photos) == pytest.approx(0.56, abs=0.02)


@pytest.mark.parametrize("wrong", [{"value_range": 1}, {"mean": 0}])
def test_it_does_not_with_another_preprocessing(photos, wrong):
    some = tuple(part[::5] for part in photos)  # of every class
    assert len(some[1].unique()) == len(CLASSES)
    assert top1(some, **wrong) < 0.5
