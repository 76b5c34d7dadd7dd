"""The table of a study against the runs themselves."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import torch

from invariscope import load_study
from invariscope.analysis.affine import affine_baseline
from invariscope.errors import InputError, StoreError
from invariscope.experiments.front_choice import choose
from invariscope.store.record import load_run
from invariscope.study.affine import measure_affine
from invariscope.study.analyses import analyze
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.index import append_rows, read_rows
from invariscope.study.result import filter_runs
from invariscope.study.row import COLUMNS


def test_a_row_a_run_with_what_the_run_has(finished):
    table = load_study(finished.path).table()
    assert list(table["name"]) == [run.name for run in finished.planned_runs()]
    assert [*COLUMNS, "role", "condition", "draw", "photo", "path"] == list(table.columns)
    for row in table.itertuples():
        record = load_run(finished.runs / row.run)
        s, end = record.settings, record.outcome
        assert (row.task, row.unit, row.seed) == (s.task, s.unit, s.seed)
        assert (row.site if s.site else None) == s.site
        assert (row.generations, row.images) == (end["generations"], end["images"])
        assert row.converged == (end["status"] == "stopped")
        chosen = choose(record.front, s)
        assert row.member == chosen
        assert row.activation == record.front["activation"].iloc[chosen]
        assert row.stretch == record.front["stretch"].iloc[chosen]
        assert row.squeeze == record.front["squeeze"].iloc[chosen]
        assert row.bytes == sum(p.stat().st_size for p in record.path.rglob("*") if p.is_file())
        assert row.context_changes == 0
        assert (row.role, record.labels["role"]) == ("robust", "robust")
        assert row.label == f"class {s.unit[3:]}"
        if s.task == "invariance":
            assert row.reference_id == s.reference["run"]
            own = float(record.tensors["reference_activity"].mean())
            assert row.reduction == pytest.approx((own - row.activation) / own * 100, abs=1e-4)


TABLE = """
import json, sys
from invariscope import load_study
study = load_study(sys.argv[1])
count = len(study.table("all")) + len(study.roles) + len(study._repr_html_())
modules = {name.partition(".")[0] for name in sys.modules}
print(json.dumps({"count": count, "modules": sorted(modules)}))
"""


def test_a_table_needs_no_torch_and_no_pictures(finished):
    """What a process loads is most of the memory of a table of thousands of runs."""
    done = subprocess.run(
        [sys.executable, "-c", TABLE, finished.path], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["count"] > len(finished.planned_runs())
    heavy = {"torch", "scipy", "matplotlib", "safetensors", "PIL", "sklearn", "statsmodels"}
    assert heavy & set(found["modules"]) == set()


def test_filters_take_what_they_say():
    table = pd.DataFrame(
        {"run": list("abc"), "milestone": [True, True, False], "converged": [True, False, False]}
    )
    assert list(filter_runs(table)["run"]) == ["a", "b", "c"]
    assert list(filter_runs(table, "milestone")["run"]) == ["a", "b"]
    assert list(filter_runs(table, "stopped")["run"]) == ["a"]
    with pytest.raises(InputError, match="did you mean 'stopped'"):
        filter_runs(table, "stoped")


def test_filters_apply_to_a_study(copied):
    rows = list(read_rows(copied.runs).values())
    append_rows(copied.runs, [rows[0] | {"milestone": True, "milestone_generation": 3}])
    study = load_study(copied.path)
    assert list(study.table("milestone")["name"]) == [rows[0]["name"]]
    assert study.table("milestone")["milestone_generation"].tolist() == [3]
    assert len(study.table("stopped")) == 0
    assert study.table()["milestone_generation"].isna().sum() == len(rows) - 1


def test_images_and_codes_on_demand(finished, world):
    study = load_study(finished.path)
    table = study.table()
    some = table[table["task"] == "invariance"].iloc[[3, 0]]
    codes = study.codes(some)
    assert torch.equal(study.images(some, generator=world[1]), world[1].generate(codes))
    last = load_run(finished.runs / some["run"].iloc[0]).tensors["codes"][-1:]
    farthest = study.images(some.iloc[:1], "farthest", world[1])
    assert torch.equal(farthest, world[1].generate(last))
    with pytest.raises(InputError, match="a file of Python; load it and give generator="):
        study.images(some)
    with pytest.raises(InputError, match="runs of 0 generators"):
        study.images(table[:0])


def test_a_study_that_has_not_ended_has_the_rows_that_there_are(begin):
    folder = begin()
    table = load_study(folder.path).table()
    assert len(table) == 0
    assert "stretch" in table


def test_affine_copies_of_every_reference(copied, world):
    done = {run.name for run in copied.planned_runs()}
    with pytest.raises(StoreError, match="measured no affine copies"):
        load_study(copied.path).affine()
    assert measure_affine(copied, done, "cpu") == 2
    study = load_study(copied.path)
    table = study.affine()
    rows = study.table()
    mei = rows[(rows["task"] == "excitation") & (rows["unit"] == "fc:1")]
    alone = affine_baseline(world[0], "fc:1", study.images(mei, "farthest", world[1])[0])
    own = table[table["unit"] == "fc:1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own[alone.columns], alone)
    assert set(own["reference_run"]) == set(mei["run"])
    before = (copied.path / "affine.parquet").stat().st_mtime_ns
    assert measure_affine(copied, done, "cpu") == 2
    assert (copied.path / "affine.parquet").stat().st_mtime_ns == before


def test_a_role_is_the_studys_own_word_and_not_part_of_a_runs_name(begin, copied, study_text):
    """A network whose name says nothing may be robust; a second study may see it otherwise."""
    first = load_study(copied.path)
    assert first.roles == {"conv": "robust"}
    other = load_study(begin(study_text(), "other", copied.store).path)
    assert set(other.table()["name"]) == set(first.table()["name"])
    assert other.table()["role"].isna().all()
    assert other.roles == {}


def test_tables_of_analyses_hold_the_role_of_each_subject(finished):
    study = load_study(finished.path)
    tables = analyze(
        AnalysisMaterial(study, device="cpu", allow_code=True), ["distance", "convergence"]
    )
    for table in tables.values():
        assert set(table["role"]) == {"robust"}
