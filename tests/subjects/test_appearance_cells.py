"""Cells of appearance: closed form for painted images, and a slow twin, an image at a time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope import seeds
from invariscope.subjects.appearance_cells import (
    CELLS,
    LUMA,
    PLACES,
    TINTS,
    appearance_cells,
    cell_words,
)


def painted(colour, quarter=None, more=0.2):
    image = torch.tensor(colour).view(3, 1, 1).repeat(1, 8, 8).float()
    if quarter is not None:
        down, across = divmod(quarter, 2)
        image[:, 4 * down : 4 * down + 4, 4 * across : 4 * across + 4] += more
    return image


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (painted((0.0, 0.0, 0.0)), "luma 0 to 0.2, neutral, flat"),
        (painted((1.0, 1.0, 1.0)), "luma 0.8 to 1, neutral, flat"),
        (painted((0.6, 0.3, 0.45)), "luma 0.2 to 0.4, red, flat"),
        (painted((0.2, 0.6, 0.4)), "luma 0.4 to 0.6, green, flat"),
        (painted((0.5, 0.5, 0.2)), "luma 0.4 to 0.6, yellow, flat"),
        (painted((0.1, 0.1, 0.9)), "luma 0 to 0.2, blue, flat"),
        (painted((0.5, 0.5, 0.5), 0), "luma 0.4 to 0.6, neutral, top left"),
        (painted((0.5, 0.5, 0.5), 1), "luma 0.4 to 0.6, neutral, top right"),
        (painted((0.5, 0.5, 0.5), 2), "luma 0.4 to 0.6, neutral, bottom left"),
        (painted((0.5, 0.5, 0.5), 3), "luma 0.4 to 0.6, neutral, bottom right"),
        (painted((0.5, 0.5, 0.5), 3, 0.06), "luma 0.4 to 0.6, neutral, flat"),
    ],
)
def test_painted_images_are_in_the_cell_that_one_sees(image, words):
    assert cell_words(int(appearance_cells(image[None]))) == words


def slow(image):
    light = sum(w * image[c].double() for c, w in enumerate(LUMA))
    mean = float(light.mean())
    level = min(4, int(mean * 5))
    red, green, blue = (float(channel.double().mean()) for channel in image)
    first, second = red - green, (red + green) / 2 - blue
    tint = 0
    if max(abs(first), abs(second)) > 0.05:
        tints = (3, 1) if abs(first) >= abs(second) else (4, 2)
        tint = tints[max(first, second, key=abs) > 0]
    half = image.shape[-1] // 2
    parts = [light[:half, :half], light[:half, half:], light[half:, :half], light[half:, half:]]
    means = [float(part.mean()) for part in parts]
    place = means.index(max(means)) + 1 if max(means) > mean + 0.05 else 0
    return (level * len(TINTS) + tint) * len(PLACES) + place


def test_cells_are_those_of_a_slow_twin_whatever_the_batch():
    stream = seeds.numpy_stream("cells")
    low = torch.from_numpy(stream.random((200, 3, 2, 2)))
    images = torch.nn.functional.interpolate(low, size=(16, 16), mode="nearest").float()
    expected = [slow(image) for image in images]
    assert appearance_cells(images).tolist() == expected
    assert appearance_cells(images[3:4]).tolist() == expected[3:4]
    assert len(set(expected)) > 20


@given(st.integers(0, CELLS - 1))
def test_every_cell_has_words_of_its_own(cell):
    assert sum(cell_words(other) == cell_words(cell) for other in range(CELLS)) == 1
