"""A disk that drops what was not synced: whatever power loss leaves, the run ends the same."""

import os
import shutil

import pytest
from power import Disk, lay_out
from searcher import natural_table, no_sync, same_files, search

from invariscope.store.files import make_folder, remove_file, replace_file
from invariscope.store.run_folder import RunFolder


@pytest.fixture
def disk(tmp_path, monkeypatch):
    root = tmp_path / "disk"
    root.mkdir()
    disk = Disk(root, monkeypatch)
    yield disk
    disk.close()


def after_every_loss(disk):
    return [(dict(files), what) for files, what in disk.left.items()]


def test_a_file_that_was_replaced_outlives_power_loss(disk):
    path = disk.root / "table"
    replace_file(path, lambda part: part.write_text("old"))
    disk.left.clear()
    replace_file(path, lambda part: part.write_text("new"))
    for files, what in after_every_loss(disk):
        assert files.get("table") in (b"old", b"new"), what
    disk.left.clear()
    disk.moment("the end")
    assert [files["table"] for files, _ in after_every_loss(disk)] == [b"new"]


def test_folders_and_removals_outlive_power_loss(disk):
    folder = make_folder(disk.root / "a" / "b")
    replace_file(folder / "kept", lambda part: part.write_text("x"))
    replace_file(folder / "gone", lambda part: part.write_text("x"))
    remove_file(folder / "gone")
    remove_file(folder / "never there")
    disk.left.clear()
    disk.moment("the end")
    ((files, _),) = after_every_loss(disk)
    assert files == {"a/": b"", "a/b/": b"", "a/b/kept": b"x"}


def test_the_layer_drops_what_was_not_synced(disk):
    (disk.root / "a").write_text("never synced")
    with (disk.root / "b").open("w") as file:
        file.write("synced")
        file.flush()
        os.fsync(file.fileno())
        file.write(", and more")
    disk.left.clear()
    disk.moment("the end")
    left = {what.partition(",")[0]: files for files, what in after_every_loss(disk)}
    assert left["forgetful"] == {}
    assert left["names first"] == {"a": b"", "b": b"synced"}


@pytest.fixture
def journalled(monkeypatch, disk):
    """Also fails after every line that a journal gets."""
    append = RunFolder.append

    def noted(writer, line):
        append(writer, line)
        disk.moment(f"line {line['generation']}")

    monkeypatch.setattr(RunFolder, "append", noted)


def hold_to_every_loss(disk, folder, monkeypatch, strategy, **short):
    natural_table(folder / "natural.parquet")
    search(folder, strategy, out="disk", **short)
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", no_sync)
    losses = after_every_loss(disk)
    assert len(losses) > 30
    for files, what in losses:
        lay_out(files.items(), folder / "left")
        search(folder, strategy, out="left", **short)
        for stray in (folder / "left").glob("*/checkpoint.safetensors"):
            stray.unlink()  # of a run that had ended, whose removal was not synced
        try:
            same_files(folder / "left", folder / "disk")
        except AssertionError as error:
            error.add_note(what)
            raise
        shutil.rmtree(folder / "left")


@pytest.mark.parametrize("strategy", ["isotropic", "cma"])
def test_a_search_that_lost_power_at_any_moment_ends_the_same(
    disk, journalled, tmp_path, monkeypatch, strategy
):
    hold_to_every_loss(disk, tmp_path, monkeypatch, strategy, generations=4, seeds_=(0,))


@pytest.mark.statistical
@pytest.mark.parametrize("strategy", ["isotropic", "cma"])
def test_two_runs_that_lost_power_at_any_moment_end_the_same(
    disk, journalled, tmp_path, monkeypatch, strategy
):
    hold_to_every_loss(disk, tmp_path, monkeypatch, strategy, generations=8, seeds_=(0, 1))
