import pandas as pd
import pytest
import torch
from PIL import Image

import invariscope as iv
from invariscope.cli.app import USER_ERROR, run
from invariscope.cli.coefficient import parse_list


@pytest.fixture
def photos(tmp_path):
    """Two photos of noise for each class of the shipped network, named as it names them."""
    stream = torch.Generator().manual_seed(0)
    for name in iv.load_subject("embedded:standard").classes:
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for k in range(2):
            pixels = torch.randint(0, 256, (16, 16, 3), generator=stream, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(folder / f"{k}.png")
    return tmp_path / "photos"


def command(photos, out, *words):
    return run(["coefficient", "embedded:standard", str(photos), "--out", str(out), *words])


def test_tables_and_a_page_are_written(photos, tmp_path, capsys):
    words = ("--transformations", "hue,rotation-180", "--sites", "layer4.1.relu@2", "--by-class")
    more = ("--ablation", "--tau", "0.2", "--no-top", "--photos", "1", "--device", "cpu")
    assert command(photos, tmp_path / "out", *words, *more) == 0
    told = capsys.readouterr().out
    assert "mean invariance coefficient at layer4.1.relu@2" in told
    assert "report:" in told
    units = pd.read_csv(tmp_path / "out" / "units.csv")
    assert len(units) == 2 * 256 * 11
    assert set(units["images"]) == {10, 1}
    assert len(pd.read_csv(tmp_path / "out" / "ablation.csv")) == 3 * 4
    assert (tmp_path / "out" / "report.html").exists()
    assert pd.read_parquet(tmp_path / "out" / "top.parquet").empty


def test_tau_can_be_searched(photos, tmp_path, capsys):
    words = ("--transformations", "hue", "--sites", "layer4.1.relu@2", "--tau", "search")
    assert command(photos, tmp_path / "out", *words, "--device", "cpu") == 0
    assert "by the paper's rule at layer4.1.relu@2" in capsys.readouterr().out
    assert (tmp_path / "out" / "tau.csv").exists()


def test_mistakes_are_one_sentence(photos, tmp_path, capsys):
    for words, says in (
        (("--transformations", "blurr"), "did you mean 'blur'"),
        (("--sites", "layer5"), "unknown site 'layer5'"),
        (("--tau", "often"), "tau is 'often'; expected a number from 0 to 1, or search"),
        (("--tau", "2"), "tau is 2"),
    ):
        assert command(photos, tmp_path / "out", *words, "--device", "cpu") == USER_ERROR
        error = capsys.readouterr().err
        assert says in error
        assert "Traceback" not in error


def test_names_are_parted_by_commas():
    assert parse_list("all") == "all"
    assert parse_list(" blur, hue,") == ["blur", "hue"]
