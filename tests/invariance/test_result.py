import json

import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal

from invariscope.errors import StoreError
from invariscope.invariance import coefficient
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.images import image_set
from invariscope.invariance.passes import MeasurementSetup
from invariscope.invariance.result import TABLES, load_invariance


def measure(subject, photos, out, **settings):
    return invariance_coefficient(
        subject, photos, ["hue", "inversion"], sites="all", out=out, **settings
    )


def test_what_is_saved_is_what_is_loaded(conv_subject, make_photos, tmp_path):
    result = measure(conv_subject, make_photos(12), tmp_path)
    there = load_invariance(tmp_path)
    for name in TABLES:
        assert_frame_equal(getattr(there, name), getattr(result, name))
        assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), getattr(result, name))
    assert there.settings == json.loads(json.dumps(result.settings))
    csv = pd.read_csv(tmp_path / "units.csv")
    assert csv["unit"].tolist() == result.units["unit"].tolist()


def test_the_same_settings_are_not_measured_again(conv_subject, make_photos, tmp_path, monkeypatch):
    result = measure(conv_subject, make_photos(12), tmp_path)
    monkeypatch.setattr(MeasurementSetup, "show", None)
    assert_frame_equal(measure(conv_subject, make_photos(12), tmp_path).units, result.units)


def test_another_result_is_not_overwritten(conv_subject, make_photos, tmp_path):
    measure(conv_subject, make_photos(12), tmp_path)
    with pytest.raises(StoreError, match="another images, another tau"):
        measure(conv_subject, make_photos(13), tmp_path, tau=0.2)


def test_an_interrupted_second_pass_goes_on_from_the_first(
    conv_subject, make_photos, tmp_path, monkeypatch, broken
):
    wanted = ["hue", broken(), "inversion"]

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(coefficient.ActiveSums, "run", stop)
        with pytest.raises(KeyboardInterrupt):
            invariance_coefficient(conv_subject, make_photos(12), wanted, out=tmp_path)
    shows = []
    plain = MeasurementSetup.show
    monkeypatch.setattr(MeasurementSetup, "show", lambda *a: shows.append(1) or plain(*a))
    resumed = invariance_coefficient(conv_subject, make_photos(12), wanted, out=tmp_path)
    assert len(shows) == 1
    whole = invariance_coefficient(conv_subject, make_photos(12), wanted)
    for name in TABLES:
        assert_frame_equal(getattr(resumed, name), getattr(whole, name))


def test_a_first_pass_of_other_settings_is_not_taken(conv_subject, make_photos, tmp_path):
    measure(conv_subject, make_photos(12), tmp_path)
    (tmp_path / "invariance.json").unlink()
    again = measure(conv_subject, make_photos(13), tmp_path)
    assert_frame_equal(again.units, measure(conv_subject, make_photos(13), None).units)


def test_damage_is_one_sentence(conv_subject, make_photos, tmp_path):
    with pytest.raises(StoreError, match=r"holds no invariance\.json"):
        load_invariance(tmp_path)
    measure(conv_subject, make_photos(12), tmp_path)
    (tmp_path / "units.parquet").write_bytes(b"no table")
    with pytest.raises(StoreError, match="is damaged"):
        load_invariance(tmp_path)
    (tmp_path / "invariance.json").unlink()
    (tmp_path / "first_pass.safetensors").write_bytes(b"no tensors")
    with pytest.raises(StoreError, match="delete it"):
        measure(conv_subject, make_photos(12), tmp_path)


def test_the_summary_is_that_of_the_units(conv_subject, make_photos):
    images = image_set(make_photos(12), [0, 1, 2] * 4, ("a", "b", "c"))
    result = measure(conv_subject, images, None, by_class=True)
    assert len(result.summary) == 2 * 2 * 4
    for row in result.summary.to_dict("records"):
        own = result.units
        for key in ("site", "transformation", "class"):
            own = own[own[key] == row[key]]
        known = own.dropna(subset="invariance")
        assert row["units"] == len(own) == 8
        assert row["measured"] == len(known)
        assert row["mean"] == pytest.approx(known["invariance"].mean())
        assert row["q25"] == pytest.approx(known["invariance"].quantile(0.25))
        share = (known["active"] / known["images"]).mean()
        assert row["images_per_unit"] == pytest.approx(share)
        if row["class"] == "all":
            shown = result.images[
                (result.images["site"] == row["site"])
                & (result.images["transformation"] == row["transformation"])
            ]
            assert row["units_per_image"] == pytest.approx(shown["share"].mean())
        else:
            assert pd.isna(row["units_per_image"])


def test_progress_covers_both_passes(conv_subject, make_photos):
    told = []
    measure(conv_subject, make_photos(12), None, batch=5, watch=lambda *a: told.append(a))
    total = 2 * 3 * 12
    assert told == [(15, total), (30, total), (36, total), (51, total), (66, total), (72, total)]


def test_photos_of_a_folder_are_streamed_and_bad_ones_named(conv_subject, make_photos, tmp_path):
    from PIL import Image

    photos = (make_photos(6) * 255).to(torch.uint8)
    for k, photo in enumerate(photos):
        folder = tmp_path / "photos" / "ab"[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo.permute(1, 2, 0).numpy()).save(folder / f"{k}.png")
    (tmp_path / "photos" / "a" / "bad.png").write_bytes(b"no photo")
    result = measure(conv_subject, tmp_path / "photos", tmp_path / "out", by_class=True, batch=2)
    order = [0, 2, 4, 1, 3, 5]
    whole = image_set(photos[order] / 255, [0, 0, 0, 1, 1, 1], ("a", "b"))
    expected = measure(conv_subject, whole, None, by_class=True)
    columns = ["images", "active"]
    assert result.units[columns].equals(expected.units[columns])
    pd.testing.assert_series_equal(
        result.units["invariance"], expected.units["invariance"], atol=1e-6
    )
    assert "1 left out" in result.settings["labels"]["photos"][0]
    assert result.settings["labels"]["images"] == 6
    assert "a/bad.png" not in set(result.images["image"])
