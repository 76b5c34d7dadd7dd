"""Callables as subjects, and the unit of one subject in the network of another."""

import numpy as np
import pytest
import torch

from invariscope import FunctionSubject, HybridSubject, NetworkSubject, seeds
from invariscope.errors import InputError, SubjectError
from invariscope.photos import PhotoRule
from invariscope.subjects import PIXELS

SIDE = 8


@pytest.fixture
def images():
    return torch.rand(4, 3, SIDE, SIDE, generator=seeds.torch_stream("function"))


def subject(function, **settings):
    return FunctionSubject(function, **({"name": "mean", "image_size": SIDE} | settings))


@pytest.mark.parametrize(
    ("function", "settings", "units"),
    [
        (lambda x: x.mean((1, 2, 3)), {}, 1),
        (lambda x: x.mean((2, 3)), {}, 3),
        (lambda x: x.mean((1, 2, 3)).double().numpy(), {}, 1),
        (lambda x: x.mean((1, 2, 3)).tolist(), {}, 1),
        (lambda x: x.mean(axis=(2, 3)), {"numpy": True}, 3),
        (lambda x: x.transpose(0, 2, 3, 1).mean(axis=(1, 2)), {"numpy": True}, 3),
    ],
)
def test_any_numbers_are_taken(function, settings, units, images):
    answers = subject(function, **settings)
    assert answers.sites() == {PIXELS: (3, SIDE, SIDE), "output": (units,)}
    found = answers.respond(images, ["output", PIXELS])
    expected = images.mean((2, 3)) if units == 3 else images.mean((1, 2, 3))[:, None]
    torch.testing.assert_close(found["output"], expected)
    assert found["output"].dtype == torch.float32
    assert torch.equal(found[PIXELS], images)


def test_an_array_is_given_where_it_is_asked_for(images):
    given = []
    answers = subject(lambda x: given.append(x) or x.mean(axis=(1, 2, 3)), numpy=True)
    answers.respond(images.repeat_interleave(2, 2).repeat_interleave(2, 3), ["output"])
    assert all(isinstance(x, np.ndarray) and x.dtype == np.float32 for x in given)
    assert given[-1].shape == (4, 3, SIDE, SIDE)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: x, r"shape \(4, 3, 8, 8\); expected \(4,\) or \(4, units\)"),
        (lambda x: x.mean(), r"shape \(\)"),
        (lambda x: x[:2].mean((1, 2, 3)) if len(x) > 2 else x.mean((1, 2, 3)), r"shape \(2,\)"),
        (lambda x: x.mean((1, 2, 3)) if len(x) == 2 else x.mean((2, 3)), "3 numbers an image"),
        (lambda x: None, "no number"),
        (lambda x: ["a"] * len(x), "no number"),
    ],
)
def test_other_answers_are_refused(function, says, images):
    answers = subject(function)
    answers.__dict__.setdefault("_units", 1) if "shape" in says or "no number" in says else None
    with pytest.raises(SubjectError, match=says):
        answers.respond(images, ["output"])


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"name": " "}, "needs a name"), ({"repeats": 0}, "repeats is 0"), ({"image_size": 0}, "0")],
)
def test_a_function_without_a_name_or_size_is_refused(settings, says):
    with pytest.raises(InputError, match=says):
        subject(lambda x: x, **settings)


def test_its_name_is_its_identity():
    first, second = subject(lambda x: x), subject(lambda x: x + 1)
    assert first.identity() == second.identity()
    assert first.identity() != subject(lambda x: x, name="other").identity()
    assert first.identity() != subject(lambda x: x, repeats=4).identity()
    assert first.noisy == frozenset()
    assert subject(lambda x: x, repeats=4).noisy == {"output"}


def test_a_hybrid_answers_as_its_two_parts_do(conv_subject, images):
    cells = FunctionSubject(lambda x: x.mean((2, 3)), name="cells", image_size=4, repeats=3)
    both = HybridSubject(cells, conv_subject)
    sites = both.sites()
    assert list(sites) == [PIXELS, *list(conv_subject.sites())[1:], "output"]
    assert sites[PIXELS] == (3, 4, 4)
    found = both.respond(images, ["conv2", "output", PIXELS])
    assert list(found) == ["conv2", "output", PIXELS]
    # Each resizes the images themselves: the network never sees what was made small for the cells.
    assert torch.equal(found["conv2"], conv_subject.respond(images, ["conv2"])["conv2"])
    assert torch.equal(found["output"], cells.respond(images, ["output"])["output"])
    assert torch.equal(found[PIXELS], cells.see(images))
    assert both.noisy == {"output"}
    assert both.repeats == 3
    assert both.photo == PhotoRule(4)
    assert both.identity() == {"unit": cells.identity(), "network": conv_subject.identity()}
    with pytest.raises(InputError, match=r"unknown site 'conv3'"):
        both.respond(images, ["conv3"])


def test_two_networks_are_told_apart_by_a_prefix(conv_subject, fixed_weights, images):
    with pytest.raises(InputError, match=r"both have a site 'conv1'.* prefix"):
        HybridSubject(conv_subject, conv_subject)
    other = fixed_weights(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3)))
    network = NetworkSubject(other, image_size=6, name="other")
    assert HybridSubject(conv_subject, network).sites()["0"] == (2, 4, 4)
    both = HybridSubject(conv_subject, conv_subject, prefix="there.")
    found = both.respond(images, ["there.fc", "fc"])
    assert torch.equal(found["there.fc"], found["fc"])
