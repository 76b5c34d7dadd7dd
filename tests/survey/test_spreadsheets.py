"""No cell of a CSV file is a formula, and nothing is lost by that."""

import csv
import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.cli.app import run
from invariscope.errors import StoreError
from invariscope.survey import sessions
from invariscope.survey.answers import load_answers
from invariscope.survey.export import export
from invariscope.survey.spreadsheets import quoted, unquoted, write_csv

BEGINNINGS = tuple("=+-@\t\r")
texts = st.text("=+-@\t\r'a1 ", max_size=6)


@given(st.lists(texts, min_size=1, max_size=5))
def test_no_text_begins_as_a_formula_and_every_text_comes_back(words):
    table = pd.DataFrame({"text": words, "number": -1.5})
    safe = quoted(table)
    assert not any(text.startswith(BEGINNINGS) for text in safe["text"])
    assert safe["number"].tolist() == [-1.5] * len(words)
    assert unquoted(safe)["text"].tolist() == words


def test_missing_cells_stay_missing(tmp_path):
    write_csv(pd.DataFrame({"a": ["=1", None, "x"]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == 'a\n\'=1\n""\nx\n'


def test_exports_hold_no_formula_and_say_so(person, database, survey_folder, tmp_path):
    ann = person(0, "=HYPERLINK(1)")
    ann.answer().finish()
    database.write(
        lambda c: sessions.save_about(c, ann.session.number, {"gender": "@SUM(A1)", "age": "-3"})
    ).result()
    database.close()
    out = tmp_path / "out"
    export(survey_folder, out)
    ids = tmp_path / "ids.csv"
    assert run(["survey", "export", str(survey_folder.path), "--ids", str(ids)]) == 0
    for path in [*out.rglob("*.csv"), ids]:
        if path.name == "images.csv":
            continue
        for row in csv.reader(path.read_text().splitlines()):
            for cell in row:
                formula = cell.startswith(BEGINNINGS)
                assert not formula or cell.lstrip("-").replace(".", "").isdigit(), cell
    assert "'=HYPERLINK(1)" in ids.read_text()
    about = json.loads((out / "psych-ds" / "dataset_description.json").read_text())
    assert "apostrophe" in about["description"]
    pd.testing.assert_frame_equal(load_answers(out / "answers.csv"), load_answers(out))


@pytest.fixture
def piloted(person, database, survey_folder):
    tried = person(0, "ann").answer()
    tried.finish()
    database.write(
        lambda c: c.execute("INSERT INTO pilots VALUES (?)", (tried.session.number,))
    ).result()
    return survey_folder


def test_pilot_sessions_are_shown_if_asked_and_never_exported(
    piloted, person, database, tmp_path, capsys
):
    with pytest.raises(StoreError, match="pilot sessions only"):
        export(piloted, tmp_path / "out")
    assert load_answers(piloted.path)["excluded"].all()
    picture = tmp_path / "a.png"
    line = ["survey", "show", str(piloted.path), "--out", str(picture)]
    assert run(line) == 2
    assert run([*line, "--with-excluded"]) == 0
    assert picture.stat().st_size > 1000
    person(1, "bob").answer().finish()
    database.close()
    sessions = export(piloted, tmp_path / "out")
    assert sessions["participant"].tolist() == ["p0002"]
    names = [path.name for path in (tmp_path / "out").rglob("subject-*")]
    assert names == ["subject-p0002_session-1_task-classification_data.csv"]
    assert set(load_answers(tmp_path / "out")["participant"]) == {"p0002"}


def test_a_consent_form_that_is_to_be_replaced_is_served_to_pilots_only(
    survey_folder, monkeypatch, capsys
):
    import uvicorn

    from invariscope.survey.texts import ENGLISH

    served = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: served.append(self))
    line = ["survey", "serve", str(survey_folder.path), "--port", "0"]
    assert run(line) == 0
    words = json.loads((survey_folder.path / "words.json").read_text())
    words["consent"] = json.loads(ENGLISH.read_text())["consent"]
    (survey_folder.path / "words.json").write_text(json.dumps(words))
    assert run(line) == 2
    assert "--pilot" in capsys.readouterr().err
    assert run([*line, "--pilot"]) == 0
    assert len(served) == 2
