"""Tables of answers, what does not count, and the files that leave the survey."""

import csv
import json
import re

import pandas as pd
import pytest

import invariscope as iv
from invariscope.analysis.people import COLUMNS
from invariscope.cli.survey import exported, show
from invariscope.errors import InputError, StoreError
from invariscope.survey import sessions
from invariscope.survey.answers import check_answers, read_raw
from invariscope.survey.design import ExclusionRules
from invariscope.survey.exclusion import judge
from invariscope.survey.export import brought, export, with_presentation


def wrong(trial):
    return "parachute" if trial.category != "parachute" else "tench"


@pytest.fixture
def answered(person, database, survey_folder):
    """Ann is good; Bob misses catch trials; Cid is fast; Dee gives one answer; Eve stops."""
    person(0, "ann").answer().finish()
    person(1, "bob").answer(lambda t: wrong(t) if t.kind == "catch" else t.category).finish()
    person(2, "cid").answer(rt_ms=120.0).finish()
    person(3, "dee").answer(lambda t: t.category if t.kind == "catch" else "tench").finish()
    person(4, "eve").answer(most=4)
    person(5, "ann").answer(most=3)
    database.close()
    return survey_folder


def test_each_rule_finds_its_person(answered):
    judged = judge(*read_raw(answered), ExclusionRules(fast_ms=200))
    reasons = judged.set_index(["participant", "session"])["reason"].to_dict()
    second, stopped = reasons.pop(("p0001", 2)), reasons.pop(("p0005", 1))
    assert reasons == {
        ("p0001", 1): "",
        ("p0002", 1): "catch trials",
        ("p0003", 1): "too fast",
        ("p0004", 1): "same answer",
    }
    assert second.startswith("incomplete")
    assert second.endswith("another session counts")
    assert stopped.startswith("incomplete")


def test_rules_that_are_switched_off_exclude_nobody(answered):
    rules = ExclusionRules(catch=0.0, fast=1.0, same_answer=1.0, incomplete=False)
    judged = judge(*read_raw(answered), rules)
    assert judged["reason"].tolist() == ["", "another session counts", "", "", "", ""]


def test_answers_are_tidy_and_nothing_is_left_out(answered):
    table = iv.load_answers(answered.path)
    assert list(table.columns) == list(COLUMNS)
    raw, _ = read_raw(answered)
    assert len(raw) == 4 * 13 + 4 + 3
    assert len(table) == (raw["kind"] == "trial").sum() >= 4 * 9
    assert not table["simulated"].any()
    own = table.loc[table["participant"] == "p0001"]
    assert own.loc[own["session"] == 1, "correct"].all()
    assert set(table.loc[~table["excluded"], "participant"]) == {"p0001"}
    photos = table.loc[table["condition"] == "natural"]
    assert photos[["site", "network", "unit"]].isna().all(axis=None)
    assert set(table["condition"]) == {"natural", "MEI", "invariance"}


def test_the_export_reads_back_as_the_survey(answered, tmp_path):
    export(answered, tmp_path / "out")
    live = iv.load_answers(answered.path)
    for place in ("out", "out/answers.csv", "out/answers.parquet"):
        pd.testing.assert_frame_equal(iv.load_answers(tmp_path / place), live)


def test_an_export_replaces_only_an_export(answered, tmp_path):
    export(answered, tmp_path / "out")
    export(answered, tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(StoreError, match="something else than an export"):
        export(answered, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_no_id_that_brought_a_person_is_exported(answered, tmp_path):
    export(answered, tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert not re.search(rb"\b(ann|bob|cid|dee|eve)\b", path.read_bytes()), path
    ids = brought(answered)
    assert ids["PROLIFIC_PID"].tolist() == ["ann", "bob", "cid", "dee", "eve", "ann"]


def data_files(root):
    return sorted((root / "data").rglob("*.csv"))


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_folder_follows_the_rules_of_psychds(answered, tmp_path):
    """The rules of the published schema 1.5.1 whose breach is an error."""
    export(answered, tmp_path / "out")
    root = tmp_path / "out" / "psych-ds"
    about = json.loads((root / "dataset_description.json").read_text(encoding="utf-8"))
    assert about["@context"] == "https://schema.org/"
    assert about["@type"] == "Dataset"
    assert all(isinstance(about[key], str) and about[key] for key in ("name", "description"))
    named = [entry["name"] for entry in about["variableMeasured"]]
    assert len(set(named)) == len(named)
    assert all(
        e["@type"] == "PropertyValue" and e["description"] for e in about["variableMeasured"]
    )
    files = data_files(root)
    assert len(files) == 6 + 2  # a file a session, answers, sessions
    pattern = re.compile(r"([a-z]+-[a-zA-Z0-9]+)(_[a-z]+-[a-zA-Z0-9]+)*_data\.csv")
    official = {"study", "site", "subject", "session", "task", "condition", "trial", "stimulus",
                "description"}  # fmt: skip
    seen = set()
    for path in files:
        assert pattern.fullmatch(path.name), path.name
        assert {part.partition("-")[0] for part in path.stem.split("_")[:-1]} <= official
        head, *rows = rows_of(path)
        assert rows
        assert len(set(head)) == len(head)
        assert all(len(row) == len(head) for row in rows)
        seen |= set(head)
    assert seen == set(named)
    assert (root / "materials" / "design.toml").exists()


def test_raw_data_hold_every_trial(answered, tmp_path):
    export(answered, tmp_path / "out")
    raw = [p for p in data_files(tmp_path / "out" / "psych-ds") if p.parent.name == "raw"]
    lengths = {path.name: len(rows_of(path)) - 1 for path in raw}
    assert lengths["subject-p0001_session-1_task-classification_data.csv"] == 13
    assert lengths["subject-p0005_session-1_task-classification_data.csv"] == 4


def test_a_survey_without_answers_says_so(survey_folder):
    with pytest.raises(StoreError, match="no answers yet"):
        iv.load_answers(survey_folder.path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="rt_ms"), "lacks the column 'rt_ms'"),
        (lambda t: t.assign(correct=~t["correct"]), "row 1 says correct"),
        (lambda t: t.assign(trial=0.5), "whole numbers"),
        (lambda t: t.assign(excluded="perhaps"), "true and false"),
        (lambda t: t.assign(answer=""), "'answer' is empty"),
    ],
)
def test_a_table_of_another_form_is_one_sentence(answered, change, said):
    with pytest.raises(InputError, match=said):
        check_answers(change(iv.load_answers(answered.path)))


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(StoreError, match="no file"):
        iv.load_answers(tmp_path / "none.csv")


def test_an_export_that_holds_a_file_of_a_person_is_kept(answered, tmp_path):
    export(answered, tmp_path / "out")
    (tmp_path / "out" / "paper.docx").write_text("mine")
    with pytest.raises(StoreError, match="something else than an export"):
        export(answered, tmp_path / "out")
    assert (tmp_path / "out" / "paper.docx").read_text() == "mine"


def test_ids_and_plots_replace_only_their_own(answered, tmp_path):
    ids, plot = tmp_path / "ids.csv", tmp_path / "answers.png"
    for _ in range(2):
        exported(answered.path, out=tmp_path / "out", ids=ids)
        show(tmp_path / "out", out=plot)
    ids.write_text("name,grade\nAnn,1\n")
    plot.write_text("my photo")
    with pytest.raises(InputError, match="--force"):
        exported(answered.path, out=tmp_path / "out", ids=ids)
    with pytest.raises(InputError, match="--force"):
        show(tmp_path / "out", out=plot)
    assert (ids.read_text(), plot.read_text()) == ("name,grade\nAnn,1\n", "my photo")
    exported(answered.path, out=tmp_path / "out", ids=ids, force=True)
    assert ids.read_text().startswith("participant,session")


def test_presentations_are_described_by_their_measured_frames(person, database, survey_folder):
    one = person(0)
    for k, shown in enumerate([100.0, 117.0, 134.0, None]):
        given = sessions.SurveyAnswer(k, f"key-{k:08d}", "tench", 700.0, shown, "key")
        database.write(
            lambda c, g=given: sessions.save_answer(c, one.session.number, g, 2000.0)
        ).result()
    database.close()
    answers, held = read_raw(survey_folder)
    table = with_presentation(held, answers).iloc[0]
    assert table["shown_ms_median"] == 117
    assert table["shown_ms_low"] == pytest.approx(101.7)
    assert table["shown_ms_high"] == pytest.approx(132.3)
