"""A study whose twins are taught by the runs of an earlier one."""

from pathlib import Path

import pytest

from invariscope.cli.app import run
from invariscope.errors import InputError
from invariscope.store.record import load_run
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder

WORLDS = Path(__file__).parent / "worlds.py"
FIRST = f"""
[shared]
subjects = "{WORLDS}:subject"
generators = "{WORLDS}:generator"
units = "fc:0"
generations = 3
population = 8
precision = "float32"
stop = false
[conditions.invariance]
"""
KEYS = 'strategies = "twin:codes"\ntaught_by = "s/studies/first"\n'
TAUGHT = FIRST.replace("[conditions", KEYS + "[conditions")


def test_runs_of_one_study_teach_those_of_the_next(tmp_path, capsys):
    for name, text in (("first", FIRST), ("taught", TAUGHT)):
        (tmp_path / f"{name}.toml").write_text(text)
    words = ["--out", str(tmp_path / "s"), "--allow-code"]
    assert run(["study", "run", str(tmp_path / "first.toml"), *words]) == 0
    assert run(["study", "run", str(tmp_path / "taught.toml"), *words]) == 0, capsys.readouterr()
    study = StudyFolder(tmp_path / "s", "taught")
    mei, own = study.planned_runs()
    assert mei.task == "excitation"
    assert mei.options["taught_by"] is None
    teachers = StudyFolder(tmp_path / "s", "first").planned_runs()
    folders = sorted(str(study.runs / run.folder) for run in teachers)
    assert own.options["taught_by"] == folders
    assert run(["study", "run", str(tmp_path / "taught.toml"), *words]) == 0
    assert study.planned_runs() == [mei, own]  # its own runs do not teach it the next time
    assert "taught" in load_run(study.runs / own.folder).settings.strategy
    assert "taught" not in load_run(study.runs / mei.folder).settings.strategy


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("twin:codes", "isotropic", "taught_by is for strategy 'twin'"),
        ("precision", 'tasks = "excitation"\nprecision', "searched untaught"),
    ],
)
def test_what_cannot_be_taught_is_refused_before_anything_runs(old, new, says):
    with pytest.raises(InputError, match=says):
        parse_study(TAUGHT.replace(old, new))
