"""Ablation inside a network against the same network with units set to 0 by hand."""

import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import nn

from invariscope.errors import InputError
from invariscope.invariance.ablation import (
    ACTIVE,
    EVERY,
    INACTIVE,
    NOTHING,
    ablate,
    ablation_accuracy,
    find_tau,
    passed_by,
    tau_thresholds,
    top_thresholds,
)
from invariscope.invariance.classes import classifier
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.images import ImageSet, image_set
from invariscope.invariance.ranges import measure_ranges
from invariscope.invariance.setup import make_setup
from invariscope.subjects import NetworkSubject
from invariscope.transformations import load

CLASSES = ("a", "b", "c", "d", "e")


@pytest.fixture
def setup(conv_subject, make_photos):
    photos = make_photos(40)
    labels = conv_subject.respond(photos, ["fc"])["fc"].argmax(1)
    images = image_set(photos, labels, CLASSES)
    return make_setup(conv_subject, images, ["inversion", "hue"], "conv1", batch=16)


@pytest.mark.parametrize("reading", ["channel", "place"])
@pytest.mark.parametrize("which", [INACTIVE, ACTIVE])
def test_units_are_set_to_0_by_their_own_activity_for_each_image(
    conv_subject, make_photos, reading, which
):
    photos, labels = make_photos(40), torch.arange(40) % 5
    images = image_set(photos, labels, CLASSES)
    own = make_setup(conv_subject, images, ["inversion"], "relu", reading=reading, batch=16)
    ranges = measure_ranges(own)
    readout = classifier(conv_subject, CLASSES)
    table = ablate(own, "relu", tau_thresholds(own, ranges, "relu", 0.4), which, readout)

    model = conv_subject.model
    for shown, presented in (("as it is", photos), ("transformed", 1 - photos)):
        hidden = torch.relu(model.conv1((presented - 0.5) / 0.25))
        both = [torch.relu(model.conv1((p - 0.5) / 0.25)) for p in (photos, 1 - photos)]
        if reading == "channel":
            activity = hidden.mean((2, 3), keepdim=True)
            scale = [b.mean((2, 3), keepdim=True) for b in both]
        else:
            activity, scale = hidden, both
        on = activity / torch.stack(scale).amax((0, 1)) > 0.4
        kept = hidden * (on if which == INACTIVE else ~on)
        answers = model.fc(torch.relu(model.conv2(kept)).flatten(1)).argmax(1)
        row = table.set_index("shown").loc[shown]
        assert row["accuracy"] == pytest.approx(float((answers == labels).float().mean()))
        lost = ~on if which == INACTIVE else on
        assert row["share"] == pytest.approx(float(lost.float().mean()))
        assert row["images"] == 40


def test_without_ablation_accuracy_is_the_networks(setup):
    readout = classifier(setup.subject, CLASSES)
    ranges = measure_ranges(setup)
    table = ablate(setup, "conv1", tau_thresholds(setup, ranges, "conv1", 0), NOTHING, readout)
    as_it_is = table[table["shown"] == "as it is"]
    assert as_it_is["accuracy"].tolist() == [1, 1]
    assert table["share"].eq(0).all()


def test_top_thresholds_are_those_of_the_first_pass(setup):
    ranges = measure_ranges(setup, (10, 40))
    levels = top_thresholds(setup, ranges, "conv1", 40)
    assert torch.equal(levels[1], ranges.levels[1])
    with pytest.raises(InputError, match="top 20 %"):
        top_thresholds(setup, ranges, "conv1", 20)


class RedGreen(nn.Module):
    """Two classes, each told by one unit: the mean of red, the mean of green."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()
        self.fc = nn.Linear(2, 2, bias=False)
        self.fc.weight.data = torch.eye(2)

    def forward(self, x):
        mean = x.mean((2, 3))
        return self.fc(self.relu(mean[:, :2]))


def test_tau_is_the_highest_that_costs_nothing():
    """Each class's unit answers 0.62 of its maximum for its weakest image, so τ is 0.60."""
    levels = torch.tensor([1.0, 0.9, 0.62, 0.8])
    photos = torch.zeros(8, 3, 4, 4)
    photos[:4, 0], photos[4:, 1] = levels.view(4, 1, 1), levels.view(4, 1, 1)
    # A little of the other class's unit decides once the right one is gone.
    photos[:4, 1], photos[4:, 0] = 0.3, 0.3
    model = RedGreen().eval()
    subject = NetworkSubject(model, image_size=4, mean=(0,) * 3, std=(1,) * 3)
    images = image_set(photos, [0] * 4 + [1] * 4, ("red", "green"))

    class Same(type(load("hue"))):
        def apply(self, images, parameters):
            return images

    setup = make_setup(subject, images, [Same()], "relu", batch=3)
    found = find_tau(setup, "relu")
    # Without its own unit and the other's 0.3, an image ties at 0 and goes to class 0.
    assert found.tau == 0.6
    tried = found.table["tau"].unique().tolist()
    assert tried == [round(0.05 * k, 2) for k in range(14)]
    assert found.table.groupby("tau")["lost"].max()[0.65] == pytest.approx(1 / 8)
    assert find_tau(setup, "relu", taus=(0.65,)).tau is None


def test_what_cannot_be_ablated_is_refused(setup, make_subject):
    readout = classifier(setup.subject, CLASSES)
    for site, which, words in (("conv3", ACTIVE, "did you mean"), ("conv1", "actve", "'active'")):
        with pytest.raises(InputError, match=words):
            ablate(setup, site, {}, which, readout)
    toy = make_setup(make_subject(), setup.images, ["hue"], "features")
    with pytest.raises(InputError, match="expected a network"):
        ablate(toy, "features", {}, ACTIVE, readout)
    with pytest.raises(InputError, match="not among"):
        find_tau(setup, "fc")


def test_accuracy_on_both_sides_of_a_threshold_is_one_table(setup):
    table = ablation_accuracy(setup, "conv1", 0.2, top=(10,))
    cells = table.groupby(["threshold", "ablated"], sort=False).size()
    assert cells.to_dict() == {
        ("", "nothing"): 4,
        ("tau 0.2", "inactive"): 4,
        ("tau 0.2", "active"): 4,
        ("top 10 %", "inactive"): 4,
        ("top 10 %", "active"): 4,
    }
    shares = table.set_index(["threshold", "ablated", "transformation", "shown"])["share"]
    both = shares["tau 0.2"]["inactive"] + shares["tau 0.2"]["active"]
    assert both.to_numpy() == pytest.approx(1)


def test_one_call_gives_what_the_parts_give(setup, tmp_path, monkeypatch):
    """Search, coefficients and ablation together, kept, and added to a result that lacks it."""
    words = {"sites": "conv1", "tau": "search", "top": (10, 40), "batch": 16}
    wanted = ["inversion", "hue"]
    images = setup.images
    one = invariance_coefficient(
        setup.subject, images, wanted, ablation=True, out=tmp_path, **words
    )
    found = find_tau(setup, "conv1")
    assert one.settings["measured"]["tau"] == found.tau
    assert_frame_equal(one.tau_tried, found.table)
    parts = ablation_accuracy(setup, "conv1", found.tau, top=(10, 40))
    assert_frame_equal(one.ablation, parts)
    words["tau"] = found.tau
    bare = invariance_coefficient(setup.subject, images, wanted, **words)
    assert_frame_equal(one.units, bare.units)
    assert bare.ablation is None
    (tmp_path / "ablation.parquet").unlink()
    again = invariance_coefficient(
        setup.subject, images, wanted, ablation=True, out=tmp_path, **words
    )
    assert_frame_equal(again.ablation, parts)
    monkeypatch.setattr(type(setup), "show", None)
    monkeypatch.setattr(ImageSet, "keys", None)
    words["tau"] = "search"
    kept = invariance_coefficient(
        setup.subject, images, wanted, ablation=True, out=tmp_path, **words
    )
    assert_frame_equal(kept.tau_tried, found.table)
    assert_frame_equal(kept.ablation, parts)


@pytest.mark.parametrize("do", [find_tau, lambda setup, site: ablation_accuracy(setup, site, 0.1)])
def test_without_a_transformation_that_can_be_used_the_reason_is_told(
    do, conv_subject, make_photos
):
    images = image_set(make_photos(10)[:, :1].expand(-1, 3, -1, -1), torch.arange(10) % 5, CLASSES)
    own = make_setup(conv_subject, images, ["hue"], "relu", batch=16)
    with pytest.raises(InputError, match=r"can be used \(hue: all images are grey"):
        do(own, "relu")


class Residual(nn.Module):
    """A shortcut carries `beside` times the input past the nonlinearity."""

    def __init__(self, beside):
        super().__init__()
        self.beside = beside
        self.relu, self.fc = nn.ReLU(), nn.Linear(48, 5, bias=False)

    def forward(self, images):
        flat = images.flatten(1)
        return self.fc(self.relu(flat) + self.beside * flat)


@pytest.mark.parametrize("beside", [0.0, 1.0])
def test_a_site_that_a_shortcut_passes_by_is_told(beside, make_photos):
    torch.manual_seed(0)
    subject = NetworkSubject(Residual(beside).eval(), image_size=4)
    photos = make_photos(60, 4)
    images = image_set(photos, subject.respond(photos, ["fc"])["fc"].argmax(1), CLASSES)
    own = make_setup(subject, images, ["inversion"], "relu", batch=16)
    readout = classifier(subject, CLASSES)
    thresholds = tau_thresholds(own, measure_ranges(own), "relu", 0)
    without = ablate(own, "relu", thresholds, EVERY, readout)
    assert without["share"].eq(1).all()
    tables = [find_tau(own, "relu", taus=(0.0,)).table, ablation_accuracy(own, "relu", 0.1)]
    for table in tables:
        rows = table[:2].set_index("shown")
        assert rows["without_site"].tolist() == without["accuracy"].tolist()
        assert rows.loc["as it is", "intact"] == 1
        assert table["chance"].eq(0.2).all()
        left = f"{100 * rows.loc['as it is', 'without_site']:.0f} % (intact 100 %, chance 20.0 %)"
        if beside:
            assert "other paths of the network pass by this site" in passed_by(table)
            assert f"'relu' at 0 accuracy is still {left}" in passed_by(table[:1])
        else:
            assert passed_by(table) == ""
    assert passed_by(tables[0].drop(columns="without_site")) == ""
