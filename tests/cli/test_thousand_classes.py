"""The commands on a network of 1,000 classes at 224 px, with photos of other sizes."""

import json
import re

import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import invariscope as iv
from invariscope import seeds
from invariscope.cli.app import USER_ERROR, run
from invariscope.subjects.pixels import max_distance

NETWORK = """
import torch
from torch import nn

import invariscope as iv


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 32, 32)
        self.readout = nn.Linear(8, 1000)
        stream = torch.Generator().manual_seed(0)
        for own in self.parameters():
            own.data = torch.randn(own.shape, generator=stream) / 8

    def forward(self, images):
        return self.readout(self.conv(images).relu().mean((2, 3)))


def make():
    classes = [f"kind {number}, <b>{number}</b>" for number in range(1000)]
    return iv.NetworkSubject(Wide().eval(), image_size=224, classes=classes, name="wide")
"""
SIZES = ((300, 224), (64, 90), (224, 224), (500, 333))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The network's file, photos of four sizes in two class folders, and natural statistics."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "nets.py").write_text(NETWORK)
    for number, size in enumerate(SIZES * 2):
        own = folder / "photos" / ("kind 3" if number % 2 else "997")
        own.mkdir(parents=True, exist_ok=True)
        pixels = seeds.uniform([("thousand", number)], (*size, 3))[0] * 255
        Image.fromarray(pixels.byte().numpy()).save(own / f"{number}.png")
    words = [str(folder / "photos"), "--allow-code", "--out", str(folder / "natural")]
    assert run(["natural", f"{folder / 'nets.py'}:make", *words]) == 0
    return folder


def search(place, unit, out, *more):
    natural = str(place / "natural" / "natural.parquet")
    words = [f"{place / 'nets.py'}:make", unit, "--allow-code", "--natural", natural]
    words += ["--population", "8", "--generations", "2", "--out", str(out), *more]
    return run(["sns", *words])


def test_natural_statistics_are_of_every_class(place):
    table = pd.read_parquet(place / "natural" / "natural.parquet")
    assert table["unit"].tolist() == [f"readout:{number}" for number in range(1000)]
    assert set(table["images"]) == {8}
    classes = pd.read_parquet(place / "natural" / "classes.parquet")
    assert set(classes["class"]) == {"997", "kind 3"}


def test_a_search_and_its_page_are_of_224_pixels_and_name_the_class(place):
    out = place / "last"
    assert search(place, "readout:999", out, "--code-percentile", "99") == 0
    page = (out / "report.html").read_text()
    assert "kind 999, &lt;b&gt;999&lt;/b&gt;" in page
    assert "<b>999</b>" not in page
    (row,) = [r for r in iv.load_result(out).runs if r.settings.task == "invariance"]
    bounded = iv.constrain_generator(iv.load_generator("embedded"), code_percentile=99)
    images = F.interpolate(
        torch.cat([row.tensors["reference_image"][None], bounded.generate(row.tensors["codes"])]),
        (224, 224),
        mode="bilinear",
        antialias=True,
    ).clamp(0, 1)
    far = (images[1:] - images[0]).flatten(1).norm(dim=1)
    torch.testing.assert_close(
        torch.tensor(row.front["pixel_distance"].to_numpy()).float(), far, rtol=1e-4, atol=1e-3
    )
    told = [float(x) for x in re.findall(r"<b>(\d+) %</b> of all that is possible", page)]
    shares = 100 * far / max_distance(images[0])
    assert told
    assert all(min(abs(shares - share)) <= 0.51 for share in told)


def test_a_unit_that_is_not_there_is_one_sentence(place, capsys):
    assert search(place, "readout:1000", place / "none") == USER_ERROR
    said = " ".join(capsys.readouterr().err.split())
    assert "'readout:1000'" in said
    assert "the largest is 999" in said


def test_folders_of_few_classes_are_matched_among_a_thousand(place, capsys):
    words = [f"{place / 'nets.py'}:make", str(place / "photos"), "--allow-code"]
    assert run(["coefficient", *words, "--sites", "readout", "--out", str(place / "c")]) == 0
    assert "(1000 units)" in capsys.readouterr().out


def test_units_are_found_by_the_names_of_their_classes(place, capsys):
    words = ["units", f"{place / 'nets.py'}:make", "--allow-code"]
    assert run(words) == 0
    told = capsys.readouterr().out
    assert "readout: 1,000 classes; --find WORD" in told
    assert "kind 999" not in told
    assert run([*words, "--find", "KIND 57,"]) == 0
    assert capsys.readouterr().out.split("\n")[0] == "readout:57  kind 57, <b>57</b>"
    assert run([*words, "--find", "99", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["units"]
    assert [row["unit"] for row in found] == [
        f"readout:{number}" for number in range(1000) if "99" in str(number)
    ]
    assert run([*words, "--find", "kind of 57"]) == USER_ERROR
    assert "has 'kind of 57' in its name" in " ".join(capsys.readouterr().err.split())
    assert run([*words, "--json"]) == 0
    sites = json.loads(capsys.readouterr().out)["sites"]
    assert [own["shape"] for own in sites] == [[3, 224, 224], [8, 7, 7], [1000]]
