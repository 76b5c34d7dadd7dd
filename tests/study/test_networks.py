"""A study of networks from its file to its page: planned, trained, measured, told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from invariscope.categories.evaluate import chosen_tau
from invariscope.categories.file import parse_paradigm
from invariscope.categories.job import MEASURE, SEARCH, TRAIN, data_of
from invariscope.categories.plan import RECIPES
from invariscope.categories.result_tables import read_tables
from invariscope.categories.runner import NetworkRunner
from invariscope.categories.study import begin_networks, open_networks
from invariscope.cli.app import run
from invariscope.errors import InputError, StoreError
from invariscope.invariance.result import load_invariance
from invariscope.jobs.engines import LocalEngine
from invariscope.paper.claim import CONTRADICTED, HOLDS, NOTHING, UNDECIDED
from invariscope.paper.findings_units import across_layers
from invariscope.paper.measured_study import MeasuredStudy
from invariscope.report.networks import (
    families,
    load_reported,
    report_study,
    write_networks_report,
    write_reproduction,
)

CONFIGS = Path(__file__).parents[2] / "configs" / "categories"
SIDE = 16
TEXT = """
title = "patterns"
network = "small"
options = { widths = [4, 6, 8, 8], hidden = 10 }
counts = [1, 2, 3]
transformations = ["inversion", "rotation-90"]
tested = ["hue"]
[data]
folder = "pictures"
side = 16
[recipe]
epochs = 3
batch = 12
"""


def paint(folder, *, grey=False):
    stream = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    patterns = {"ant": rows % 4 < 2, "bee": columns % 4 < 2, "cat": (rows + columns) % 4 < 2}
    for kind, number in (("train", 12), ("val", 6)):
        for name, pattern in patterns.items():
            (folder / kind / name).mkdir(parents=True)
            for k in range(number):
                colours = stream.integers(0, 256, (2, 1 if grey else 3))
                pixels = np.where(pattern[..., None], *colours) * np.ones(3)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / kind / name / f"{k}.png")


def do(study, task, tau=0.1):
    NetworkRunner(study, LocalEngine("cpu", 1)).run(task, tau)


def measure(base):
    """Trains and measures a small study of networks."""
    paint(base / "pictures")
    study = begin_networks(TEXT, base, base / "out")
    do(study, TRAIN)
    do(study, SEARCH)
    tau = chosen_tau([study.folder(own).path / "tau.parquet" for own in study.trained])
    do(study, MEASURE, tau)
    assert study.failed == {}


@pytest.fixture(scope="module")
def measured(once, tmp_path_factory):
    base = tmp_path_factory.mktemp("measured") / "study"
    shutil.copytree(once("measured", measure), base)
    return open_networks(base / "out")


def test_the_plan_is_a_file_with_every_network(measured):
    plan = json.loads((measured.path / "plan.json").read_text())
    assert len(plan["networks"]) == 1 + 2 * 3 == len(measured.trained)
    assert plan["categories"] == ["ant", "bee", "cat"]
    assert {len(row["seen"]) for row in plan["networks"]} == {0, 1, 2, 3}


def test_what_is_done_is_not_done_again(measured):
    before = {p: p.stat().st_mtime_ns for p in measured.path.glob("networks/**/*") if p.is_file()}
    again = open_networks(measured.path)
    for task in (TRAIN, SEARCH, MEASURE):
        do(again, task)
    after = {p: p.stat().st_mtime_ns for p in measured.path.glob("networks/**/*") if p.is_file()}
    assert before == after


def test_tables_hold_what_the_networks_answered(measured):
    tables = read_tables(measured.path)
    for own in measured.trained:
        answers = pd.read_parquet(measured.folder(own).path / "answers.parquet")
        rows = tables.accuracy[tables.accuracy["network"] == own.name[:12]]
        for group in ("seen", "unseen"):
            for tested, shown in answers.groupby("tested"):
                names = np.array(own.classes)[shown["label"]]
                member = np.isin(names, own.seen) == (group == "seen")
                found = rows[(rows["tested"] == tested) & (rows["group"] == group)]
                if not member.any():
                    assert found.empty
                    continue
                right = (shown["answer"] == shown["label"])[member].mean()
                assert float(found["accuracy"].iloc[0]) == pytest.approx(right)
    assert set(tables.beside["count"]) == {1, 2, 3}
    assert tables.beside.loc[tables.beside["count"] == 3, "across"].isna().all()
    assert set(tables.ablation["count"]) == {3}
    assert tables.site == "network.relu5"


def test_a_neuron_of_a_convolution_is_one_channel_at_one_place(measured):
    """Layers compare like with like: a fully connected layer's neurons are single numbers too."""
    means = read_tables(measured.path).means
    own = load_invariance(measured.folder(measured.trained[0]).path / "invariance").units
    counts = own[own["class"] == "all"].groupby("site", sort=False)["unit"].nunique()
    # 16 px under widths 4, 6, 8, 8 and strides 4, 2, 2, 1 are 4 × 4, 2 × 2, 1 and 1 places.
    assert counts.tolist() == [4 * 16, 6 * 4, 8, 8, 10]
    assert own["unit"].iloc[0] == "network.relu1:0,0,0"
    alone = own[(own["class"] == "all") & (own["transformation"] == "inversion")]
    for site, units in alone.groupby("site"):
        row = means[(means["site"] == site) & (means["transformation"] == "inversion")]
        row = row[(row["trained"] == "none") & (row["group"] == "all")]
        assert float(row["mean"].iloc[0]) == pytest.approx(units["invariance"].mean(), nan_ok=True)


def test_what_was_measured_with_channels_as_units_compares_no_layers(measured, monkeypatch):
    readings = iter(["place", "channel"])

    def loaded(folder):
        found = load_invariance(folder)
        own = {**found.settings["measured"], "reading": next(readings, "channel")}
        return replace(found, settings={**found.settings, "measured": own})

    monkeypatch.setattr("invariscope.categories.result_tables.load_invariance", loaded)
    with pytest.raises(StoreError, match="were measured with other units"):
        read_tables(measured.path)
    study, tables, _ = report_study(measured.path)  # all of them by channels now
    assert not tables.layers_compare
    assert "a channel's mean over places" in study.facts["notes"][-1]
    claim = next(across_layers(MeasuredStudy(tables, families())))
    assert (claim.verdict, claim.reason) == (NOTHING, "needs I_k at each place of two layers")


def test_a_report_holds_every_figure_and_finding(measured):
    page = write_networks_report(measured.path)
    figures = {p.stem for p in (measured.path / "figures").iterdir()}
    assert figures >= {"fig2a", "fig2b", "fig2c", "fig3a", "fig3b", "fig4", "fig5a", "fig5b",
                       "fig5c", "fig6", "fig7", "fig8", "fig11_all", "fig12"}  # fmt: skip
    titles = {name: title for name, title, _ in load_reported(measured.path / "tables").captions}
    assert set(titles) == figures
    assert titles["fig5b"].startswith("Within-category accuracy")
    assert titles["fig5c"].startswith("Across-category accuracy")
    text = page.read_text()
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org", "")
    claims = load_reported(measured.path / "tables").claims
    findings = {f"finding {k}" for k in range(1, 10)}
    assert {claim.source for claim in claims} == findings | {"open question"}
    assert {claim.verdict for claim in claims} <= {HOLDS, CONTRADICTED, UNDECIDED, NOTHING}


def test_the_reproduction_is_one_page_with_its_pictures(measured, tmp_path):
    page = write_reproduction([measured.path], tmp_path / "across.md")
    text = page.read_text()
    assert "| 9 | Inception has more invariant units" in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert (tmp_path / line.partition("](")[2].rstrip(")")).exists()
    write_reproduction([tmp_path / "across" / measured.path.name], page)
    assert page.read_text() == text


def test_the_commands_say_what_they_do(measured, capsys, monkeypatch, tmp_path):
    file = measured.path.parent / "patterns.toml"
    file.write_text(TEXT)
    words = [str(file), "--out", str(measured.path)]
    assert run(["categories", "plan", *words, "--rate", "100", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "0 networks to train (7 are there)" in told
    assert run(["categories", "train", *words, "--device", "cpu"]) == 0
    assert "trained: 7 networks" in capsys.readouterr().out
    assert run(["categories", "evaluate", str(measured.path), "--device", "cpu"]) == 0
    assert "τ = " in capsys.readouterr().out
    assert run(["categories", "evaluate", str(tmp_path)]) == 2
    assert "holds no study of networks" in capsys.readouterr().err


def test_colour_is_missing_for_grey_images_and_the_study_goes_on(tmp_path):
    paint(tmp_path / "pictures", grey=True)
    text = TEXT.replace('"inversion", "rotation-90"', '"hue", "inversion"').replace(
        "epochs = 3", "epochs = 1"
    )
    study = begin_networks(text, tmp_path, tmp_path / "out")
    assert {own.label for own in study.planned if own.fault} == {"hue"}
    do(study, TRAIN)
    assert len(study.trained) == 1 + 3


def test_one_bad_network_does_not_stop_the_others(tmp_path):
    paint(tmp_path / "pictures")
    text = TEXT.replace("epochs = 3", 'epochs = 1\nrate = 1e30\nschedule = "constant"')
    study = begin_networks(text, tmp_path, tmp_path / "out")
    do(study, TRAIN)
    assert len(study.failed) == 7
    assert all("take a smaller rate (it is 1e+30)" in told for told in study.failed.values())
    assert json.loads((study.path / "failed.json").read_text()) == study.failed
    assert open_networks(study.path).failed == study.failed


def test_another_study_in_the_folder_is_refused(measured):
    other = TEXT.replace("epochs = 3", "epochs = 4")
    with pytest.raises(StoreError, match="holds another study"):
        begin_networks(other, measured.path.parent, measured.path)


def test_a_batch_above_the_training_images_is_refused_when_the_study_is_planned(tmp_path):
    paint(tmp_path / "pictures")
    text = TEXT.replace("batch = 12", "batch = 50")
    with pytest.raises(InputError, match="the batch is 50, above 36 training images"):
        begin_networks(text, tmp_path, tmp_path / "out")


def test_photos_that_are_gone_are_told_as_that(tmp_path):
    paint(tmp_path / "pictures")
    begin_networks(TEXT, tmp_path, tmp_path / "out")
    (tmp_path / "pictures" / "val" / "ant" / "0.png").unlink()
    data_of.cache_clear()  # another process
    with pytest.raises(StoreError, match=r"36 and 18 then, 36 and 17 now"):
        begin_networks(TEXT, tmp_path, tmp_path / "out")


def test_a_network_whose_weights_are_gone_is_to_be_trained(tmp_path):
    paint(tmp_path / "pictures")
    study = begin_networks(TEXT.replace("epochs = 3", "epochs = 1"), tmp_path, tmp_path / "out")
    do(study, TRAIN)
    assert len(study.trained) == 7
    first = study.folder(study.trained[0]).path / "weights.safetensors"
    weights = first.read_bytes()
    first.unlink()
    assert len(study.trained) == 6
    do(study, TRAIN)
    assert first.read_bytes() == weights


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda p: p.stem)
def test_every_file_that_comes_with_the_project_is_a_study(path):
    asked = parse_paradigm(path.read_text(), path.name, path.parent)
    assert asked.title
    assert asked.serves
    assert asked.paradigm.counts[0] >= 1


def test_the_papers_sizes():
    faces, images = (
        parse_paradigm((CONFIGS / f"{n}.toml").read_text(), n, CONFIGS).paradigm
        for n in ("facescrub", "imagenet")
    )
    assert (faces.network, len(faces.transformations), faces.counts[-1]) == ("alexnet", 12, 388)
    assert faces.recipe == RECIPES["facescrub"]
    assert (images.network, len(images.transformations), images.counts[-1]) == ("resnet18", 4, 1000)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("counts = [1, 2, 3]", "count = [1]", "unknown key 'count'; did you mean 'counts'"),
        ("epochs = 3", "epoch = 3", r"unknown key in \[recipe\] 'epoch'; did you mean 'epochs'"),
        ("epochs = 3", 'like = "smal"', "unknown recipe 'smal'; did you mean 'small'"),
        ('"inversion"', '"invertion"', "unknown transformation 'invertion'; did you mean"),
        ("epochs = 3", "epochs = 0", "epochs is 0; expected at least 1"),
    ],
)
def test_a_file_that_cannot_be_used_says_so(old, new, told):
    with pytest.raises(InputError, match=told):
        parse_paradigm(TEXT.replace(old, new), "f.toml", Path())
