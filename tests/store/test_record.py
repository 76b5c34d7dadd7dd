"""Finished runs as tables and tensors."""

import errno
from pathlib import Path

import pytest
import torch

from invariscope import load_result
from invariscope.errors import StoreError
from invariscope.search.archive import COLUMNS
from invariscope.store.record import load_run, load_runs, run_folders


@pytest.fixture
def finished(open_run, folder, make_outcome):
    with open_run() as writer:
        for generation in range(1, 8):
            writer.append({"generation": generation})
        writer.finish(
            make_outcome(),
            seconds=2.5,
            tensors={"reference_image": torch.rand(3, 8, 8).transpose(1, 2)},
            columns={"pixel_distance": torch.tensor([1.5, 2.5, 3.5])},
        )
    return folder


def test_a_run_comes_back_as_it_was_written(finished, settings, make_outcome):
    record, outcome = load_run(finished), make_outcome()
    assert record.settings == settings
    assert record.name == settings.name
    assert record.outcome["status"] == "finished"
    assert [entry["generation"] for entry in record.journal] == list(range(1, 8))
    scores = torch.tensor(record.front[list(COLUMNS)].to_numpy())
    assert torch.equal(scores.float(), outcome.front.scores)
    assert record.front["generation"].tolist() == [1, 2, 3]
    assert record.front["pixel_distance"].tolist() == [1.5, 2.5, 3.5]
    assert torch.equal(record.tensors["codes"], outcome.front.codes)
    assert torch.equal(record.tensors["milestone_codes"], outcome.milestone.front.codes)
    assert record.tensors["reference_image"].shape == (3, 8, 8)


@pytest.mark.parametrize("root", ["run", "parent"])
def test_runs_are_found_from_their_folder_or_the_one_above(finished, root):
    candidate = finished if root == "run" else finished.parent
    assert run_folders(candidate) == [finished]
    assert [record.path for record in load_runs(candidate)] == [finished]
    assert load_result(str(candidate)).runs[0].path == finished


def test_a_missing_folder_and_one_without_runs_are_told_apart(tmp_path):
    with pytest.raises(StoreError, match=r"no folder '.*nowhere'"):
        load_result(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="holds no run with a result"):
        load_result(tmp_path)


def test_a_run_without_an_outcome_is_no_result(open_run, folder):
    with open_run() as writer:
        writer.append({"generation": 1})
    with pytest.raises(StoreError, match="has no result yet; start it again to go on"):
        load_run(folder)
    with pytest.raises(StoreError, match="holds no run with a result"):
        load_runs(folder.parent)


@pytest.mark.parametrize("content", [b"", b"half", b"\x10" * 200])
@pytest.mark.parametrize("name", ["outcome.json", "front.parquet", "front.safetensors"])
def test_a_damaged_result_is_refused(finished, name, content):
    (finished / name).write_bytes(content)
    with pytest.raises(StoreError, match="is damaged; move the run away to redo it") as caught:
        load_run(finished)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["front.parquet", "front.safetensors", "journal.jsonl"])
def test_a_result_that_lacks_a_file_is_refused(finished, name):
    (finished / name).unlink()
    with pytest.raises(StoreError, match="has no result yet"):
        load_run(finished)


def test_a_result_whose_run_toml_was_edited_is_refused(finished):
    path = finished / "run.toml"
    path.write_text(path.read_text().replace("population = 50", "population = 51"))
    with pytest.raises(StoreError, match="was changed after the run"):
        load_run(finished)


@pytest.mark.parametrize("fails", ["front.safetensors", "front.parquet", "outcome.json"])
def test_files_of_an_earlier_result_are_not_taken_with_newer_ones(
    open_run, folder, make_outcome, monkeypatch, fails
):
    with open_run() as writer:
        writer.finish(make_outcome("interrupted", 3), seconds=1, tensors={}, columns={})
    assert len(load_run(folder).front) == 3
    replace = Path.replace

    def fail(part, path):
        if path.name == fails:
            raise OSError(errno.ENOSPC, "disk full")
        return replace(part, path)

    with open_run() as writer:
        monkeypatch.setattr(Path, "replace", fail)
        with pytest.raises(StoreError, match="disk full"):
            writer.finish(make_outcome("interrupted", 4), seconds=1, tensors={}, columns={})
    with pytest.raises(StoreError, match="has no result yet"):
        load_run(folder)
