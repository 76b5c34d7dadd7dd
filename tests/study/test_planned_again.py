"""What a new plan of a study says about the runs of the plan before."""

from dataclasses import replace

from invariscope.cli.app import run
from invariscope.study.folder import StudyFolder
from invariscope.study.planned_again import no_longer_wanted
from invariscope.study.planned_run import write_planned_runs

TEXT = """
[shared]
subjects = "embedded:plain"
generators = "embedded:v1"
units = "fc:0"
generations = 1
population = 2
precision = "float32"
[conditions.invariance]
"""


def test_runs_of_a_generator_that_another_took_the_name_of_are_named(tmp_path):
    file = tmp_path / "old.toml"
    file.write_text(TEXT)
    assert run(["study", "run", str(file), "--out", str(tmp_path / "s")]) == 0
    study = StudyFolder(tmp_path / "s", "old")
    planned = study.planned_runs()
    assert no_longer_wanted(study, planned) == ""
    # As a version wrote it whose `embedded` was what is `embedded:v1` now.
    before = [replace(run, generator="embedded") for run in planned]
    write_planned_runs(study.path / "runs.jsonl", before)
    said = no_longer_wanted(study, [replace(run, name=run.name + "x") for run in before])
    assert said.startswith(
        "2 runs of the earlier plan of 'old' had ended and the new one does not want them"
    )
    assert "the generator that is called 'embedded:v1' now" in said
    assert "in place of 'embedded'" in said


def test_a_plan_that_cannot_be_read_is_written_again(tmp_path):
    study = StudyFolder(tmp_path / "s", "old")
    assert no_longer_wanted(study, []) == ""
    study.write("title = 'old'\n", [])
    (study.path / "runs.jsonl").write_text("{")
    assert no_longer_wanted(study, []) == ""
