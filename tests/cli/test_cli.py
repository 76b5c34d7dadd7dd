"""The command line on the shipped network: real searches, very short."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from invariscope import load_generator, load_subject
from invariscope.cli.app import run
from invariscope.cli.sns import parse_subset
from invariscope.errors import InputError
from invariscope.experiments.reference import photo_reference
from invariscope.experiments.result import load_result
from invariscope.natural.statistics import NaturalStatistics
from invariscope.photos import read_photo

SHORT = ["--generations", "3", "--population", "8", "--precision", "float32", "--device", "cpu"]


def sns(*words: str) -> int:
    return run(["sns", "embedded:standard", "fc:3", *SHORT, *words])


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "x"
    assert sns("--stretch", "layer3.0.conv1", "--seeds", "2", "--out", str(out)) == 0
    return out


def test_sns_writes_runs_and_a_report(searched):
    result = load_result(searched)
    tasks = sorted((r.settings.task, r.settings.seed) for r in result.runs)
    assert tasks == [("excitation", 0), ("invariance", 0), ("invariance", 1)]
    assert {r.settings.site for r in result.runs} == {None, "layer3.0.conv1"}
    page = (searched / "report.html").read_text()
    assert "chain saw" in page
    assert "layer3.0.conv1" in page


def test_the_same_command_searches_nothing_anew(searched, capsys):
    before = {p: p.stat().st_mtime_ns for p in searched.glob("*/outcome.json")}
    assert sns("--stretch", "layer3.0.conv1", "--seeds", "2", "--out", str(searched)) == 0
    assert {p: p.stat().st_mtime_ns for p in searched.glob("*/outcome.json")} == before


def test_another_seed_gives_other_images(searched):
    codes = [r.tensors["codes"][-1] for r in load_result(searched).runs if r.settings.site]
    assert not codes[0].equal(codes[1])


def test_mei_units_and_report_work_the_same_way(tmp_path, capsys):
    out = tmp_path / "m"
    assert (
        run(["mei", "embedded:standard", "layer2.0.conv1:3,center", *SHORT, "--out", str(out)]) == 0
    )
    assert run(["report", str(out), "--out", str(tmp_path / "page.html")]) == 0
    assert "layer2.0.conv1:3,6,6" in (tmp_path / "page.html").read_text()
    assert run(["units", "embedded:standard"]) == 0
    listed = capsys.readouterr().out
    assert (
        listed.index("layer1.0.conv1")
        < listed.index("layer4.1.conv2")
        < listed.index("fc:3 chain saw")
    )


def test_sets_subsets_directions_and_photos_are_accepted(tmp_path):
    photo = tmp_path / "photo.png"
    Image.effect_noise((96, 96), 60).convert("RGB").save(photo)
    words = ["--subset", "sample=100", "--direction", "down", "--reference", str(photo)]
    out = tmp_path / "o"
    assert run(["sns", "embedded:standard", "fc:3+fc:7", *SHORT, *words, "--out", str(out)]) == 0
    record = load_result(out).runs[0]
    assert record.settings.unit == "fc:3+fc:7"
    assert record.settings.subset is not None
    assert len(record.settings.subset) == 100
    assert record.settings.direction == "down"
    assert record.settings.reference is not None
    assert record.settings.reference["kind"] == "image"
    assert torch.equal(record.tensors["reference_image"], read_photo(photo).float() / 255)


MISTAKES = [
    (["sns", "embedded:standrd", "fc:3"], ["'embedded:standrd'", "'embedded:standard'"]),
    (["sns", "embedded:standard", "fc:33"], ["(10,)", "the largest is 9"]),
    (["sns", "embedded:standard", "fcc:3"], ["unknown site 'fcc'", "'fc'"]),
    (["sns", "embedded:standard", "fc"], ["names no number", "fc:unit"]),
    (["sns", "embedded:standard", "layer3:1,2"], ["(128, 6, 6)", "channel"]),
    (["sns", "embedded:standard", "fc:3", "--stretch", "layer3.0.conv"], ["layer3.0.conv1"]),
    (["sns", "embedded:standard", "fc:3", "--task", "invarance"], ["invarance", "adversarial"]),
    (["sns", "embedded:standard", "fc:3", "--taks", "invariance"], ["--taks", "--task"]),
    (["sns", "embedded:standard", "fc:3", "--direction", "up"], ["'up'", "'down'"]),
    (["sns", "embedded:standard", "fc:3", "--generations", "0"], ["generations is 0"]),
    (["sns", "embedded:standard", "fc:3", "--population", "1"], ["population is 1"]),
    (["sns", "embedded:standard", "fc:3", "--seeds", "0"], ["--seeds is 0"]),
    (["sns", "embedded:standard", "fc:3", "--strategy", "cmaa"], ["'cmaa'", "'cma'"]),
    (["sns", "embedded:standard", "fc:3", "--generator", "embeded"], ["'embeded'", "'embedded'"]),
    (["sns", "embedded:standard", "fc:3", "--precision", "fp8"], ["'fp8'", "'bf16'"]),
    (["sns", "embedded:standard", "fc:3", "--device", "tpu"], ["'tpu'", "cuda"]),
    (["sns", "embedded:standard", "fc:3", "--subset", "some"], ["'some'", "sample=100"]),
    (["sns", "embedded:standard", "fc:3", "--subset", "sample=99999999"], ["27648"]),
    (
        ["sns", "embedded:standard", "fc:3", "--reference", "none.png"],
        ["'none.png'", "no such file"],
    ),
    (["natural", "embedded:standard", "nowhere"], ["no folder 'nowhere'"]),
    (["demo", "--unit", "fc:12"], ["'fc:12'", "the largest is 9"]),
    (["mei", "embedded:standard", "fc:3", "--tries", "0"], ["tries is 0"]),
    (["report", "nowhere"], ["no folder 'nowhere'"]),
    (["frobnicate"], ["frobnicate", "demo"]),
]


@pytest.mark.parametrize(("words", "expected"), MISTAKES, ids=lambda x: " ".join(x)[:60])
def test_a_mistake_is_one_sentence_and_exit_2_and_writes_nothing(
    words, expected, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    for part in expected:
        assert part in said
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def observed():
    return load_subject("embedded:standard"), load_generator()


@pytest.mark.parametrize(("size", "mode"), [((96, 96), "L"), ((300, 200), "CMYK"), ((64, 96), "P")])
def test_a_photo_of_any_size_and_kind_is_a_reference(size, mode, tmp_path, observed):
    photo = tmp_path / "photo.tif"
    Image.effect_noise(size, 60).convert(mode).save(photo)
    image = photo_reference(photo, *observed).image
    assert image.shape == (3, 96, 96)
    expected = read_photo(photo).float() / 255
    if size == (96, 96):
        assert torch.equal(image, expected)


def test_what_is_no_photo_is_refused(tmp_path, capsys):
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"not a picture")
    assert sns("--reference", str(photo), "--out", str(tmp_path / "o")) == 2
    assert "not an image" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_an_adversarial_search_from_a_photo_starts_at_its_code(tmp_path, capsys):
    photo, out = tmp_path / "photo.png", tmp_path / "o"
    Image.effect_noise((96, 96), 60).convert("RGB").save(photo)
    words = ["--task", "adversarial", "--reference", str(photo), "--out", str(out)]
    assert sns(*words) == 0
    (record,) = load_result(out).runs
    inverted = load_generator().invert(read_photo(photo)[None] / 255)
    torch.testing.assert_close(record.tensors["reference_code"], inverted.codes[0])
    assert f"{float(inverted.psnr):.1f} dB from the photo" in capsys.readouterr().err
    assert record.settings.start["mean"] == "reference"
    # The code in the folder is the one that the same command takes, whatever it would find.
    kept = out / "reference_code.safetensors"
    psnr, told = torch.tensor(9.0), safe_open(kept, "pt").metadata()
    other = "takes (384,): give a code of this generator"  # 256 numbers are of embedded:v1
    for length, says in ((384, "holds another run"), (256, other)):
        found = {"code": torch.zeros(length), "psnr": psnr}
        save_file(found, tmp_path / "other.safetensors", told)
        (tmp_path / "other.safetensors").replace(kept)
        assert sns(*words) == 2
        assert says in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def photos(tmp_path):
    for number in range(6):
        place = tmp_path / "photos" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((100 + number, 120), 60).save(place / f"{number}.png")
    (tmp_path / "photos" / "a" / "x.jpg").write_bytes(b"no photo")
    return tmp_path / "photos"


def test_natural_statistics_are_what_a_search_takes(photos, tmp_path, capsys):
    out = tmp_path / "natural"
    words = ["natural", "embedded:standard", str(photos), "--sites", "fc", "layer3.0.conv1:7,2,2"]
    assert run([*words, "--device", "cpu", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "photos: 1 left out: not an image (the first: photo" in told
    assert "photos: 6 grey: the same value in all three channels" in told
    assert f"11 units of 6 photos: {out / 'natural.parquet'}" in told
    maximum = pd.read_parquet(out / "natural.parquet").set_index("unit").loc["fc:3", "maximum"]
    table = ["--natural", str(out / "natural.parquet")]
    assert (
        sns(*table, "--reference", str(photos / "b" / "1.png"), "--out", str(tmp_path / "o")) == 0
    )
    (record,) = load_result(tmp_path / "o").runs
    assert record.settings.natural is not None
    assert record.settings.natural["maximum"] == maximum
    assert record.settings.stop["bound"] == maximum


def test_natural_statistics_of_another_network_are_refused(tmp_path, capsys):
    subject = load_subject("embedded:standard")
    table = NaturalStatistics.load(subject.natural, subject)
    table.identity["weights"] = "0" * 64
    table.save(tmp_path / "natural.parquet")
    words = ["--natural", str(tmp_path / "natural.parquet"), "--out", str(tmp_path / "o")]
    assert sns(*words) == 2
    assert "of another subject than embedded:standard" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_an_output_that_is_a_file_or_holds_another_run_is_left_alone(searched, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("mine")
    assert sns("--out", str(file)) == 2
    assert "is a file" in capsys.readouterr().err
    assert file.read_text() == "mine"
    before = sorted(str(p) for p in searched.rglob("*"))
    assert sns("--stretch", "layer4.0.conv1", "--out", str(searched)) == 2
    assert "holds another run" in capsys.readouterr().err
    assert sorted(str(p) for p in searched.rglob("*")) == before


def test_debug_shows_where_an_error_came_from():
    with pytest.raises(InputError):
        run(["sns", "embedded:standard", "fc:33", "--debug"])


@pytest.mark.parametrize(
    ("text", "expected"), [(None, None), ("sample=7", 7), ("3,17", [3, 17]), ("4", [4])]
)
def test_subsets_are_read(text, expected):
    assert parse_subset(text) == expected


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(tmp_path):
    out, photo = tmp_path / "x", tmp_path / "photo.png"
    Image.effect_noise((96, 96), 60).convert("RGB").save(photo)  # no search for an MEI first
    words = ["sns", "embedded:standard", "fc:3", "--generations", "30", "--population", "8"]
    words += ["--reference", str(photo)]
    words += ["--precision", "float32", "--device", "cpu", "--no-stop", "--out", str(out)]
    command = [sys.executable, "-c", "from invariscope.cli import main; main()", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    journals: list[Path] = []
    deadline = time.monotonic() + 600  # a busy machine takes long to start Python
    while time.monotonic() < deadline and process.poll() is None:
        journals = [p for p in out.glob("invariance*/journal.jsonl") if p.stat().st_size > 0]
        if journals:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert journals, said
    assert process.returncode == 130
    assert "what was found is kept" in said
    assert "Traceback" not in said
    outcome = json.loads((journals[0].parent / "outcome.json").read_text())
    assert outcome["status"] == "interrupted"
    assert outcome["generations"] < 30
    assert run(words) == 0
    again = json.loads((journals[0].parent / "outcome.json").read_text())
    assert (again["status"], again["generations"]) == ("finished", 30)
    lines = journals[0].read_text().splitlines()
    assert [json.loads(line)["generation"] for line in lines] == list(range(1, 31))


def test_help_says_what_it_means_to_say(capsys):
    run(["calibrate", "--help"])
    assert "Photos: <class>/<photo>.jpg." in capsys.readouterr().out
