"""Images that are known copies of a reference are explained by exactly those copies."""

import math

import numpy as np
import pytest
import torch

from invariscope import seeds
from invariscope.analysis.explain import NONE, explain, known_copies
from invariscope.errors import InputError
from invariscope.transformations import image_keys, load
from invariscope.units import parse_target

SIDE = 8


@pytest.fixture
def target(conv_subject):
    return parse_target("conv2:3", conv_subject.sites())


@pytest.fixture
def reference():
    return 0.2 + 0.6 * torch.rand(3, SIDE, SIDE, generator=seeds.torch_stream("reference"))


def slow_h(a, b):
    return 1 - abs(a - b) / (abs(a) + abs(b))


def test_known_copies_hold_the_twelve_and_every_strength_both_ways_once():
    copies = known_copies()
    assert len(copies) == len(set(copies))
    labels = [(c.name, tuple(c.describe().items())) for c in copies]
    assert len(set(labels)) == len(labels)
    turned = {c.degrees for c in copies if c.name == "rotation"}
    assert turned == {s * d for s in (1, -1) for d in range(15, 181, 15)}
    moved = {(c.right, c.down) for c in copies if c.name == "translation"}
    assert {(0.25, 0.0), (-0.25, 0.0), (0.0, 0.25), (0.0, -0.25)} <= moved
    assert all(right == 0 or down == 0 for right, down in moved)
    assert all(c.beyond == "clip" for c in copies)
    assert {c.name for c in known_copies()} >= {"hue", "thinning", "contrast"}


@pytest.mark.parametrize(
    "name_and_fields",
    [
        ("hue", {}),
        ("rotation-90", {}),
        ("rotation", {"degrees": -30.0}),
        ("translation", {"right": 0.0, "down": -0.1}),
        ("luminance", {"shift": -0.15}),
        ("contrast", {"factor": 0.3}),
        ("blur", {"sigma": 1.5}),
        ("white-noise", {"sigma": 25.0}),
    ],
)
def test_a_copy_of_the_grid_is_found_whole(conv_subject, target, reference, name_and_fields):
    name, fields = name_and_fields
    change = load(name, beyond="clip", **fields)
    copy = change(reference[None], image_keys(["reference"]))
    found = explain(conv_subject, target, reference, copy)
    row = found.images.iloc[0]
    assert row["best"] == load(name, **fields).label
    assert row["kind"] == name
    assert row["left"] == pytest.approx(0, abs=1e-5)
    assert row["explained"] == pytest.approx(1)
    assert row["copy_activation"] == pytest.approx(row["activation"], abs=1e-6)
    assert row["distance"] == pytest.approx(float((copy[0] - reference).norm()), rel=1e-6)
    assert row["h"] == pytest.approx(slow_h(row["activation"], found.reference), abs=1e-6)
    assert row["copy_h"] == pytest.approx(row["h"], abs=1e-6)


def test_distances_and_answers_are_those_of_a_slow_twin(conv_subject, target, reference):
    known = [load("hue"), load("inversion"), load("rotation-180"), load("thinning")]
    images = torch.rand(5, 3, SIDE, SIDE, generator=seeds.torch_stream("images"))
    found = explain(conv_subject, target, reference, images, known)
    assert found.copies["transformation"].tolist() == [k.label for k in known]
    for change, (_, copy) in zip(known, found.copies.iterrows(), strict=True):
        changed = change(reference[None])
        response = conv_subject.respond(changed, ["conv2"])["conv2"][0, 3].mean()
        assert copy["activation"] == pytest.approx(float(response), abs=1e-6)
        assert copy["distance"] == pytest.approx(math.dist(*pixels(changed[0], reference)))
    for image, (_, row) in zip(images, found.images.iterrows(), strict=True):
        copies = [change(reference[None])[0] for change in known]
        left = [math.dist(*pixels(copy, image)) for copy in copies]
        own = math.dist(*pixels(reference, image))
        nearest = int(np.argmin(left))
        if left[nearest] < own:
            assert row["best"] == known[nearest].label
            assert row["explained"] == pytest.approx(1 - (left[nearest] / own) ** 2, abs=1e-5)
        else:
            assert row["best"] == NONE


def pixels(a, b):
    return a.flatten().tolist(), b.flatten().tolist()


def test_an_image_no_copy_is_nearer_to_is_not_explained(conv_subject, target, reference):
    image = (reference + 1e-3).clamp(0, 1)[None]
    row = explain(conv_subject, target, reference, image, [load("inversion")]).images.iloc[0]
    assert (row["best"], row["kind"], row["explained"]) == (NONE, NONE, 0)
    assert row["left"] == row["distance"]
    assert math.isnan(row["copy_activation"])


def test_the_reference_itself_has_nothing_to_explain(conv_subject, target, reference):
    row = explain(conv_subject, target, reference, reference[None]).images.iloc[0]
    assert row["distance"] == 0
    assert row["h"] == 1
    assert math.isnan(row["explained"])
    assert row["best"] == NONE


def test_without_transformations_it_is_refused(conv_subject, target, reference):
    with pytest.raises(InputError, match="no known transformation"):
        explain(conv_subject, target, reference, reference[None], [])
