"""The shipped network and generator on the photos they were made for, where those are at hand."""

import os
import re
import zipfile
from pathlib import Path

import pytest

import invariscope as iv
from invariscope.natural.statistics import NaturalStatistics, unit_activities
from invariscope.training.data import centre_crop, load_photos
from invariscope.training.evaluate import (
    crops_of,
    inversion_figures,
    random_images,
    top1,
)
from invariscope.units import parse_target

SHARED = os.environ.get("INVARISCOPE_SHARED")
pytestmark = pytest.mark.skipif(
    SHARED is None, reason="INVARISCOPE_SHARED names no folder with photos"
)


@pytest.fixture(scope="module")
def val(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    with zipfile.ZipFile(Path(str(SHARED)) / "data" / "imagenette104.zip") as archive:
        members = [name for name in archive.namelist() if "/val/" in name]
        archive.extractall(folder, members)
    return load_photos(folder / "imagenette104" / "val", 104)


@pytest.fixture(scope="module")
def subject():
    return iv.load_subject("embedded:standard")


def test_the_shipped_network_scores_what_its_card_says(subject, val):
    score = top1(subject, val)
    assert score >= 0.85
    card = (Path(iv.__file__).parent / "zoo/weights/standard.md").read_text()
    on_card = re.search(r"\| val_top1 \| ([\d.]+) \|", card)
    assert on_card is not None
    assert score == pytest.approx(float(on_card[1]), abs=0.003)  # another CPU may round otherwise


def test_the_generator_brings_back_what_a_photo_shows(subject, val):
    generator, photos = iv.load_generator("embedded"), crops_of(val, slice(1024))
    figures = inversion_figures(generator, subject, photos)
    assert figures["same_class_reconstruction"] > 2 * figures["same_class_8x8_average"]
    made = random_images(generator, 256)
    apart = [(x[:128] - x[128:256]).flatten(1).norm(dim=1).mean() for x in (made, photos)]
    assert apart[0] > 0.6 * apart[1]
    assert figures["code_sd_val"] == pytest.approx(1, abs=0.2)


def test_the_shipped_table_is_what_the_photos_give(subject, val):
    target = parse_target("fc:3", subject.sites())
    assert subject.natural is not None
    known = NaturalStatistics.load(subject.natural, subject).of(target, "val")
    assert known is not None
    parts = (centre_crop(part, 96) for part in val.images.split(256))
    activity = [
        float(x) for part in parts for x in unit_activities(subject, part, ["fc"])["fc"][:, 3]
    ]
    assert known.images == len(activity)
    assert known.maximum == pytest.approx(max(activity), rel=1e-4)
    assert known.minimum == pytest.approx(min(activity), rel=1e-4)
    assert known.mean == pytest.approx(sum(activity) / len(activity), abs=1e-4)
