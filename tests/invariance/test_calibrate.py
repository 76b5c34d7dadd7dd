"""Calibration of a subject whose accuracy at every strength is known in closed form."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from invariscope.errors import InputError, StoreError
from invariscope.invariance.calibrate import bound_of, calibrate
from invariscope.invariance.calibration import load_calibration
from invariscope.invariance.classes import classifier
from invariscope.invariance.images import image_set
from invariscope.plot import calibration as plot_calibration
from invariscope.subjects import Subject
from invariscope.transformations import Strength, Transformation, load

LEVELS = torch.tensor([0.55, 0.65, 0.75, 0.85, 0.95, 0.05, 0.15, 0.25, 0.35, 0.45])
LABELS = [0] * 5 + [1] * 5


class Bright(Subject):
    """Is an image's mean above ½? So it answers rightly for every level above."""

    name, image_size, device = "bright", 4, torch.device("cpu")
    classes = ("bright", "dark")

    def identity(self):
        return {"kind": "bright"}

    def _sites(self):
        return {"answer": (2,)}

    def _respond(self, images, sites):
        mean = images.mean((1, 2, 3))
        return {"answer": torch.stack([mean - 0.5, 0.5 - mean], 1)}


@dataclass(frozen=True, kw_only=True)
class Darker(Transformation):
    """Takes `by` off every pixel, so a class of five loses one image each tenth."""

    name = "darker"
    strength = Strength("by", 0.1, 0.1, 0.5)
    by: float = 0.1

    def apply(self, images, parameters):
        return images - self.by


@pytest.fixture
def images():
    return image_set(LEVELS[:, None, None, None].repeat(1, 3, 4, 4), LABELS, ("bright", "dark"))


@pytest.fixture
def run(images):
    subject = Bright()

    def calibrated(transformation=None, **settings):
        return calibrate(subject, images, transformation or Darker(), **settings)

    return calibrated


def test_the_curve_and_the_strength_are_those_of_the_closed_form(run):
    seen = []
    found = run(batch=3, watch=lambda *told: seen.append(told))
    # Levels .55 … .95 fall below ½ one after the other; the five dark ones stay dark.
    assert found.curve["strength"].tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert found.curve["correct"].tolist() == [10, 9, 8, 7, 6, 5]
    assert found.curve["images"].tolist() == [10] * 6
    assert (found.chance, found.clean, found.bound) == (0.5, 1.0, pytest.approx(0.55))
    assert found.reached
    assert found.strength == 0.5
    assert found.at_strength(Darker(white=1.0)) == Darker(by=0.5)
    assert seen == list(zip(found.curve["strength"][1:], found.curve["accuracy"][1:], strict=True))


def test_it_ends_at_the_first_strength_below_the_bound(run):
    found = run(bound=0.75)
    assert (found.strength, found.rule) == (0.3, "as asked")
    assert len(found.curve) == 4
    exactly = run(bound=0.7)  # an accuracy equal to the bound is not below it
    assert exactly.strength == 0.4


def test_a_bound_that_is_never_reached_is_said_so(run, tmp_path):
    found = run(most=0.3, out=tmp_path)
    assert not found.reached
    assert found.strength is None
    assert found.curve["strength"].tolist() == [0, 0.1, 0.2, 0.3]
    assert not load_calibration(tmp_path / "darker.toml").reached
    with pytest.raises(StoreError, match=r"never took accuracy below 0\.550"):
        found.at_strength(Darker())
    assert plot_calibration(found).get_xlabel() == "darker: by (0: as it is)"


@pytest.mark.parametrize(
    ("chance", "clean", "bound"), [(1 / 1000, 0.7, 0.15), (0.02, 0.9, 0.15), (0.1, 0.9, 0.18)]
)
def test_bounds_are_the_papers_or_a_tenth_above_chance(chance, clean, bound):
    assert bound_of(chance, clean)[0] == pytest.approx(bound)


def test_what_is_kept_is_what_was_found_and_is_not_measured_again(run, tmp_path, monkeypatch):
    found = run(out=tmp_path)
    there = load_calibration(tmp_path / "darker.toml")
    assert there.curve.equals(found.curve)
    for field in ("settings", "labels", "chance", "bound", "rule", "reached", "context"):
        assert getattr(there, field) == getattr(found, field)
    monkeypatch.setattr(Darker, "apply", None)
    assert run(out=tmp_path).curve.equals(found.curve)
    with pytest.raises(StoreError, match="with another bound, another seed; choose another"):
        run(out=tmp_path, bound=0.6, seed=1)


def test_damage_is_refused(run, tmp_path):
    run(out=tmp_path)
    (tmp_path / "darker.csv").write_text("nothing\n")
    with pytest.raises(StoreError, match="is damaged"):
        run(out=tmp_path)
    (tmp_path / "darker.csv").unlink()
    with pytest.raises(StoreError, match="no calibration at"):
        run(out=tmp_path)


def test_a_strength_that_shrinks_starts_from_what_changes_nothing(run):
    found = run(load("scale"))
    assert found.curve["strength"].iloc[0] == 1.0
    assert np.all(np.diff(found.curve["strength"]) < 0)


@pytest.mark.parametrize(
    ("transformation", "settings", "says"),
    [
        ("hue", {}, "'hue' has no strength that could grow; those that have one: blur"),
        ("bluur", {}, "unknown transformation 'bluur'"),
        ("blur", {"most": 0.1}, "the largest sigma is 0.1; expected one from 0.5 on"),
        ("salt-and-pepper", {"most": 1.5}, "share is 1.05; expected a number from 0 to 1"),
        ("blur", {"bound": 1.5}, "bound is 1.5"),
        ("blur", {"bound": 1.0}, "as they are is 1.000; expected more than the bound, 1.000"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(run, transformation, settings, says):
    with pytest.raises(InputError, match=says):
        run(transformation, **settings)


def test_a_subject_at_chance_is_refused(images):
    wrong = classifier(Bright(), images.classes, names={"bright": "1", "dark": "0"})
    with pytest.raises(InputError, match="are the classes matched rightly"):
        calibrate(Bright(), images, Darker(), readout=wrong)


def test_a_transformation_that_fails_is_named(run, broken):
    @dataclass(frozen=True, kw_only=True)
    class Nan(broken):
        strength = Strength("by", 1.0, 1.0, 2.0)
        by: float = 1.0

    with pytest.raises(InputError, match="'broken' gave NaN"):
        run(Nan())
