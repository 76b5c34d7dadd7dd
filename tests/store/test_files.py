"""Files that are whole or absent, and folders that are ours to write."""

import errno
import os
import re
import resource
import stat
from pathlib import Path

import numpy as np
import pandas as pd
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


def test_whatever_writes_a_full_disk_is_one_sentence_and_leaves_no_part(tmp_path):
    """A limit on a file's size stands for the disk: the libraries' own writers meet it for real."""
    numbers = torch.arange(50_000, dtype=torch.float64)

    def save_array(part):
        with part.open("wb") as file:
            np.save(file, numbers.numpy())

    writers = {
        "table.parquet": pd.DataFrame({"a": numbers.sin()}).to_parquet,
        "table.csv": pd.DataFrame({"a": numbers.sin()}).to_csv,
        "page.svg": lambda part: part.write_text("x" * 300_000),
        "array.npy": save_array,
    }
    largest = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, largest[1]))
    try:
        for name, write in writers.items():
            with pytest.raises(StoreError, match=f"cannot write '.*{name}'"):
                replace_file(tmp_path / name, write)
        with pytest.raises(StoreError, match=r"cannot write '.*x.safetensors'"):
            replace_tensors(tmp_path / "x.safetensors", {"a": numbers})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, largest)
    assert names(tmp_path) == []


def test_no_file_is_written_by_a_library_whose_errors_are_not_those_of_a_disk():
    """safetensors' `save_file` and `torch.save` raise errors of their own on a full disk."""
    written = re.compile(r"\b(save_file\(|torch\.save\()")
    sources = Path(files.__file__).parents[1].rglob("*.py")
    assert [path.name for path in sources if written.search(path.read_text())] == []


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


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_a_file_follows_from_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        replace_file(tmp_path / "a", lambda part: part.write_text("x"))
        replace_tensors(tmp_path / "b.safetensors", {"a": torch.zeros(1)})
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in sorted(tmp_path.iterdir())] == [mode, mode]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(tmp_path, there):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "page.html"
    if there:
        target.write_text("old")
    (tmp_path / "page.html").symlink_to("far/page.html")
    replace_file(tmp_path / "page.html", lambda part: part.write_text("new"))
    assert (tmp_path / "page.html").is_symlink()
    assert target.read_text() == "new"
    assert names(tmp_path / "far") == ["page.html"]


def test_links_that_lead_nowhere_are_named(tmp_path):
    (tmp_path / "out").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for place in (tmp_path / "out", tmp_path / "out" / "x"):
        with pytest.raises(StoreError, match="out' is a link that leads nowhere"):
            make_folder(place)
    with pytest.raises(StoreError, match="symbolic links"):
        make_folder(tmp_path / "loop" / "x")
    with pytest.raises(StoreError, match=r"cannot write .*loop"):
        replace_file(tmp_path / "loop", lambda part: part.write_text("x"))


def test_a_disk_that_cannot_be_written_is_told_by_the_file_s_own_name(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("touch", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(StoreError, match=r"cannot write '.*/page\.html': Read-only file system$"):
        replace_file(tmp_path / "page.html", lambda part: part.write_text("x"))
