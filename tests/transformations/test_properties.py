"""What holds for any image, and for every transformation by the same contract."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from invariscope.transformations import AFFINE, LIGHT, TWELVE, compose, image_keys, load, names

EVERY = (*TWELVE, *AFFINE, *LIGHT)
BATCHES = hnp.arrays(
    "float64",
    st.tuples(st.integers(1, 3), st.sampled_from([1, 3]), *[st.shared(st.integers(3, 9))] * 2),
    elements=st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1, allow_subnormal=False)),
).map(torch.from_numpy)
KEYS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3)


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


@given(BATCHES)
def test_hue_inversion_and_half_a_turn_are_their_own_inverses(images):
    for name in ("hue", "inversion", "rotation-180"):
        change = load(name)
        close(change(change(images)), images)


@given(BATCHES)
def test_equivalences(images):
    quarter, half = load("rotation-90"), load("rotation-180")
    assert torch.equal(quarter(quarter(images)), half(images))
    close(load("rotation", degrees=90)(images), quarter(images))
    close(load("rotation", degrees=-180)(images), half(images))
    grey = load("grayscale")
    close(grey(grey(images)), grey(images))
    close(load("horizontal")(quarter(images)), quarter(load("vertical")(images)))
    for name in ("high-pass", "blur"):
        close(load(name)(quarter(images)), quarter(load(name)(images)))
    for name in ("high-pass", "horizontal", "vertical"):
        close(load(name)(load("inversion")(images)), -load(name)(images))
    assert torch.equal(load("scale", scale=1.0)(images), images)
    close(load("shear", slope=0)(images), images)


@given(BATCHES)
def test_colour_ones_leave_grey_as_it_is(images):
    grey = images[:, :1].repeat(1, images.shape[1], 1, 1)
    for name in EVERY:
        change = load(name)
        if change.identity_for_grey:
            close(change(grey), grey)


@given(BATCHES, KEYS)
@settings(max_examples=30)
def test_contract(images, keys):
    """Every one, on grey and colour: the shape stays, an image's result is its own alone."""
    for name in EVERY:
        change = load(name)
        before = images.clone()
        together = change(images, keys[: len(images)])
        assert together.shape == images.shape
        assert together.dtype == images.dtype
        assert torch.equal(images, before)
        for image, key, one in zip(images, keys, together, strict=False):
            close(change(image[None], [key])[0], one)


@given(BATCHES, KEYS)
@settings(max_examples=30)
def test_white_is_a_scale_of_the_pixels_and_nothing_else(images, keys):
    for name in EVERY:
        unit = load(name)(images, keys[: len(images)])
        bytes_ = load(name, white=255)(images * 255, keys[: len(images)])
        torch.testing.assert_close(bytes_ / 255, unit, rtol=0, atol=1e-6)


@given(BATCHES, KEYS)
def test_rules_for_values_beyond_the_range(images, keys):
    for name in ("high-pass", "white-noise", "rotation"):
        kept = load(name)(images, keys[: len(images)])
        clipped = load(name, beyond="clip")(images, keys[: len(images)])
        assert torch.equal(clipped, kept.clamp(0, 1))
        scaled = load(name, beyond="rescale")(images, keys[: len(images)])
        assert scaled.min() >= -1e-9
        assert scaled.max() <= 1 + 1e-9
        for image, plain in zip(scaled, kept, strict=True):
            if plain.min() >= 0 and plain.max() <= 1:
                close(image, plain)
            else:  # linear and rising: order and ratios of differences stay
                a, b = plain.min(), plain.max()
                close((plain - a) * (image.max() - image.min()), (image - image.min()) * (b - a))


def test_noise_depends_on_the_key_alone():
    images = torch.zeros(3, 3, 8, 8)
    keys = image_keys(["a.jpg", "b.jpg", "c.jpg"])
    for name in ("white-noise", "salt-and-pepper"):
        change = load(name)
        first = change(images, keys)
        torch.manual_seed(1)
        torch.testing.assert_close(change(images, keys.flip(0)).flip(0), first)
        assert len({tuple(row.flatten().tolist()) for row in first}) == 3
        other = change(images, image_keys(["a.jpg", "b.jpg", "c.jpg"], seed=1))
        assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_stronger_noise_is_the_same_draw_enlarged():
    images, keys = torch.zeros(2, 3, 8, 8), image_keys(range(2))
    weak, strong = (load("white-noise", sigma=s)(images, keys) for s in (25, 50))
    torch.testing.assert_close(strong, 2 * weak)
    few, many = (load("salt-and-pepper", share=s)(images + 0.5, keys) for s in (0.2, 0.6))
    assert ((few != 0.5) <= (many != 0.5)).all()


def test_keys_differ_with_name_and_seed():
    keys = [*image_keys(["1", 1, "2"]).tolist(), *image_keys(["1"], seed=1).tolist()]
    assert len(set(keys)) == 4
    assert image_keys([]).shape == (0,)
    assert image_keys(["x"]).dtype == torch.int64


@pytest.mark.parametrize("name", names())
def test_an_empty_batch_stays_empty(name):
    for beyond in ("keep", "rescale"):
        assert load(name, beyond=beyond)(torch.zeros(0, 3, 8, 8), []).shape == (0, 3, 8, 8)


@given(BATCHES, KEYS)
@settings(max_examples=30)
def test_a_composition_is_its_parts_in_order(images, keys):
    keys = keys[: len(images)]
    parts = [load("blur", sigma=1.0), load("inversion"), load("white-noise", beyond="clip")]
    drawn = compose(*parts).draw(images.shape, torch.tensor(keys))
    expected = images
    for place, part in enumerate(parts):
        own = {"noise": drawn["2.noise"]} if place == 2 else {}
        expected = part.clipped(part.apply(expected, own))
    close(compose(*parts)(images, keys), expected)
    close(compose(load("rotation-90"), load("rotation-90"))(images), load("rotation-180")(images))
    close(compose(compose(parts[0]), parts[1])(images), compose(parts[0], parts[1])(images))


def test_equal_parts_of_a_composition_draw_different_noise():
    noise = load("white-noise", sigma=255)
    images = torch.zeros(3, 3, 8, 8)
    nested = compose(noise, compose(noise, noise), compose(noise, noise))
    drawn = nested.draw(images.shape, torch.tensor([0, 1, 2]))
    assert set(drawn) == {"0.noise", "1.0.noise", "1.1.noise", "2.0.noise", "2.1.noise"}
    rows = torch.cat([row.flatten(1) for row in drawn.values()])
    between = torch.corrcoef(rows)[~torch.eye(15, dtype=bool)]
    assert between.abs().max() < 5 / 192**0.5
    torch.testing.assert_close(nested(images, [0, 1, 2]), sum(drawn.values()))
