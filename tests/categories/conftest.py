"""Small sets of images on disk, and studies of a few seconds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.categories.data import DataRule, load_data
from invariscope.categories.plan import RECIPES, Paradigm, plan_networks, read_transformation

CLASSES = ("ant", "bee", "cat", "dog")
SIDE = 16


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory):
    """`train` and `val` with four categories of noisy patterns that a network can tell apart."""
    root = tmp_path_factory.mktemp("pictures")
    stream = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    patterns = [
        rows % 4 < 2,
        columns % 4 < 2,
        (rows + columns) % 4 < 2,
        (rows // 8 + columns // 8) % 2,
    ]
    for kind, number in (("train", 12), ("val", 6)):
        for name, pattern in zip(CLASSES, patterns, strict=True):
            (root / kind / name).mkdir(parents=True)
            for k in range(number):
                colours = stream.integers(0, 256, (2, 3))
                pixels = np.where(np.asarray(pattern, bool)[..., None], *colours)
                pixels = np.clip(pixels + stream.normal(0, 12, pixels.shape), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(root / kind / name / f"{k}.png")
    return root


@pytest.fixture(scope="session")
def data(picture_folder):
    return load_data(DataRule(folder=str(picture_folder), side=SIDE))


@pytest.fixture
def paradigm():
    recipe = replace(RECIPES["small"], epochs=3, batch=12, smallest_crop=None)
    return Paradigm(
        network="small",
        options={"widths": (4, 6, 8, 8), "hidden": 10},
        recipe=recipe,
        transformations=(read_transformation("inversion"), read_transformation("white-noise")),
        counts=(1, 2, 4),
        seeds=(0, 1),
    )


@pytest.fixture
def planned(paradigm, data):
    return plan_networks(paradigm, data)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
