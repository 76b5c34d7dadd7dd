"""`study verify`: what is whole passes, what is not is named, and 0.1's runs stay readable."""

import json

import numpy as np
import pytest
from PIL import Image

from invariscope.cli.app import run
from invariscope.errors import StoreError
from invariscope.report.report import write_report
from invariscope.study.result import load_study
from invariscope.study.verify import verify_store


@pytest.fixture
def verify(capsys):
    """Types the command; gives exit code and lines."""

    def go(store):
        code = run(["study", "verify", str(store)])
        return code, capsys.readouterr().out.splitlines()

    return go


def change_picture(path):
    """Another valid picture of the same size: one value differs by one."""
    pixels = np.array(Image.open(path))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path, format="PNG")


def test_a_whole_store_has_no_problems(finished, verify):
    code, lines = verify(finished.store)
    assert code == 0
    assert len(lines) == 1
    assert f"{len(finished.planned_runs())} runs, " in lines[0]
    assert " 0 problems" in lines[0]


def test_a_valid_picture_that_is_not_the_one_written_is_found(copied, verify):
    picture = next(iter(sorted(copied.runs.glob("*/images/member-*.png"))))
    change_picture(picture)
    code, lines = verify(copied.store)
    assert code == 1
    assert lines[0] == f"{str(picture)!r} is damaged or missing; move the run away to redo it"
    assert " 1 problem" in lines[1]
    assert verify(picture.parent.parent)[0] == 1  # a run's folder, and a folder of runs
    assert verify(copied.runs)[0] == 1


def test_a_report_refuses_another_picture(copied, tmp_path):
    searches = [run for run in copied.planned_runs() if run.task == "invariance"]
    change_picture(copied.runs / searches[0].folder / "images" / "reference.png")
    with pytest.raises(StoreError, match=r"reference.png' is damaged or missing; move the run"):
        write_report(copied.path, tmp_path / "page.html")


def test_an_index_that_lacks_runs_or_tells_of_others_is_found(copied):
    index = copied.runs / "index.jsonl"
    table = load_study(copied.path).table()
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"")
    assert load_study(copied.path).table().equals(table)
    (problem,) = verify_store(copied.store).problems
    assert f"lacks {len(lines)} runs that have ended; `study reindex`" in problem
    row = json.loads(lines[0])
    del row["sha256"]
    row["stretch"] += 1.0  # as 0.1 wrote it, and changed
    index.write_bytes(b"".join([json.dumps(row).encode() + b"\n", *lines[1:]]))
    (problem,) = verify_store(copied.store).problems
    assert f"tells wrongly of {row['run']}; `study reindex` writes it again" in problem


def test_runs_without_hashes_are_read_and_said(copied, verify):
    before = load_study(copied.path).table()
    (copied.path / "hashes.json").unlink()
    for path in copied.runs.glob("*/outcome.json"):
        outcome = json.loads(path.read_text())
        del outcome["hashes"], outcome["sha256"]
        path.write_text(json.dumps(outcome) + "\n")
    study = load_study(copied.path)
    assert study.table().equals(before)
    assert len(study.records(study.table())) == len(before)
    code, lines = verify(copied.store)
    assert code == 0
    assert f"study {copied.name}: no hashes, written by 0.1" in lines
    assert sum("no hashes, written by 0.1" in line for line in lines) == len(before) + 1


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no runs and no studies; expected a store"):
        verify_store(tmp_path)
