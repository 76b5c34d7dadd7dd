"""From a study that ran to a survey: which images, whose, and of what category."""

import os
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.cli.app import run as command
from invariscope.errors import InputError, StoreError
from invariscope.jobs.engines import LocalEngine
from invariscope.photos.read import read_photo
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder
from invariscope.study.plan import plan_study
from invariscope.study.result import load_study
from invariscope.study.runner import StudyRunner
from invariscope.survey.folder import open_survey
from invariscope.survey.make import make_survey
from invariscope.survey.stimulus_selection import StimulusSelection

WORLDS = Path(__file__).parents[1] / "study" / "worlds.py"
STUDY = f"""
title = "Small"
[shared]
subjects = "{WORLDS}:subject"
generators = "{WORLDS}:generator"
units = "fc:0-2"
generations = 3
population = 6
precision = "float32"
[conditions.invariance]
stretch = ["pixels", "conv1"]
seeds = 2
[conditions.silence]
tasks = "adversarial"
stretch = "pixels"
seeds = 1
"""
OBSERVER = f"""
from invariscope.study.loading import load_subject_cached
def make():
    return load_subject_cached("{WORLDS}:subject", "cpu")
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of three units of five classes that has ended."""
    base = tmp_path_factory.mktemp("study")
    folder = StudyFolder(base / "store", "small")
    with patch.object(os, "fsync", lambda handle: None):
        folder.write(STUDY, plan_study(parse_study(STUDY), base, allow_code=True))
        StudyRunner(folder, LocalEngine("cpu"), runs_per_job=4).run()
    return load_study(folder.path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    base = tmp_path_factory.mktemp("photos")
    for k in range(5):
        (base / f"class {k}").mkdir()
        for n in range(4):
            pixels = np.random.Philox(key=10 * k + n).random_raw((12, 10, 3)) % 256
            Image.fromarray(pixels.astype(np.uint8)).save(base / f"class {k}" / f"{n}.png")
    return base


def make(study, out, photos=None, **settings):
    wish = StimulusSelection(photos=photos, practice=2, allow_code=True)
    return make_survey(study, out, wish=wish, settings=settings).folder


def test_every_condition_site_and_network_has_its_images(study, photos, tmp_path):
    folder = make(study, tmp_path / "s", photos)
    assert folder.design.categories == ("class 0", "class 1", "class 2")
    counted = {}
    for s in folder.stimuli:
        counted.setdefault(s.cell, []).append(s.category)
    network = "conv"
    assert {cell: len(v) for cell, v in counted.items()} == {
        ("MEI", "", network): 3,
        ("invariance", "pixels", network): 6,
        ("invariance", "conv1", network): 6,
        ("natural", "", ""): 6,
        ("practice", "", ""): 2,
    }
    assert folder.design.per_condition == 3  # what every condition has
    for s in folder.stimuli:
        if s.network:
            assert s.category == f"class {s.unit.rpartition(':')[2]}"
        else:
            assert s.image.startswith(s.category + "/")
    own = [s.image for s in folder.stimuli if s.condition == "practice"]
    assert not set(own) & {s.image for s in folder.stimuli if s.condition == "natural"}


def test_images_are_those_that_the_runs_found(study, tmp_path):
    folder = make(study, tmp_path / "s")
    table = study.table()
    own = table.loc[table["task"] == "invariance"]
    images = dict(zip(own["run"], study.images(own, "kept", study_generator()), strict=True))
    records = {r.path.name: r for r in study.records(own)}
    for s in folder.stimuli:
        seen = read_photo(folder.image(s)).float() / 255
        if s.condition == "invariance":
            expected = images[s.image]
        else:
            expected = next(
                r.tensors["reference_image"] for r in records.values() if r.settings.unit == s.unit
            )
        assert torch.allclose(seen, expected, atol=0.5 / 255 + 1e-6)


def study_generator():
    from invariscope.study.loading import load_generator_cached

    return load_generator_cached(f"{WORLDS}:generator", "cpu")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"classes": 12}, "--classes is 12, but the study has images of 3 categories"),
        ({"categories": ("class 9",)}, "'class 9' is none of the study's: class 0, class 1"),
        ({"settings": {"per_condition": 4}}, "has only 3 images; expected 1 to 3"),
        ({"settings": {"show": {"presentation_ms": 10}}}, "at least 100"),
    ],
)
def test_what_the_study_cannot_give_is_refused(study, tmp_path, asked, said):
    with pytest.raises(InputError, match=said):
        make_survey(study, tmp_path / "s", wish=StimulusSelection(allow_code=True), **asked)


def test_fewer_categories_are_drawn_by_the_seed(study, tmp_path):
    made = make_survey(
        study, tmp_path / "s", classes=2, wish=StimulusSelection(allow_code=True)
    ).folder
    assert len(made.design.categories) == 2
    assert {s.category for s in made.stimuli} == set(made.design.categories)


def test_code_of_a_study_runs_only_where_it_is_allowed(study, tmp_path):
    with pytest.raises(InputError, match="--allow-code"):
        make_survey(study, tmp_path / "s")


def test_a_survey_with_answers_is_not_made_again(study, tmp_path):
    folder = make(study, tmp_path / "s")
    make(study, tmp_path / "s")
    folder.answers.touch()
    with pytest.raises(StoreError, match="holds answers"):
        make(study, tmp_path / "s")


def test_a_lab_keeps_its_words_when_a_survey_is_made_again(study, tmp_path):
    folder = make(study, tmp_path / "s")
    words = folder.path / "words.json"
    words.write_text(words.read_text().replace("Take part", "Mitmachen"))
    make(study, tmp_path / "s")
    assert "Mitmachen" in words.read_text()


def test_the_commands(study, photos, tmp_path, capsys):
    out = tmp_path / "s"
    words = ["survey", "make", str(study.folder.path), "--out", str(out), "--allow-code"]
    assert command([*words, "--photos", str(photos), "--practice", "2", "--catch", "1"]) == 0
    said = capsys.readouterr().out
    assert "3 categories · 15 trials a participant (2 practice, 1 catch)" in said
    assert open_survey(out).design.catch == 1
    (tmp_path / "observer.py").write_text(OBSERVER)
    observer = f"{tmp_path / 'observer.py'}:make"
    words = ["survey", "simulate", str(out), "--observer", observer, "--participants", "12"]
    assert command([*words, "--allow-code"]) == 0
    said = capsys.readouterr().out
    assert "answers about its own images" in said
    files = {p.suffix for p in (out / "simulated").iterdir()}
    assert files == {".parquet", ".png"}
    assert command(["survey", "export", str(out)]) == 2
    assert "no answers yet" in capsys.readouterr().err
    assert command(["survey", "serve", str(out), "--classes", "2"]) == 2
    assert "is there already and is not made again" in capsys.readouterr().err
