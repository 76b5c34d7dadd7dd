"""`invariscope study …` as a person types it."""

import json
from pathlib import Path

import pytest

from invariscope.cli.app import run
from invariscope.study.folder import StudyFolder

WORLDS = Path(__file__).parents[1] / "study" / "worlds.py"
TEXT = f"""
title = "tiny"
[shared]
subjects = "{WORLDS}:subject"
generators = "{WORLDS}:generator"
units = "fc:0-1"
generations = 1
population = 2
precision = "float32"
[conditions.invariance]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def study(file, tmp_path, capsys):
    """Types a command; gives exit code and what was printed."""

    def go(*words, out=tmp_path / "s", allow=True):
        needs = words[0] in ("plan", "run", "resume", "retry")
        allowed = ["--allow-code"] if needs and allow else []
        words = [*words, *allowed, *([] if out is None else ["--out", out])]
        code = run(["study", *map(str, words)])
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return go


def test_a_study_from_plan_to_status(study, file, tmp_path):
    code, said = study("plan", file, "--rate", 10)
    assert code == 0
    assert "4 runs to do, 2 of them for MEIs (0 are done) · at most 8 images · 1 s on 1 w" in said
    assert not (tmp_path / "s").exists()
    assert study("status", file) == (2, said_unknown := study("status", file)[1])
    assert "unknown study" in said_unknown
    code, said = study("run", file, "--threads", 1)
    assert code == 0
    assert "4 runs done, 0 failed" in said
    code, said = study("plan", file)
    assert "0 runs to do" in said
    assert "4 done" in study("status", file)[1]
    assert study("resume", file)[0] == 0
    (tmp_path / "s" / "runs" / "index.jsonl").unlink()
    assert "4 runs: " in study("reindex")[1]
    packed = tmp_path / "tiny.tar"
    assert study("pack", tmp_path / "s", packed, out=None)[0] == 0
    code, said = study("unpack", packed, out=tmp_path / "new")
    assert "study 'tiny': 4 runs taken, 0 were there" in said
    assert study("unpack", packed, "--limit", "0.00001", out=tmp_path / "other")[0] == 2


def test_a_file_that_changed_is_planned_by_run_only(study, file, tmp_path):
    assert study("run", file)[0] == 0
    file.write_text(TEXT + "seeds = [1]\n")
    code, said = study("resume", file)
    assert code == 2
    assert "changed since the study was planned; `study run` plans it again" in said
    code, said = study("run", file)
    assert code == 0
    assert "2 runs of the earlier plan of 'tiny' had ended and the new one does not want" in said
    assert "they stay in the store" in said
    assert "generator" not in said
    assert len(StudyFolder(tmp_path / "s", "tiny").planned_runs()) == 4
    assert len(list((tmp_path / "s" / "runs").glob("*/outcome.json"))) == 6


def test_failures_are_said_and_retry_mends(study, file, tmp_path):
    assert study("run", file)[0] == 0
    folder = StudyFolder(tmp_path / "s", "tiny")
    broken = folder.planned_runs()[1]
    (folder.runs / broken.folder / "outcome.json").unlink()
    (folder.runs / broken.folder / "journal.jsonl").unlink()
    (folder.runs / broken.folder / "journal.jsonl").mkdir()
    code, said = study("run", file)
    assert code == 2
    assert "1 of 4 runs failed; mend the cause, then `study retry`" in said
    assert "1 failed: StoreError: cannot write the journal" in said
    assert json.loads((folder.path / "failed.json").read_text()).keys() == {broken.name}
    code, said = study("status", file)
    assert "3 done · 0 running · 1 failed" in said
    (folder.runs / broken.folder / "journal.jsonl").rmdir()
    code, said = study("retry", file)
    assert (code, "4 runs done, 0 failed" in said) == (0, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plan", "FILE", "--rate", "0"], "--rate is 0; expected a number above 0"),
        (["plan", "FILE", "--workers", "0"], "--workers is 0; expected at least 1"),
        (["run", "FILE", "--runs-per-job", "0"], "--runs-per-job is 0; expected at least 1"),
        (["run", "FILE", "--engine", "slurm", "--gpus", "0.5"], "SLURM gives whole GPUs"),
        (["run", "FILE", "--engine", "slurm", "--slurm", "a"], "expected name=value"),
        (
            ["run", "FILE", "--engine", "slurm", "--slurm", "timeout_min=2:00:00"],
            "expected whole minutes",
        ),
        (
            ["run", "FILE", "--engine", "slurm", "--slurm", "timeout_min=90.5"],
            "expected whole minutes",
        ),
        (["run", "FILE", "--engine", "condor"], "condor"),
        (["plan", "none.toml"], "cannot read study file 'none.toml': No such file"),
        (["retry", "FILE"], "unknown study"),
        (["pack", "nowhere", "x.tar"], "holds no study"),
        (["import-snslib", "nowhere"], "holds no .pkl or .csv"),
    ],
)
def test_mistakes_are_one_sentence(study, file, words, says):
    out = None if words[0] == "pack" else file.parent / "s"
    code, said = study(*[str(file) if word == "FILE" else word for word in words], out=out)
    assert code == 2
    assert says in said


def test_code_is_not_run_unless_it_is_allowed(study, file, tmp_path):
    code, said = study("run", file, allow=False)
    assert (code, "allow it with --allow-code" in said) == (2, True)
    assert not (tmp_path / "s").exists()
    assert study("run", file)[0] == 0
    for command in ("resume", "retry"):  # a study may have come in an archive
        code, said = study(command, file, allow=False)
        assert (code, "allow it with --allow-code" in said) == (2, True)


def test_an_unknown_network_is_said_with_its_condition(study, file):
    file.write_text(TEXT.replace(f"{WORLDS}:subject", "embedded:rubust"))
    code, said = study("plan", file)
    assert code == 2
    assert "condition 'invariance': unknown model 'embedded:rubust'; did you mean" in said
