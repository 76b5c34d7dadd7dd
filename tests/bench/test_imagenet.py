"""Code spaces of photos at 224 px against singular values, and their detail against gratings."""

import math

import pytest
import torch

from bench.imagenet_parts import PARTS
from bench.imagenet_spaces import detail, fit, views
from invariscope.study.file import parse_study


@pytest.fixture
def latents():
    stream = torch.Generator().manual_seed(0)
    turn = torch.randn(3 * 4 * 4, 3 * 4 * 4, generator=stream)
    return (torch.randn(40, 48, generator=stream) @ turn).unflatten(1, (3, 4, 4)) + 2


def test_directions_of_whole_images_are_the_widest_and_their_sd_that_of_the_codes(latents):
    mean, directions, sd = fit(latents, 5)
    rows = latents.flatten(1)
    torch.testing.assert_close(mean, rows.mean(0))
    torch.testing.assert_close(directions @ directions.T, torch.eye(5), atol=1e-5, rtol=0)
    _, widths, turns = torch.linalg.svd(rows - mean, full_matrices=False)
    torch.testing.assert_close(sd, widths[:5] / 40**0.5, rtol=1e-4, atol=0)
    torch.testing.assert_close((directions @ turns[:5].T).abs(), torch.eye(5), atol=1e-3, rtol=0)


def test_local_directions_are_alike_in_every_block_and_lie_in_one(latents):
    mean, directions, sd = fit(latents, 3, block=2)
    assert directions.shape == (4 * 3, 48)
    torch.testing.assert_close(directions @ directions.T, torch.eye(12), atol=1e-5, rtol=0)
    own = directions.unflatten(1, (3, 4, 4)).unflatten(0, (2, 2, 3))
    first = own[0, 0, :, :, :2, :2]
    for y in range(2):
        for x in range(2):
            block = own[y, x, :, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
            torch.testing.assert_close(block, first)
            assert float(own[y, x].square().sum()) == pytest.approx(3, rel=1e-4)
    codes = (latents.flatten(1) - mean) @ directions.T / sd
    means = codes.square().mean(0).unflatten(0, (4, 3)).mean(0)
    torch.testing.assert_close(means, torch.ones(3), rtol=1e-4, atol=0)


def test_detail_counts_where_a_grating_is():
    across = torch.arange(224) / 224
    grating = 0.5 + 0.5 * torch.sin(2 * math.pi * 50 * across)
    images = grating.expand(1, 3, 224, 224)
    assert detail(images, (32, 112)) > 1e6 * detail(images, (4, 32))


def test_parts_of_photos_are_their_pixels_and_the_same_each_time():
    photos = torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    found = views(photos)
    assert found.shape == (3 * 6, 3, 24, 24)
    assert torch.equal(found[:3], photos)
    assert torch.equal(found[3:6].flip(3), photos)
    assert torch.equal(found, views(photos))


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_a_study(name):
    part = PARTS[name]
    study = parse_study(part.study_text("nets.py:make", "embedded", 3, 5))
    tasks = {task for own in study.conditions.values() for task in own.tasks}
    assert ("excitation" in tasks) == (not part.sites)
    constraints = [own.constraints for own in study.conditions.values()]
    assert all(bool(own) == part.bounded for own in constraints)
    assert all(own.mei_options("isotropic").generations == 5 for own in study.conditions.values())
