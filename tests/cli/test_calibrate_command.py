"""`invariscope calibrate` on the shipped network and images that it knows."""

import pandas as pd
import pytest
import torch
from PIL import Image

from invariscope import load_generator, load_subject, seeds
from invariscope.cli.app import run
from invariscope.invariance.calibration import load_calibration


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Generated images in folders by what the network takes them for, with a table of names."""
    folder = tmp_path_factory.mktemp("photos")
    subject, generator = load_subject("embedded:standard"), load_generator()
    spread = generator.code_statistics
    draws = seeds.normal([("codes",)], (40, generator.code_dim))[0]
    images = generator.generate(spread.mean + draws * spread.sd)
    images = (images * 255).round() / 255
    answers = subject.respond(images, ["fc"])["fc"].argmax(1)
    lines = []
    for label in answers.unique().tolist():
        (folder / "val" / f"n{label}").mkdir(parents=True)
        lines.append(f"n{label}\t{subject.classes[label]}")
        for k in torch.nonzero(answers == label).flatten().tolist():
            pixels = (images[k] * 255).byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(folder / "val" / f"n{label}" / f"{k}.png")
    (folder / "classes.tsv").write_text("\n".join(lines))
    return folder / "val"


def calibrate(*words):
    # The generated images have the network's own size: nothing of them is cut off.
    words = (*words, "--resize", 96, "--device", "cpu")
    return run(["calibrate", "embedded:standard", *map(str, words)])


def test_the_curve_is_kept_and_plotted(photos, tmp_path, capsys):
    words = (photos, "--transformation", "white-noise", "--out", tmp_path, "--beyond", "rescale")
    assert calibrate(*words) == 0
    found = load_calibration(tmp_path / "white-noise.toml")
    assert found.clean == 1.0
    assert found.settings["transformation"]["beyond"] == "rescale"
    assert pd.read_csv(tmp_path / "white-noise.csv")["strength"].tolist()[:2] == [0, 25]
    with Image.open(tmp_path / "white-noise.png") as picture:
        assert picture.width > 500
    told = capsys.readouterr().out
    assert f"passes the bound at sigma {found.strength:g}" in told
    assert "100.0% as they are" in told
    assert calibrate(*words) == 0
    assert "25:" not in capsys.readouterr().out


def test_a_bound_that_is_not_reached_is_told(photos, tmp_path, capsys):
    words = (photos, "--transformation", "blur", "--most", 0.5, "--photos", 3, "--bound", 0.01)
    assert calibrate(*words, "--out", tmp_path) == 0
    assert "does not reach the bound up to sigma 0.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--transformation", "hue"], "'hue' has no strength"),
        (["--transformation", "blurr"], "did you mean 'blur'"),
        (["--transformation", "blur", "--beyond", "clamp"], "clamp"),
        (["--transformation", "blur", "--site", "fd"], "unknown site 'fd'"),
        (["--transformation", "blur", "--classes", "none.tsv"], "no file 'none.tsv'"),
        (["--transformation", "blur", "--photos", "0"], "expected at least 1"),
    ],
)
def test_mistakes_are_one_sentence(photos, tmp_path, capsys, words, says):
    assert calibrate(photos, "--out", tmp_path / "out", *words) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
