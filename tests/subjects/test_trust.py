"""Answers that are no function of the image are refused; a subject is known by its answers."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from invariscope import FunctionSubject, HybridSubject, NetworkSubject
from invariscope.errors import SubjectError
from invariscope.subjects.trust import (
    IMAGES,
    answers,
    changed_answer,
    check_repeatable,
    probe_images,
)

SIDE = 8


class _Base(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.scaled = nn.Identity()
        self.last = nn.Linear(4, 5)

    def middle(self, x):
        return self.first(x)

    def forward(self, x):
        return self.last(self.scaled(self.middle(x)).mean((2, 3)))


class Plain(_Base):
    """Answers depend on the image alone."""


class DropsOut(_Base):
    def middle(self, x):
        return F.dropout(self.first(x), 0.5, training=True)


class Integrates(_Base):
    """Keeps its potential from pass to pass, as spiking networks do that are not reset."""

    potential = 0.0

    def middle(self, x):
        self.potential = 0.5 * self.potential + self.first(x).mean(0, keepdim=True).detach()
        return self.first(x) + self.potential


class StandardisesTheBatch(_Base):
    def middle(self, x):
        y = self.first(x)
        return (y - y.mean(0)) / (y.std(0) + 1)


class DependsOnPlace(_Base):
    def middle(self, x):
        return self.first(x) * torch.linspace(0.5, 1.5, len(x)).view(-1, 1, 1, 1)


class StartsAgainAtTheEnd(_Base):
    """State that the end of a pass puts back; a pass that is cut short leaves it behind."""

    count = 0

    def middle(self, x):
        self.count += 1
        return self.first(x) * self.count

    def forward(self, x):
        y = self.last(self.scaled(self.middle(x)).mean((2, 3)))
        self.count = 0
        return y


class NeverPutsBack(_Base):
    """Whole passes answer alike; one that was cut short changes every later one."""

    scale, open = 1.0, False

    def middle(self, x):
        if self.open:
            self.scale = 2.0
        self.open = True
        return self.first(x) * self.scale

    def forward(self, x):
        y = self.last(self.scaled(self.middle(x)).mean((2, 3)))
        self.open = False
        return y


def network(kind):
    return NetworkSubject(kind().eval(), image_size=SIDE)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (DropsOut, "the second time"),
        (Integrates, "the second time"),
        (StandardisesTheBatch, "beside other images"),
        (DependsOnPlace, "beside other images"),
        (NeverPutsBack, "cut short"),
    ],
)
def test_answers_that_are_no_function_of_the_image_are_refused(kind, words):
    with pytest.raises(SubjectError, match=words):
        check_repeatable(network(kind), ["scaled" if kind is NeverPutsBack else "last"])


def test_a_network_that_must_not_be_cut_short_is_passed_whole():
    subject = network(StartsAgainAtTheEnd)
    images = probe_images(SIDE)
    check_repeatable(subject, ["scaled"])
    assert not subject.cuts_short
    again = [subject.respond(images, ["scaled"])["scaled"] for _ in range(3)]
    assert torch.equal(again[0], again[1])
    assert torch.equal(again[1], again[2])


def test_a_function_that_counts_its_calls_is_refused_unless_noise_is_meant():
    calls = []

    def counting(images):
        calls.append(1)
        return images.mean((1, 2, 3)) + len(calls)

    with pytest.raises(SubjectError, match="repeats"):
        check_repeatable(FunctionSubject(counting, name="count", image_size=SIDE), ["output"])
    noisy = FunctionSubject(counting, name="count", image_size=SIDE, repeats=3)
    before = len(calls)
    check_repeatable(noisy, ["output"])
    assert len(calls) <= before + 1  # to learn how many units there are


def test_a_site_is_checked_once():
    shown = []

    def mean(images):
        shown.append(len(images))
        return images.mean((1, 2, 3))

    subject = FunctionSubject(mean, name="mean", image_size=SIDE)
    check_repeatable(subject, ["output"])
    assert sum(shown) <= 10 * IMAGES
    before = len(shown)
    check_repeatable(subject, ["output", "pixels"])
    assert len(shown) == before


@pytest.mark.parametrize("kind", [Plain, DropsOut])
def test_noisy_sites_are_expected_to_differ(kind):
    unit = FunctionSubject(
        lambda images: images.mean((1, 2, 3)) + torch.rand(1),
        name="noise",
        image_size=SIDE,
        repeats=2,
    )
    subject = HybridSubject(unit, network(Plain))
    check_repeatable(subject, ["output", "last"])
    if kind is DropsOut:
        with pytest.raises(SubjectError):
            check_repeatable(HybridSubject(unit, network(kind)), ["output", "last"])


def test_every_unit_of_a_site_counts_in_the_answers():
    subject = network(Plain)
    before = answers(subject, ["last", "pixels"])
    assert before.keys() == {"last"}
    assert changed_answer(before, answers(network(Plain), ["last"])) is None
    for unit in range(5):
        other = network(Plain)
        with torch.no_grad():
            other.model.last.bias[unit] += 1.0
        assert changed_answer(before, answers(other, ["last"])) == "last"


def test_sites_that_one_side_lacks_are_not_compared():
    before = answers(network(Plain), ["last"])
    assert changed_answer(before, {}) is None
    assert changed_answer({}, before) is None


def test_a_network_inside_a_hybrid_is_passed_whole_too():
    inside = network(StartsAgainAtTheEnd)
    check_repeatable(HybridSubject(network(Plain), inside, prefix="n."), ["n.scaled", "last"])
    assert not inside.cuts_short
