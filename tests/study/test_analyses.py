"""Analyses of a small study against its own runs, and what the command line makes of them."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from invariscope import FunctionSubject, load_study, seeds
from invariscope.analysis.controls import random_images
from invariscope.analysis.displacement import displacement_along
from invariscope.analysis.people import COLUMNS
from invariscope.analysis.recognition import SAME_DISTANCE, SAME_LOSS
from invariscope.analysis.searches import convergence
from invariscope.cli.app import USER_ERROR, run
from invariscope.errors import InputError, StoreError
from invariscope.invariance.classes import classifier
from invariscope.photos import open_folder
from invariscope.report.figures import FIGURES, draw
from invariscope.search.stopping import ActivationShare, FrontReaches, Never
from invariscope.store.hashes import write_hashed
from invariscope.study.analyses import ANALYSES, analyze, read_tables, save_tables, serving
from invariscope.study.analyses.coverage import reached_cells
from invariscope.study.analyses.gradients import rule_of
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.analyses.recognition import matched_members
from invariscope.study.result import StudyResult
from invariscope.subjects.appearance_cells import appearance_cells
from invariscope.transformations import load
from invariscope.units import parse_target


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Five photos of noise in each of two classes that the small network has."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("class 0", "class 1"):
        (folder / name).mkdir()
        for k in range(5):
            pixels = seeds.numpy_stream("analyses", name, k).integers(0, 256, (8, 8, 3), "uint8")
            Image.fromarray(pixels).save(folder / name / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def material(finished, photos):
    study = StudyResult(finished)
    own = (study.planned_runs[0].subject,)
    shown = open_folder(photos)
    return AnalysisMaterial(study, observers=own, photos=shown, device="cpu", allow_code=True)


@pytest.fixture(scope="module")
def tables(material):
    made = {}
    found = analyze(material, made=lambda name, own, reason: made.update({name: (own, reason)}))
    assert list(made) == list(ANALYSES)
    assert all(bool(own) != bool(reason) for own, reason in made.values())
    assert {key for own, _ in made.values() for key in own} == set(found) - {"missing"}
    return found


def test_what_the_study_allows_is_made_and_the_rest_has_a_reason(tables):
    missing = dict(zip(tables["missing"]["analysis"], tables["missing"]["reason"], strict=True))
    assert set(missing) == {
        "acceptance",
        "separability",
        "people",
        "dimension",
        "subsets",
        "appearance",
        "coverage",
    }
    assert "beyond the natural maximum, which no unit" in missing["coverage"]
    assert "another network than the source" in missing["acceptance"]
    assert "got 2 units" in missing["separability"]
    assert "100 or more; the study has 2" in missing["dimension"]
    assert "16 px or more" in missing["appearance"]
    assert {"distance", "galleries", "observers", "layers", "paths"} <= set(tables)


def test_every_table_names_the_filter_and_the_study(tables):
    for name, table in tables.items():
        if name != "missing" and len(table):
            assert set(table["runs"]) == {"all"}, name
            assert set(table["study"]) == {"small"}, name
            assert table["chosen"].notna().all(), name
            assert table["budget"].str.fullmatch(r"\d+ × \d+").all(), name


def test_images_and_references_are_those_of_the_runs_in_their_order(material, finished):
    rows = material.table.iloc[::-1]
    generator = material.generator(rows)
    assert torch.equal(
        material.images(rows), load_study(finished.path).images(rows, generator=generator)
    )
    records = load_study(finished.path).records(rows)
    for image, code, record, member in zip(
        material.references(rows), material.codes(rows), records, rows["member"], strict=True
    ):
        assert torch.equal(image, record.tensors["reference_image"])
        assert torch.equal(code, record.tensors["codes"][member])


def test_convergence_counts_all_runs_whatever_the_filter(tables, finished):
    expected = convergence(load_study(finished.path).table())
    own = tables["convergence"]
    assert own["count"].sum() == (load_study(finished.path).table()["task"] != "excitation").sum()
    assert own[list(expected.columns)].equals(expected)


def test_the_source_as_observer_stands_apart(tables, material):
    table = tables["observers"]
    own = table[table["source"] != ""]
    assert own["own"].all()
    assert len(tables["observers_mean"]) == 1  # the photos alone have no source
    mei = own[own["task"] == "MEI"].iloc[0]
    subject = material.subject(material.table["subject"].iloc[0])
    first = material.table.drop_duplicates("unit")
    logits = subject.respond(material.references(first), ["fc"])["fc"]
    planned_runs = [int(unit[3:]) for unit in first["unit"]]
    right = (logits.argmax(1) == torch.tensor(planned_runs)).double().mean()
    assert mei["top1"] == pytest.approx(float(right))
    assert set(table["task"]) >= {"MEI", "natural", "invariance"}


@pytest.fixture(scope="module")
def accepted(material):
    """The tables of the study's images shown to their own and to one other network."""
    address = material.observers[0].replace(":subject", ":large")
    return analyze(replace(material, observers=(address,)), ["acceptance"])


def test_the_source_keeps_its_own_activity_in_the_matrix(accepted, material):
    table = accepted["acceptance"].set_index(["observer", "site"])
    row = table.loc["conv", "pixels"]
    own = material.table[material.table["site"] == "pixels"]
    units = own.groupby("unit")[["activation", "reference_activity"]].mean().mean()
    kept = 100 * units["activation"] / units["reference_activity"]
    assert row["own"]
    assert row["kept"] == pytest.approx(kept, abs=0.1)
    assert set(accepted["acceptance"]["observer"]) == {"conv", "large"}


def test_the_matrix_is_drawn(accepted, material, tmp_path):
    (path,) = draw(material, accepted, tmp_path)
    assert path.name == "acceptance.png"


def test_acceptance_is_that_of_passes_made_by_hand(accepted, material):
    images = accepted["acceptance_images"]
    other = images[images["observer"] == "large"].reset_index(drop=True)
    observer = material.observer(material.observers[0].replace(":subject", ":large"))
    rows = material.whole
    units = [int(unit[3:]) for unit in rows["unit"]]
    answers = observer.respond(observer.see(material.images(rows)), ["fc"])["fc"]
    assert other["activation"].to_numpy() == pytest.approx(
        answers[range(len(rows)), units].double().numpy(), abs=1e-5
    )
    random = random_images(material.generator(rows), 400)
    drawn = observer.respond(observer.see(random), ["fc"])["fc"].double().mean(0)
    assert other["chance"].to_numpy() == pytest.approx(drawn[units].numpy(), abs=1e-5)
    first = other.iloc[0]
    same = (rows["site"].to_numpy() == first["site"]) & (np.array(units) != units[0])
    assert first["others"] == pytest.approx(float(answers[same, units[0]].mean()), abs=1e-5)


def test_reached_cells_are_those_of_the_members_beyond_the_bound(material):
    rows = material.invariant
    generator, subject = material.generator(rows), material.subject(rows["subject"].iloc[0])
    for record in material.records(rows):
        active = record.front["activation"].to_numpy()
        bound = float(np.median(active))
        share = {**record.settings.milestone, "bound": bound, "side": "above"}
        settings = record.settings.model_copy(update={"milestone": share})
        images = generator.generate(record.tensors["codes"][active > bound])
        expected = set(appearance_cells(subject.see(images)).tolist())
        assert reached_cells(replace(record, settings=settings), subject, generator) == expected
        share["bound"] = float(active.max())
        assert not reached_cells(replace(record, settings=settings), subject, generator)


def test_displacement_is_of_the_runs_and_coefficients_of_the_photos(tables, material):
    units = tables["displacement_units"]
    assert set(units["unit"]) == set(material.invariant["unit"])
    assert units["transformation"].nunique() == 12
    known = units.dropna(subset=["invariance"])
    assert known["invariance"].between(0, 1).all()
    rows = material.invariant
    first = rows[(rows["unit"] == "fc:0") & (rows["site"] == "pixels")]
    inside = displacement_along(
        material.images(rows), material.references(rows), load("rotation-180")
    )
    chosen = rows.index.isin(first.index)
    own = units[(units["unit"] == "fc:0") & (units["site"] == "pixels")]
    own = own.set_index("transformation")["along"]
    assert own["rotation-180"] == pytest.approx(float(inside[chosen].mean()))


def test_natural_activity_is_that_of_the_photos(tables, material):
    subject = material.subject(material.table["subject"].iloc[0])
    shown = material.shown(subject)
    assert shown.classes == ["class 0"] * 5 + ["class 1"] * 5
    answers = subject.respond(shown.images, ["fc"])["fc"]
    same = (answers[:5, 0].mean() + answers[5:, 1].mean()) / 2
    rows = tables["naturalness"].set_index("series")
    assert rows.loc["same class", "activation"] == pytest.approx(float(same), abs=1e-5)
    assert rows.loc["same class", "images"] == 10
    target = parse_target("fc:0", subject.sites())
    assert target.read({"fc": answers}).shape == (10, 1)


def test_a_front_is_told_by_one_member_for_both_numbers(tables, material):
    ends = tables["fronts_ends"]
    assert sorted(ends["run"]) == sorted(material.whole["run"])
    for row in ends.to_dict("records"):
        (record,) = material.records(material.whole[material.whole["run"] == row["run"]])
        front = record.front
        assert row["task"] == "invariance"
        assert row["pixel_distance"] == front["pixel_distance"].max()
        same = front[front["pixel_distance"] == row["pixel_distance"]]
        assert row["activation"] in set(same["activation"])


def test_controls_are_of_the_references_of_the_runs(tables, material):
    means = tables["controls_means"].set_index("series")
    units = material.whole["unit"].nunique()
    assert means.loc["random images", "images"] == 50 * units
    assert means.loc["photos of the class", "images"] == 5 * units
    assert means.loc["gain and offset", "images"] == 29 * units
    assert "second MEIs" not in means.index  # the study has one MEI a unit, the reference itself
    assert set(tables["controls"]["loss"]) == {10, 25, 50}


def test_members_at_equal_loss_and_distance_are_those_of_the_archived_fronts(material, monkeypatch):
    found = dict(matched_members(material, material.invariant))
    for row in found[SAME_LOSS].to_dict("records"):
        assert row["reduction"] <= 25
    runs = material.invariant
    fronts = [record.front["pixel_distance"] for record in material.records(runs)]
    goal = runs.assign(reach=[front.max() for front in fronts]).groupby("unit")["reach"].min()
    goals = runs["unit"].map(goal).tolist()
    gaps = [(front - far).abs() for front, far in zip(fronts, goals, strict=True)]
    for near in (0.1, 0.0):  # at the distance itself lie only the runs that reach no farther
        monkeypatch.setattr("invariscope.study.analyses.recognition.NEAR", near)
        given = dict(matched_members(material, runs))[SAME_DISTANCE]
        rows = zip(runs["run"], gaps, goals, strict=True)
        members = {run: int(gap.argmin()) for run, gap, far in rows if gap.min() <= near * far}
        assert dict(zip(given["run"], given["row"], strict=True)) == members
    assert 0 < len(members) < len(runs)


def test_gradients_keep_to_the_rule_of_the_run_beside_or_are_refused():
    for rule in (ActivationShare(2.0, "below", share=0.5), Never()):
        assert rule_of(rule.describe()) == rule
    with pytest.raises(InputError, match="expected searches without a twin"):
        rule_of(FrontReaches(2.0, "above", growth=0.02).describe())


def test_gradients_show_as_many_images_as_the_run(tables, material):
    runs = tables["gradients_runs"]
    own = material.table[material.table["site"] == "pixels"].drop_duplicates("unit")
    shown = own.set_index("unit")["images"]
    assert set(runs["method"]) == {
        "without gradients",
        "gradients on pixels",
        "gradients on codes",
    }
    for row in runs.to_dict("records"):
        assert row["forward"] == shown[row["unit"]]  # no natural bound, so nothing stops early
        assert row["generations"] == 4
        assert not row["met"]
    search = runs[runs["method"] == "without gradients"].set_index("unit")
    known = own.set_index("unit")
    for name in ("stretch", "pixel_distance", "activation", "reduction"):
        assert search[name].to_numpy() == pytest.approx(known[name].to_numpy(float)), name
    assert set(tables["gradients"]["method"]) == set(runs["method"])
    assert tables["gradients_beside"]["compared"].eq(0).all()


def test_every_table_that_has_a_figure_is_drawn(material, tables, tmp_path):
    paths = draw(material, tables, tmp_path)
    drawn = {name for name in FIGURES if any(path.name.startswith(name) for path in paths)}
    assert drawn == {name for name in set(FIGURES) & set(tables) if len(tables[name])}
    assert all(path.stat().st_size > 2000 for path in paths)
    assert not [path for path in paths if ":" in path.name]


def test_tables_are_kept_and_read(tables, tmp_path):
    save_tables(tables, tmp_path / "analysis")
    again = read_tables(tmp_path / "analysis")
    assert set(again) == set(tables)
    pd.testing.assert_frame_equal(
        again["convergence"], tables["convergence"], check_dtype=False, atol=1e-12
    )
    assert read_tables(tmp_path / "nothing") == {}
    (tmp_path / "analysis" / "bad.csv").write_text("")
    with pytest.raises(StoreError, match="analyse the study again"):
        read_tables(tmp_path / "analysis")


def test_names_are_checked_and_what_is_asked_for_must_go(material):
    with pytest.raises(InputError, match="did you mean 'distance'"):
        analyze(material, ["distanc"])
    with pytest.raises(InputError, match="got 2 units"):
        analyze(material, ["separability"])
    assert list(analyze(material, ["convergence"])) == ["convergence"]


def test_a_study_makes_the_figures_that_its_file_serves(copied):
    path = copied.path / "study.toml"
    text = 'serves = ["row 10", "S1", "a note"]\n' + path.read_text()
    write_hashed(path, lambda part: part.write_text(text))
    served = AnalysisMaterial(StudyResult(copied), device="cpu", allow_code=True)
    assert list(analyze(served)) == ["convergence", "fronts", "fronts_ends", "missing"]
    assert list(analyze(served, ["galleries"])) == ["galleries"]
    assert serving(["a note"]) == list(ANALYSES)
    assert serving(["Fig 3a,b"]) == ["galleries", "appearance"]


def test_a_filter_without_runs_and_code_that_is_not_allowed(finished):
    stopped = AnalysisMaterial(StudyResult(finished), runs="stopped", device="cpu", allow_code=True)
    with pytest.raises(StoreError, match="no run of the filter 'stopped'"):
        analyze(stopped, ["distance"])
    with pytest.raises(InputError, match="allow it with --allow-code"):
        analyze(AnalysisMaterial(StudyResult(finished), device="cpu"), ["appearance"])
    with pytest.raises(InputError, match="no observer was named"):
        analyze(
            AnalysisMaterial(StudyResult(finished), device="cpu", allow_code=True), ["observers"]
        )


def test_observers_with_other_names_need_a_table(finished):
    other = AnalysisMaterial(
        StudyResult(finished), device="cpu", allow_code=True, names={"class 0": "a", "class 1": "b"}
    )
    own = other.subject(other.table["subject"].iloc[0])
    assert other.names_for(own, ["class 0", "class 1"]) == other.names
    targets = classifier(own, ["class 0", "class 1"], names=other.names).targets
    assert targets.tolist() == [0, 1]  # by its own names, which the table's are not
    stranger = FunctionSubject(
        lambda images: images.mean((2, 3)), name="stranger", image_size=8, classes=["b", "c", "a"]
    )
    assert other.names_for(stranger, ["class 0", "class 1"]) == other.names
    with pytest.raises(InputError, match="class 'class 2'"):
        other.names_for(stranger, ["class 0", "class 2"])
    with pytest.raises(InputError, match="names none of the study's, such as 'class 2'"):
        other.names_for(stranger, ["class 2"])


def test_the_order_of_an_observers_units_is_never_guessed(finished):
    """Its units are turned round, which a table alone can say; names go before the order."""
    plain = AnalysisMaterial(StudyResult(finished), device="cpu", allow_code=True)
    turned = FunctionSubject(lambda images: images.mean((2, 3)), name="turned", image_size=8)
    classes = ["red", "green", "blue"]
    with pytest.raises(InputError, match="turned names no classes, and nothing says"):
        plain.names_for(turned, classes)
    table = {"red": "2", "green": "1", "blue": "0"}
    names = replace(plain, names=table).names_for(turned, classes)
    assert classifier(turned, classes, names=names).targets.tolist() == [2, 1, 0]


def test_an_observer_that_answers_nan_is_refused(material):
    """Its answers would be neither above nor below what random images are answered with."""

    def answers(images):
        mean = images.mean((1, 2, 3), keepdim=True)[:, :, 0, 0].expand(-1, 5)
        return torch.where(mean > 0.5, torch.nan, mean)

    classes = [f"class {k}" for k in range(5)]
    broken = FunctionSubject(answers, name="broken", image_size=8, classes=classes)
    watched = replace(material, observers=("broken",))
    watched._networks["broken"] = broken
    for name in ("acceptance", "observers"):
        with pytest.raises(InputError, match=r"broken answers \d+ of \d+ images with NaN"):
            analyze(watched, [name])


def test_an_observer_of_larger_images_sees_them_all(material, tables):
    address = material.observers[0].replace(":subject", ":large")
    larger = replace(material, observers=(address,))
    names = ["observers", "layers", "paths"]
    found = analyze(larger, names)
    for name in names:
        assert len(found[name]) == len(tables[name]), name


def test_what_was_made_before_a_crash_is_kept(finished, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(finished.store, copy)

    def crash(material):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(ANALYSES, "galleries", replace(ANALYSES["galleries"], make=crash))
    with pytest.raises(RuntimeError):
        run(["analyze", str(copy / "studies" / finished.name), "--device", "cpu", "--allow-code"])
    kept = read_tables(copy / "studies" / finished.name / "analysis")
    assert "distance" in kept


def test_weights_that_changed_since_are_refused(copied):
    study = StudyResult(copied)
    changed = AnalysisMaterial(study, device="cpu", allow_code=True)
    rows = changed.table
    for record in changed.records(rows):
        record.settings.generator["kind"] = "another"
    with pytest.raises(InputError, match=r"is not what the runs were made with .*: kind\)"):
        changed.images(rows)
    for record in changed.records(rows):
        record.settings.subject["weights"] = "other"
    with pytest.raises(InputError, match="these differ: weights"):
        changed.subject(rows["subject"].iloc[0])


def test_people_beside_observers(material, finished):
    rows = []
    conditions = [("natural", None, None), ("MEI", material.table["subject"].iloc[0], None)]
    conditions += [("invariance", conditions[1][1], site) for site in ("pixels", "conv1")]
    for person in range(6):
        for trial, (condition, network, site) in enumerate(conditions):
            for category in ("class 0", "class 1"):
                right = seeds.numpy_stream("people", person, trial, category).random() < 0.7
                values = [f"p{person}", "s", trial, condition, site, network, "fc:0", "i"]
                values += [category, "class 0", right, 500.0, False, True]
                rows.append(dict(zip(COLUMNS, values, strict=True)))
    asked = AnalysisMaterial(
        StudyResult(finished),
        observers=material.observers,
        photos=material.photos,
        answers=pd.DataFrame(rows),
        device="cpu",
        allow_code=True,
    )
    found = analyze(asked, ["people"])
    assert set(found["people_agreement"]["conditions"]) == {4}
    assert all(table["simulated"].all() for table in found.values())


def test_the_command_writes_tables_figures_and_a_page(copied, tmp_path, capsys):
    page = tmp_path / "docs" / "sns.md"
    words = ["analyze", str(copied.path), "--allow-code", "--device", "cpu"]
    words += ["--only", "convergence", "--only", "fronts", "--page", str(page)]
    assert run(words) == 0
    folder = copied.path / "analysis"
    assert {"convergence.csv", "convergence.png", "fronts.csv"} <= {
        p.name for p in folder.iterdir()
    }
    assert "nothing to compare" in page.read_text()
    options = "--only convergence --only fronts --allow-code --page"
    assert f"Written by `invariscope analyze {copied.path} {options} {page}`" in page.read_text()
    assert page.with_suffix(".json").exists()
    kept = {path.name for path in (page.parent / "sns").iterdir()}
    assert {"convergence.csv", "convergence.png"} <= kept
    assert {"fronts_conv-invariance-pixels.png", "fronts_conv-invariance-conv1.png"} <= kept
    assert all(f"(sns/{name})" in page.read_text() for name in kept)
    assert str(page) in capsys.readouterr().out
    before = page.read_text().partition("| figure |")[2]
    assert run(["analyze", "--page", str(page)]) == 0
    assert page.read_text().partition("| figure |")[2] == before
    assert run(["analyze"]) == USER_ERROR
    assert "no study given" in capsys.readouterr().err
    assert run(["analyze", str(copied.path), "--only", "front", "--allow-code"]) == 2
    assert "did you mean 'fronts'" in capsys.readouterr().err
    assert run([*words[:-1], str(tmp_path / "page")]) == 2
    assert "expected a Markdown file, such as sns.md" in capsys.readouterr().err
