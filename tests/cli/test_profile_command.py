"""`invariscope profile`: from a short search to a section in its report."""

import numpy as np
import pytest
from PIL import Image

from invariscope import load_profile, seeds
from invariscope.cli.app import run

SHORT = ["--generations", "2", "--population", "8", "--precision", "float32", "--device", "cpu"]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Runs of one unit, and a folder of noise for photos, one of them damaged."""
    photos, runs = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("runs") / "x"
    for k in range(6):
        pixels = seeds.numpy_stream("photo", k).integers(0, 256, (96, 96, 3), np.uint8)
        Image.fromarray(pixels).save(photos / f"{k}.png")
    (photos / "torn.png").write_bytes((photos / "0.png").read_bytes()[:500])
    assert run(["sns", "embedded:standard", "fc:3", *SHORT, "--out", str(runs)]) == 0
    return runs, photos


def profile(*words):
    return run(["profile", *map(str, words), "--device", "cpu"])


def test_the_profile_is_kept_and_the_report_shows_it(places, capsys):
    runs, photos = places
    page = runs / "report.html"
    assert "Known changes" not in page.read_text()
    assert profile(runs, photos) == 0
    found, told = load_profile(runs), capsys.readouterr().out
    assert found.card() in told
    assert "1 left out" in told
    assert found.labels["class"] == "chain saw"
    assert found.coefficients["images"].tolist() == [6] * 18
    text = page.read_text()
    assert "Known changes beside found ones" in text
    assert found.images["best"].iloc[0] in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "embedded:standart"], "did you mean 'embedded:standard'"),
        (["--tau", "2"], "tau is 2"),
        (["--photos", "0"], "expected at least 1"),
    ],
)
def test_mistakes_are_one_sentence(places, capsys, words, says):
    assert profile(*places, *words) == 2
    assert says in capsys.readouterr().err


def test_a_folder_without_runs_is_refused(places, tmp_path, capsys):
    assert profile(tmp_path, places[1]) == 2
    assert "holds no run" in capsys.readouterr().err
