"""Commands on many runs: copies that are whole, and tables that say what was measured."""

import json
from pathlib import Path

import growth
from bench import copies
from invariscope import load_study
from invariscope.study.verify import verify_store

SMALL = """
[shared]
subjects = "embedded:standard"
units = "fc:3"
generations = 2
population = 4
precision = "float32"
[conditions.invariance]
seeds = SEEDS
"""


def test_copied_runs_are_whole_and_differ_in_seed_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "TEXT", SMALL)
    study = copies.make_study(tmp_path, 3)
    assert verify_store(tmp_path).problems == []
    table = load_study(study.path).table()
    assert len(table) == len(study.planned_runs()) == 4
    searches = table[table["task"] == "invariance"]
    assert searches["seed"].tolist() == [0, 1, 2]
    same = searches.drop(columns=["seed", "run", "name", "path", "bytes"])
    assert (same.nunique(dropna=False) == 1).all()


def test_the_tables_say_what_was_measured(written):
    figures, table = written("growth.json")
    assert table == growth.as_markdown(json.loads(figures))
    page = (Path(growth.HERE).parent / "docs" / "measured.md").read_text()
    assert table in page
