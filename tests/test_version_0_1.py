"""What version 0.1 wrote stays readable: a store, tables, a session, a survey, coefficients."""

import shutil
from pathlib import Path

import pytest

from invariscope import load_answers, load_invariance, load_result, load_study
from invariscope.categories.result_tables import read_tables
from invariscope.rig.export import RecordedSession
from invariscope.study import analyses
from invariscope.survey.folder import open_survey

STORED = Path(__file__).parent / "fixtures" / "version_0_1"


@pytest.fixture
def stored(tmp_path):
    """A copy of what version 0.1 wrote; reading may lock and sync."""
    return Path(shutil.copytree(STORED, tmp_path / "stored"))


def test_runs_are_read_under_the_names_that_they_have(stored):
    result = load_result(stored / "store" / "runs")
    assert sorted(run.settings.task for run in result.runs) == ["excitation", "invariance"]
    for run in result.runs:
        assert run.path.name.endswith(run.name[:12])
        assert run.settings.tie_break == ("crowding" if run.settings.site else "random")
        assert run.front["candidate"].isin(range(4)).all()
    assert result.front["candidate"].isin(range(4)).all()


def test_a_study_has_its_rows_and_its_file(stored):
    study = load_study(stored / "store" / "studies" / "small")
    table = study.table()
    assert sorted(table["task"]) == ["excitation", "invariance"]
    assert (table["generations"] == 2).all()
    assert study.folder.file().title == "A study of version 0.1"
    assert table["milestone"].tolist() == [False, False]
    assert {run.options["tie_break"] for run in study.folder.planned_runs() if run.site} == {
        "crowding"
    }
    convergence = analyses.read_tables(study.folder.path / "analysis")["convergence"]
    assert convergence["milestone"].tolist() == [0.0]


def test_a_session_keeps_its_trials_and_its_search(stored):
    session = RecordedSession.load(stored / "session")
    assert len(session.trials) > 50
    assert session.asked.blocks.trials == 10
    (run,) = load_result(stored / "session" / "runs").runs
    assert run.settings.task == "invariance"


def test_a_survey_keeps_its_answers(stored):
    survey = open_survey(stored / "survey")
    assert survey.design.per_condition == 3
    answers = load_answers(stored / "survey")
    assert answers["participant"].nunique() == 2


def test_coefficients_are_read(stored):
    result = load_invariance(stored / "invariance")
    assert set(result.units["transformation"]) == {"hue", "inversion"}


def test_networks_keep_what_was_measured(stored):
    tables = read_tables(stored / "networks")
    assert set(tables.accuracy["trained"]) == {"none", "inversion"}
    assert len(tables.units) > 0
