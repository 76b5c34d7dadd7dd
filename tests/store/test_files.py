"""Files that are whole or absent, and folders that are ours to write."""

import errno
import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from invariscope.errors import StoreError
from invariscope.store import files
from invariscope.store.files import make_folder, replace_file, replace_tensors


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "table"
    for content in ("old", "new"):
        replace_file(path, lambda part, content=content: part.write_text(content))
        assert path.read_text() == content
    assert names(tmp_path) == ["table"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "table"
    path.write_text("old")

    def write(part):
        part.write_text("ne")
        assert path.read_text() == "old"
        part.write_text("new")

    replace_file(path, write)
    assert path.read_text() == "new"


def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "table"
    path.write_text("old")

    def write(part):
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match=r"cannot write '.*table': No space left on device"):
        replace_file(path, write)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["table"]


def test_tensors_are_written_whole_and_leave_no_other_name(tmp_path, monkeypatch):
    seen = []
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda part, path: (seen.append(names(tmp_path)), replace(part, path))
    )
    replace_tensors(tmp_path / "x.safetensors", {"a": torch.arange(6).view(2, 3).T}, {"run": "r"})
    assert seen == [[".x.safetensors.invariscope.part"]]
    assert torch.equal(load_file(tmp_path / "x.safetensors")["a"], torch.arange(6).view(2, 3).T)
    with pytest.raises(StoreError, match="cannot write"):
        replace_tensors(tmp_path / "missing" / "x.safetensors", {"a": torch.zeros(1)})


def test_a_folder_is_made_with_its_parents_and_taken_again(tmp_path):
    path = tmp_path / "a" / "b"
    assert make_folder(path) == make_folder(path) == path
    assert names(path) == []


@pytest.mark.parametrize("below", [(), ("run",), ("run", "images")])
def test_a_file_in_place_of_a_folder_is_named(tmp_path, below):
    file = tmp_path / "out"
    file.write_text("mine")
    with pytest.raises(StoreError, match=r"'.*out' is a file; expected a folder"):
        make_folder(file.joinpath(*below))
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("where", "method"), [(Path, "mkdir"), (files.tempfile, "TemporaryFile"), (os, "fsync")]
)
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch, where, method):
    def refuse(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(where, method, refuse)
    with pytest.raises(StoreError, match=r"Permission denied; choose another --out"):
        make_folder(tmp_path / "out")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_taken(tmp_path, monkeypatch, number):
    sync = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    replace_file(make_folder(tmp_path / "new") / "table", lambda part: part.write_text("whole"))
    assert (tmp_path / "new" / "table").read_text() == "whole"
