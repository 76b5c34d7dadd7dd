"""Coefficients of units that were built to have them."""

import pandas as pd
import pytest
import torch

from invariscope.errors import InputError
from invariscope.invariance import accumulate
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.images import image_set
from invariscope.subjects import kinds

UNITS = ("brightest", "mean", "bright", "dark", "constant", "dead")


def measure(subject, images, transformations, **settings):
    table = invariance_coefficient(subject, images, transformations, sites="relu", **settings).units
    names = [UNITS[int(unit.split(":")[1])] for unit in table["unit"]]
    return table.assign(unit=names).set_index(["transformation", "class", "unit"]).sort_index()


def test_a_unit_that_turning_the_hue_cannot_change_is_invariant(known, make_photos):
    row = measure(known, make_photos(20), ["hue"]).loc["hue", "all", "brightest"]
    assert row["invariance"] == pytest.approx(1, abs=1e-6)
    assert row["specialization"] == pytest.approx(0, abs=1e-6)
    assert row["reason"] == ""


def test_units_for_inverted_images_follow_the_closed_form(known, make_photos):
    """Inversion maps the mean m to 1 − m: h = 1 − |1 − 2m|, specialization = 1 − 2m."""
    photos = make_photos(40)
    table = measure(known, photos, ["inversion"], tau=0).loc["inversion", "all"]
    mean = photos.double().mean((1, 2, 3))
    assert table.loc["mean", "invariance"] == pytest.approx(
        float((1 - (1 - 2 * mean).abs()).mean()), abs=1e-6
    )
    assert table.loc["mean", "specialization"] == pytest.approx(
        float((1 - 2 * mean).mean()), abs=1e-6
    )
    assert table.loc["mean", "active"] == 40


def test_a_unit_for_one_of_an_image_and_its_inverse_is_selective(known, make_photos):
    dim = make_photos(20) * 0.4
    table = measure(known, dim, ["inversion"]).loc["inversion", "all"]
    assert table.loc["bright", "invariance"] == pytest.approx(0, abs=1e-6)
    assert table.loc["bright", "specialization"] == pytest.approx(1, abs=1e-6)
    assert table.loc["dark", "invariance"] == pytest.approx(0, abs=1e-6)
    assert table.loc["dark", "specialization"] == pytest.approx(-1, abs=1e-6)


def test_the_active_set_is_what_lies_above_tau_of_the_maximum(known, make_photos):
    photos = make_photos(40)
    row = measure(known, photos, ["inversion"], tau=0.7).loc["inversion", "all", "bright"]
    bright = (photos.double().mean((1, 2, 3)) - 0.5).clamp(min=0)
    inverted = (0.5 - photos.double().mean((1, 2, 3))).clamp(min=0)
    either = torch.maximum(bright, inverted)
    assert row["active"] == int((either > 0.7 * either.max()).sum())
    assert row["maximum"] == pytest.approx(float(either.max()), abs=1e-6)
    assert row["images"] == 40


def test_constant_and_dead_units_are_missing_with_the_reason(known, make_photos):
    table = measure(known, make_photos(20), ["hue"]).loc["hue", "all"]
    for unit, reason in (("constant", kinds.CONSTANT), ("dead", kinds.SILENT)):
        assert pd.isna(table.loc[unit, "invariance"])
        assert pd.isna(table.loc[unit, "specialization"])
        assert table.loc[unit, "reason"] == reason


def test_a_dead_network_has_no_coefficient_and_no_units_an_image(known, make_photos):
    result = invariance_coefficient(known, make_photos(5) * 0, ["blur"], sites="relu")
    units = result.units.set_index("unit")
    assert units.loc["relu:1", "reason"] == kinds.SILENT
    assert units["invariance"].isna().all()
    assert result.images["share"].isna().all()
    assert result.summary["measured"].tolist() == [0]
    assert result.summary["mean"].isna().all()


def test_one_image_has_no_scale(known, make_photos):
    table = measure(known, make_photos(1), ["hue"])
    assert table["invariance"].isna().all()
    assert set(table["reason"]) == {accumulate.ONE_IMAGE}


def test_an_empty_active_set_is_missing(known, make_photos):
    table = measure(known, make_photos(9), ["inversion"], tau=1).loc["inversion", "all"]
    assert table.loc["mean", "active"] == 0
    assert pd.isna(table.loc["mean", "invariance"])
    assert table.loc["mean", "reason"] == accumulate.INACTIVE


def test_classes_without_an_image_or_an_active_one_are_missing(known, make_photos):
    dim, bright = make_photos(6) * 0.2, 1 - make_photos(6) * 0.2
    images = image_set(torch.cat([dim, bright]), [0] * 6 + [1] * 6, ("dim", "bright", "none"))
    table = measure(known, images, ["hue"], by_class=True).loc["hue"]
    assert table.loc[("dim", "bright"), "reason"] == accumulate.INACTIVE
    assert table.loc[("bright", "bright"), "invariance"] > 0
    assert set(table.loc["none", "reason"]) == {
        accumulate.NO_IMAGE,
        kinds.CONSTANT,
        kinds.SILENT,
    }
    assert table.loc["none", "invariance"].isna().all()
    assert table.loc["none", "images"].eq(0).all()


@pytest.mark.parametrize(("how", "words"), [("nan", "NaN"), ("size", "expected the same shape")])
def test_a_transformation_that_fails_is_a_reason_and_the_others_go_on(
    known, make_photos, broken, how, words
):
    result = invariance_coefficient(
        known, make_photos(9), [broken(how=how), "hue"], sites="relu", tau=0.1
    )
    units = result.units.set_index("transformation")
    failed = units.loc[f"broken(how={how})"] if how != "nan" else units.loc["broken"]
    assert failed["invariance"].isna().all()
    assert failed["active"].isna().all()
    assert failed["reason"].str.contains(words).all()
    assert units.loc["hue", "invariance"].notna().sum() == 4
    assert set(result.images["transformation"]) == {"hue"}
    assert list(result.settings["labels"]["failed"]) == [failed.index[0]]


def test_answers_that_are_no_numbers_are_a_reason(make_subject, make_photos):
    subject = make_subject(broken_after=70)
    result = invariance_coefficient(subject, make_photos(40), ["hue"], sites=["features", "out"])
    units = result.units.set_index("site")
    assert set(units.loc["out", "reason"]) == {kinds.NOT_FINITE}
    assert units.loc["features", "invariance"].notna().all()
    kept = result.top.set_index("site").loc["out"]
    assert kept["kept"].isna().all()


def test_bad_settings_are_one_sentence(known, make_photos):
    photos = make_photos(4)
    for settings, words in (
        ({"transformations": ["blurr"]}, "unknown transformation 'blurr'"),
        ({"transformations": []}, "no transformation given"),
        ({"transformations": ["hue", "hue"]}, "given twice"),
        ({"transformations": ["hue"], "sites": "rellu"}, "did you mean 'relu'"),
        ({"transformations": ["hue"], "sites": ()}, "no site given"),
        ({"transformations": ["hue"], "tau": 1.5}, "tau is 1.5"),
        ({"transformations": ["hue"], "reading": "plaice"}, "did you mean 'place'"),
        ({"transformations": ["hue"], "by_class": True}, "have no classes"),
        ({"transformations": ["hue"], "top": (0,)}, "top 0 %"),
        ({"transformations": ["hue"], "batch": 0}, "batch is 0"),
    ):
        with pytest.raises(InputError, match=words):
            invariance_coefficient(known, photos, **settings)
    with pytest.raises(InputError, match="no image"):
        invariance_coefficient(known, photos[:0], ["hue"])
    with pytest.raises(InputError, match="named: 1 class"):
        image_set(photos, [0, 1, 0, 1], ("one",))
    with pytest.raises(InputError, match="labels of shape"):
        image_set(photos, [0, 1])


@pytest.mark.parametrize(
    ("grey", "words"), [(40, "all images are grey"), (10, "25% of the"), (4, "")]
)
def test_colour_says_nothing_of_grey_images(conv_subject, make_photos, grey, words):
    photos = make_photos(40)
    photos[:grey] = photos[:grey, :1]
    kinds = ["hue", "grayscale", "inversion"]
    found = invariance_coefficient(conv_subject, photos, kinds, sites="relu", progress=False)
    rows = found.units.groupby("transformation")
    for name in ("hue", "grayscale"):
        own = rows.get_group(name)
        assert own["invariance"].isna().all() == bool(words)
        assert own["reason"].str.startswith(words).all()
        assert found.settings["labels"]["failed"].get(name, "").startswith(words)
    assert rows.get_group("inversion")["invariance"].notna().any()
