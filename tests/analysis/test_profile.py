"""A profile of units whose invariance is known in closed form, and what it says in words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import invariscope as iv
from invariscope import seeds
from invariscope.analysis.explain import NONE
from invariscope.analysis.unit_profile import EXPLAINS, IGNORES, SENSITIVE, WORDS, Profile, table
from invariscope.errors import InputError, StoreError
from invariscope.experiments.result import Result
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.plot import profile as plot_profile
from invariscope.subjects import Subject
from invariscope.transformations import AFFINE, LIGHT, TWELVE, load

SIDE = 8
OPTIONS = iv.SearchOptions(generations=3, population=8, precision="float32")


class Closed(Subject):
    """`units`: the mean of each pixel's largest channel, which half a turn of the hue keeps; and
    the brightness of the left half over that of the right, silent where the right is brighter."""

    name, image_size, device = "closed", SIDE, torch.device("cpu")
    classes = ("largest", "left")

    def identity(self):
        return {"kind": "closed"}

    def _sites(self):
        return {"units": (2,)}

    def _respond(self, images, sites):
        half = images.shape[-1] // 2
        left = images[..., :half].mean((1, 2, 3)) - images[..., half:].mean((1, 2, 3))
        return {"units": torch.stack([images.amax(1).mean((1, 2)), left.clamp(min=0)], 1)}


@pytest.fixture
def photos():
    return torch.rand(20, 3, SIDE, SIDE, generator=seeds.torch_stream("photos"))


@pytest.fixture
def search(make_generator, picture):
    generator = make_generator()
    searched = [
        iv.stretch_and_squeeze(
            Closed(),
            generator,
            "units:0",
            reference=iv.image_reference(picture, SIDE, torch.zeros(6)),
            task=task,
            seeds=[0, 1],
            options=OPTIONS,
        )
        for task in ("invariance", "adversarial")
    ]
    return Result([run for result in searched for run in result.runs], generator)


def test_coefficients_are_the_closed_form_and_so_are_the_words(photos):
    found = iv.profile(Closed(), "units:0", photos)
    by_name = found.coefficients.set_index("kind")
    assert by_name.index.tolist() == [*TWELVE, *AFFINE, *LIGHT]
    for kept in ("hue", "rotation-90", "rotation-180"):
        assert by_name.loc[kept, "invariance"] == pytest.approx(1, abs=1e-6)
    low, high = photos.amin(1).mean((1, 2)), photos.amax(1).mean((1, 2))
    inverted = 1 - low  # of the inverted image the largest channel is 1 − the smallest
    h = 1 - (inverted - high).abs() / (inverted + high)
    assert by_name.loc["inversion", "invariance"] == pytest.approx(float(h.mean()), abs=1e-6)
    assert {"hue", "orientation (90°)", "orientation (180°)"} <= set(found.ignores)
    ignored = by_name.index[by_name["invariance"] >= IGNORES]
    assert found.ignores == [WORDS[kind] for kind in ignored]
    lost = by_name.index[by_name["invariance"] <= SENSITIVE]
    assert found.sensitive == [WORDS[kind] for kind in lost]
    assert found.images.empty
    assert found.departures.empty
    assert found.labels["class"] == "largest"


def test_a_unit_silenced_by_a_half_turn_is_sensitive_to_it(photos):
    found = iv.profile(Closed(), "units:1", photos, transformations=["rotation-180", "hue"], tau=0)
    assert found.coefficients["invariance"].iloc[0] == 0
    assert found.sensitive == ["orientation (180°)"]
    assert "sensitive to (I ≤ 0.5): orientation (180°)" in found.card()


def test_coefficients_are_those_of_the_whole_site(photos):
    chosen = [load("blur", beyond="clip"), load("white-noise", beyond="clip")]
    whole = invariance_coefficient(Closed(), photos, chosen, sites="units", top=(), tau=0.2).units
    own = iv.profile(Closed(), "units:1", photos, transformations=chosen, tau=0.2).coefficients
    expected = whole[whole["unit"] == "units:1"]
    for column in ("invariance", "specialization", "active", "images"):
        np.testing.assert_allclose(own[column], expected[column].astype(float))


def test_searched_images_stand_beside_the_reference(search, photos):
    found = iv.profile(Closed(), "units:0", photos, search)
    rows = search.table()
    assert found.images["task"].tolist() == ["invariance"] * 2 + ["adversarial"] * 2
    np.testing.assert_allclose(found.images["distance"], rows["pixel_distance"], rtol=1e-5)
    np.testing.assert_allclose(found.images["activation"], rows["activation"], rtol=1e-4)
    a, b = rows["activation"], rows["reference"]
    np.testing.assert_allclose(found.images["h"], 1 - (a - b).abs() / (a + b), atol=1e-4)
    by_name = found.coefficients.set_index("kind")
    assert by_name.loc["hue", "reference_h"] == pytest.approx(1, abs=1e-6)
    hue = found.copies.set_index("transformation").loc["hue"]
    assert by_name.loc["hue", "reference_h"] == hue["h"]
    assert len(plot_profile(found).get_yticks()) == len(by_name) + 2


def test_without_photos_the_search_alone_is_shown(search):
    found = iv.profile(Closed(), "units:0", result=search)
    assert found.coefficients.empty
    assert found.ignores == found.sensitive == []
    assert "ignores" not in found.card()
    assert len(plot_profile(found).get_yticks()) == 2


def searched(**columns):
    values = {"task": "invariance", "site": "pixels", "h": 0.9, "distance": 1.0}
    return table("images", pd.DataFrame({**values, **columns}))


def test_only_images_above_the_threshold_count_as_explained():
    images = searched(
        seed=[0, 1, 2, 3, 4],
        kind=["luminance", "luminance", "hue", NONE, "luminance"],
        explained=[EXPLAINS, 0.75, EXPLAINS - 0.01, 0.0, np.nan],
        copy_h=[IGNORES, IGNORES - 0.01, 1.0, np.nan, np.nan],
    )
    found = Profile({"subject": "s", "unit": "u:0"}, table("coefficients"), images, table("copies"))
    rows = found.departures.set_index("changes")
    assert rows["images"].to_dict() == {"luminance": 2, "nothing known": 3}
    assert rows.loc["luminance", "explained"] == pytest.approx((EXPLAINS + 0.75) / 2)
    assert rows.loc["luminance", "accepted"] == 1
    told = (
        "invariant images at pixels: 2 like a change of luminance (the change alone is accepted "
        "in 1), 3 like nothing known"
    )
    assert told in found.card()


def test_what_is_missing_is_told_with_its_reason(photos):
    dark = iv.profile(Closed(), "units:0", torch.zeros(4, 3, SIDE, SIDE), transformations=["blur"])
    assert dark.ignores == dark.sensitive == []
    assert dark.missing[0].startswith("fine detail: silent")
    assert "not known: fine detail: silent" in dark.card()
    one = iv.profile(Closed(), "units:0", photos[:1], transformations=["hue"])
    assert one.missing[0].startswith("hue: one image")
    assert np.isnan(one.coefficients["invariance"]).all()
    assert plot_profile(one).texts[0].get_text() == "–"


def test_what_is_kept_is_what_was_found(search, photos, tmp_path):
    found = iv.profile(Closed(), "units:0", photos, search)
    path = found.save(tmp_path)
    there = iv.load_profile(tmp_path)
    assert there.labels == found.labels
    for name in ("coefficients", "images", "copies"):
        pd.testing.assert_frame_equal(getattr(there, name), getattr(found, name))
    assert there.card() == found.card()
    path.write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        iv.load_profile(tmp_path)
    path.unlink()
    with pytest.raises(StoreError, match="holds no profile"):
        iv.load_profile(tmp_path)


def test_what_cannot_be_profiled_is_refused(search, photos, conv_subject):
    with pytest.raises(InputError, match="nothing to profile with"):
        iv.profile(Closed(), "units:0")
    with pytest.raises(InputError, match="is 2 units; a profile is of one"):
        iv.profile(Closed(), "units:0+units:1", photos)
    with pytest.raises(InputError, match="was on unit 'units:0', not 'units:1'"):
        iv.profile(Closed(), "units:1", result=search)
    other = Closed()
    other.identity = lambda: {"kind": "other"}
    with pytest.raises(InputError, match="closed is not what the runs were made with"):
        iv.profile(other, "units:0", result=search)
    first, *rest = search.runs
    moved = replace(first, settings=first.settings.model_copy(update={"reference": {"x": 1}}))
    with pytest.raises(InputError, match="several references"):
        iv.profile(Closed(), "units:0", result=Result([moved, *rest], search.generator))
    meis = [replace(first, settings=first.settings.model_copy(update={"task": "excitation"}))]
    with pytest.raises(InputError, match="holds no search from a reference"):
        iv.profile(Closed(), "units:0", result=Result(meis, search.generator))


def test_units_of_convolutions_are_read_as_they_are_named(conv_subject, photos):
    for unit, at in (("conv2:3", "channel"), ("conv2:3,1,2", "place")):
        whole = invariance_coefficient(
            conv_subject, photos, ["hue"], sites="conv2", reading=at, top=()
        ).units
        own = iv.profile(conv_subject, unit, photos, transformations=["hue"]).coefficients
        expected = whole.loc[whole["unit"] == unit, "invariance"]
        np.testing.assert_allclose(own["invariance"], expected)


def test_every_transformation_has_its_words():
    assert set(WORDS) >= {*TWELVE, *AFFINE, *LIGHT}
