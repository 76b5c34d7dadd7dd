"""One pass over a folder: what it writes, and that a killed one goes on with the same result."""

import json
import os
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from invariscope.errors import InputError, StoreError, SubjectError
from invariscope.experiments.mei import plan_mei
from invariscope.natural import folder_pass, segments
from invariscope.natural.folder_pass import measure_folder
from invariscope.natural.statistics import NaturalStatistics, describe
from invariscope.photos import open_folder
from invariscope.subjects.trust import IMAGES, check_repeatable
from invariscope.units import parse_unit
from toy_subjects import ToySubject

SITES = ["out", "features", "features:2,1,1"]
PHOTOS = 30


@pytest.fixture
def folder(tmp_path):
    """Photos of two classes and of several sizes, an empty class, and two that are broken."""
    stream = np.random.default_rng(3)
    for number in range(PHOTOS):
        size = (8 + number % 5, 8 + number % 3, 3)
        path = tmp_path / "photos" / "bc"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stream.integers(0, 256, size, np.uint8)).save(path)
    (tmp_path / "photos" / "a").mkdir()
    (tmp_path / "photos" / "b" / "05.jpg").write_bytes(b"")
    (tmp_path / "photos" / "c" / "zz.jpg").write_bytes(b"no photo")
    return tmp_path / "photos"


@pytest.fixture
def by_hand(folder, subject):
    """Activities `(photos, units)` by photo name and unit address, one photo at a time."""
    rows = {}
    for path in sorted(folder.glob("*/*.png")):
        with Image.open(path) as photo:
            short = min(photo.size)
            scale = [int(8 * side / short) for side in photo.size]
            seen = photo.resize(scale, Image.Resampling.BILINEAR) if short != 8 else photo.copy()
        left, top = round((seen.width - 8) / 2), round((seen.height - 8) / 2)
        pixels = np.array(seen.crop((left, top, left + 8, top + 8)))
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        responses = subject.respond(image, ["out", "features"])
        names = [*(f"out:{i}" for i in range(3)), *(f"features:{i}" for i in range(4)), SITES[2]]
        rows[f"{path.parent.name}/{path.name}"] = {
            name: float(unit.read(responses[unit.site]))
            for name in names
            for unit in [parse_unit(name, subject.sites())]
        }
    return pd.DataFrame(rows).T


@pytest.fixture
def measure(folder, subject, tmp_path):
    def run(out="natural", **changed):
        asked = {"sites": SITES, "batch": 4, "top": 5} | changed
        photos = open_folder(folder)
        return measure_folder(subject, photos, tmp_path / out, **asked), photos

    return run


def test_every_figure_is_that_of_all_photos(measure, by_hand, tmp_path):
    found, photos = measure()
    table = found.table.set_index("unit")
    assert list(table.index) == list(by_hand.columns)
    assert set(table["split"]) == {"train"}
    expected = pd.DataFrame(describe(by_hand.T.to_numpy()), index=by_hand.columns)
    columns = list(expected)
    pd.testing.assert_frame_equal(table[columns], expected, rtol=1e-4, atol=1e-6, check_names=False)
    assert len(photos.report.unreadable) == 2


def test_every_class_is_described(measure, by_hand, tmp_path):
    measure()
    found = pd.read_parquet(tmp_path / "natural" / "classes.parquet").set_index(["unit", "class"])
    groups = by_hand.groupby(by_hand.index.str[0])
    assert len(found) == 2 * len(by_hand.columns)
    for label, part in groups:
        mine = found.xs(label, level="class").loc[by_hand.columns]
        assert (mine["images"] == len(part)).all()
        expected = {"minimum": part.min(), "maximum": part.max(), "mean": part.mean()}
        expected["sd"] = part.std(ddof=0)
        for column, values in expected.items():
            np.testing.assert_allclose(mine[column], values, rtol=1e-4, atol=1e-6)


def test_the_strongest_photos_are_named(measure, by_hand, tmp_path):
    measure()
    found = pd.read_parquet(tmp_path / "natural" / "top.parquet")
    for unit, part in found.groupby("unit"):
        expected = by_hand[unit].sort_values(ascending=False)[:5]
        assert part["rank"].tolist() == [1, 2, 3, 4, 5]
        assert part["photo"].tolist() == expected.index.tolist()
        np.testing.assert_allclose(part["activity"], expected, rtol=1e-4, atol=1e-6)


def test_photos_that_were_left_out_are_named(measure, tmp_path):
    measure()
    report = json.loads((tmp_path / "natural" / "report.json").read_text())
    assert report["photos"] == PHOTOS
    assert report["left_out"] == 2
    assert any("05.jpg" in sentence for sentence in report["unreadable"])
    assert "without a photo: 1 class folder: 'a'" in report["notes"]
    assert not (tmp_path / "natural" / "segments").exists()


def test_figures_do_not_depend_on_how_much_is_described_at_once(measure, tmp_path, monkeypatch):
    measure("whole")
    monkeypatch.setattr(segments, "BLOCK", PHOTOS)  # a unit at a time
    monkeypatch.setattr(segments, "ROWS", 4)
    measure("pieces")
    for name in ("natural", "classes", "top"):
        pieces, whole = (
            pd.read_parquet(tmp_path / out / f"{name}.parquet") for out in ("pieces", "whole")
        )
        pd.testing.assert_frame_equal(pieces, whole)


def pass_until_killed(folder, out, at):
    """A pass in a process of its own, which kills itself."""

    def watch(seen, of, now):
        if seen >= at:
            os.kill(os.getpid(), signal.SIGKILL)

    segments.ROWS = 8
    photos = open_folder(folder)
    measure_folder(ToySubject(), photos, out, sites=SITES, batch=4, top=5, watch=watch)


@pytest.mark.parametrize("at", [9, 21])
def test_a_killed_pass_goes_on_with_the_same_result(measure, folder, subject, tmp_path, forked, at):
    process = forked.Process(target=pass_until_killed, args=(folder, tmp_path / "k", at))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    kept = list((tmp_path / "k" / "segments").glob("*.safetensors"))
    assert kept
    assert not (tmp_path / "k" / "natural.parquet").exists()
    check_repeatable(subject, {site.partition(":")[0] for site in SITES})
    shown = subject.shown
    found, photos = measure("k")
    assert subject.shown - shown < PHOTOS + IMAGES
    whole, _ = measure("whole")
    pd.testing.assert_frame_equal(found.table, whole.table)
    assert len(photos.report.unreadable) == 2
    for name in ("classes.parquet", "top.parquet"):
        resumed, unbroken = (pd.read_parquet(tmp_path / out / name) for out in ("k", "whole"))
        pd.testing.assert_frame_equal(resumed, unbroken)
    reports = [(tmp_path / out / "report.json").read_text() for out in ("k", "whole")]
    assert reports[0] == reports[1]


def test_a_pass_that_is_there_is_not_done_again(measure, subject):
    first, _ = measure()
    shown = subject.shown
    again, _ = measure()
    assert subject.shown == shown + 2 * IMAGES  # by which the subject is known again
    pd.testing.assert_frame_equal(again.table, first.table)


def test_what_a_kill_left_behind_is_removed_or_refused(measure, tmp_path):
    measure()
    left = tmp_path / "natural" / "segments"
    left.mkdir()
    measure()
    assert not left.exists()
    (tmp_path / "natural" / "natural.parquet").unlink()
    left.mkdir()
    (left / "000000.safetensors").write_bytes(b"half")
    with pytest.raises(StoreError, match=r"is damaged; delete the folder .*segments"):
        measure()


@pytest.mark.parametrize("changed", [{"sites": ["out"]}, {"batch": 5}, {"split": "val"}])
def test_other_settings_are_refused(measure, changed):
    measure()
    with pytest.raises(StoreError, match=r"with other settings .*choose another --out"):
        measure(**changed)


def test_the_table_serves_a_search_and_no_other_subject(
    measure, subject, generator, conv_subject, tmp_path
):
    found, _ = measure()
    subject.natural = tmp_path / "natural" / "natural.parquet"
    (planned,) = plan_mei(subject, generator, "out:1")
    maximum = found.table.set_index("unit").loc["out:1", "maximum"]
    assert planned.settings.natural["maximum"] == maximum
    with pytest.raises(InputError, match="of another subject than conv"):
        NaturalStatistics.load(subject.natural, conv_subject)


def test_an_answer_that_is_no_number_names_unit_and_photo(make_subject, folder, tmp_path):
    broken = make_subject()
    check_repeatable(broken, ["out"])
    broken.broken_after = broken.shown + IMAGES + 9
    with pytest.raises(SubjectError, match=r"answered nan at out:0 for '.*/b/.*png'"):
        measure_folder(broken, open_folder(folder), tmp_path / "o", batch=4)


def test_a_disk_that_is_too_small_is_told_before(measure, monkeypatch):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(folder_pass.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StoreError, match=r"8 units of 32 photos take .* GB in .* free; name fewer"):
        measure()


def test_unknown_sites_and_folders_without_readable_photos_are_refused(measure, subject, tmp_path):
    with pytest.raises(InputError, match="unknown site 'outt'; did you mean 'out'"):
        measure(sites=["outt"])
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.jpg").write_bytes(b"")
    with pytest.raises(StoreError, match=r"no photo of .* could be read .*not an image"):
        measure_folder(subject, open_folder(tmp_path / "none"), tmp_path / "o")
