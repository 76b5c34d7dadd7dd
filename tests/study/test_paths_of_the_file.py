"""Paths in a study's file count from the file's folder, wherever the file is read from."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from invariscope import seeds
from invariscope.cli.app import run
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.folder import PLACE, StudyFolder
from invariscope.study.result import StudyResult

WORLDS = Path(__file__).with_name("worlds.py")
FILE = """
serves = ["acceptance"]

[shared]
subjects = "code/worlds.py:subject"
generators = "code/worlds.py:generator"
units = "fc:0-1"
generations = 2
population = 8

[conditions.invariance]

[roles]
"code/worlds.py:subject" = "standard"
"code/worlds.py:large" = "robust"

[data]
photos = "photos"
observers = ["code/worlds.py:subject", "code/worlds.py:large"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A study that was run from another folder than its file's; photos of other sizes lie there."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "code").mkdir(parents=True)
    shutil.copy(WORLDS, home / "code")
    for place, side in ((home, 8), (elsewhere, 5)):
        for name in ("class 0", "class 1"):
            (place / "photos" / name).mkdir(parents=True)
            for k in range(2):
                pixels = seeds.numpy_stream("paths", name, k).integers(0, 256, (side, side, 3))
                Image.fromarray(pixels.astype("uint8")).save(place / "photos" / name / f"{k}.png")
    (home / "small.toml").write_text(FILE)
    monkeypatch.chdir(elsewhere)
    words = ["study", "run", str(home / "small.toml"), "--out", str(tmp_path / "store")]
    assert run([*words, "--allow-code", "-q"]) == 0
    return StudyFolder(tmp_path / "store", "small")


def test_observers_roles_and_photos_are_found_from_any_folder(folder, tmp_path):
    words = ["analyze", str(folder.path), "--allow-code", "--device", "cpu", "-q"]
    assert run([*words, "--only", "acceptance", "--only", "observers"]) == 0
    images = pd.read_csv(folder.path / "analysis" / "acceptance_images.csv")
    assert images["observer"].nunique() == 2
    natural = pd.read_csv(folder.path / "analysis" / "observers.csv")
    assert "natural" in set(natural["task"])
    assert folder.place == (tmp_path / "home").resolve()
    data = folder.file().data
    assert data is not None
    observers = tuple(map(folder.address, data.observers))
    material = AnalysisMaterial(StudyResult(folder), observers=observers, allow_code=True)
    assert sorted(material.observer_kinds.values()) == ["robust", "standard"]


def test_a_store_that_came_from_elsewhere_needs_them_named(folder, tmp_path, capsys):
    (folder.path / PLACE).unlink()
    words = ["analyze", str(folder.path), "--allow-code", "--device", "cpu", "-q"]
    assert run([*words, "--only", "acceptance"]) == 2
    assert "no Python file 'code/worlds.py'" in capsys.readouterr().err
    words += ["--observers", f"{tmp_path}/home/code/worlds.py:large"]
    assert run([*words, "--only", "acceptance", "--only", "observers"]) == 0
    natural = pd.read_csv(folder.path / "analysis" / "observers.csv")
    assert "natural" not in set(natural["task"])
