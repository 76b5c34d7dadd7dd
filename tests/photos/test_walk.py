"""Folders as people have them: hidden and system files, links, circles, what cannot be read."""

import os

import numpy as np
import pytest
from PIL import Image

from invariscope.cli.app import run
from invariscope.errors import InputError
from invariscope.photos import open_folder
from invariscope.photos.walk import find_files, is_hidden

HIDDEN = (
    *(".ipynb_checkpoints", "@eaDir", ".Trash-1000", "__MACOSX", "lost+found", "$RECYCLE.BIN"),
    "System Volume Information",
)


def photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)


@pytest.fixture
def photos(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/3.png"):
        photo(tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_and_system_folders_are_skipped_and_counted(photos, name):
    photo(photos / "cat" / name / "1.png")
    photo(photos / name / "1.png")
    photo(photos / "dog" / "._3.png")
    (photos / "cat" / "Thumbs.db").touch()
    found = open_folder(photos)
    assert (found.names, found.classes) == (("cat/1.png", "cat/2.png", "dog/3.png"), ("cat", "dog"))
    assert found.labels.tolist() == [0, 0, 1]
    assert found.report.others == 0
    told = found.report.lines()
    assert any(line.startswith("4 hidden or system") and f"{name} (2)" in line for line in told)


def test_a_hidden_folder_that_is_asked_for_is_read(tmp_path):
    photo(tmp_path / ".cache" / "cat" / "1.png")
    assert open_folder(tmp_path / ".cache").names == ("cat/1.png",)


def test_names_that_only_resemble_hidden_ones_are_kept():
    assert not any(map(is_hidden, ("eaDir", "lost", "a.png", "Trash-1000", "@home", "_x.png")))


def test_circles_of_links_end_and_each_photo_is_counted_once(photos):
    (photos / "cat" / "all").symlink_to(".")
    (photos / "cat" / "up").symlink_to("../..")
    (photos / "cat" / "dogs").symlink_to("../dog")  # dog's photos stay dog's
    (photos / "kitty").symlink_to("cat")
    (photos / "all").symlink_to(".")
    (photos / "self").symlink_to("self")
    found = open_folder(photos)
    assert found.names == ("cat/1.png", "cat/2.png", "dog/3.png")
    assert found.classes == ("cat", "dog")
    told = " · ".join(found.report.lines())
    assert "5 links in a circle or to a folder that is visited anyway" in told
    assert "1 link to nowhere or to no plain file, left out: 'self'" in told


def test_links_to_folders_outside_are_followed_once(photos, tmp_path):
    photo(tmp_path / "elsewhere" / "9.png")
    (photos / "fox").symlink_to(tmp_path / "elsewhere")
    (photos / "cat" / "more").symlink_to(tmp_path / "elsewhere")  # deeper: not followed
    found = open_folder(photos)
    assert found.names == ("cat/1.png", "cat/2.png", "dog/3.png", "fox/9.png")
    assert found.labels.tolist() == [0, 0, 1, 2]


def test_what_is_no_plain_file_is_left_out(photos):
    os.mkfifo(photos / "dog" / "wait.png")
    (photos / "dog" / "gone.png").symlink_to("nowhere.png")
    found = open_folder(photos)
    assert len(found) == 3
    assert len(found.content) == 64
    assert any("'dog/gone.png', 'dog/wait.png'" in line for line in found.report.lines())


def test_a_folder_that_cannot_be_read_is_named(photos, monkeypatch):
    scan = os.scandir

    def refuse(place):
        if str(place).endswith("dog"):
            raise PermissionError(13, "Permission denied")
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    found = open_folder(photos)
    assert found.classes == ("cat", "dog")
    assert any("1 folder cannot be read" in t and "'dog'" in t for t in found.report.lines())


def test_a_folder_without_a_photo_says_what_it_skipped(tmp_path):
    photo(tmp_path / "photos" / "@eaDir" / "1.png")
    with pytest.raises(InputError, match=r"holds no photo.*1 hidden or system .*@eaDir"):
        open_folder(tmp_path / "photos")
    assert find_files(tmp_path / "photos").files == []


def test_names_that_are_no_utf_8_are_left_out_and_told(photos):
    """As archives of other systems leave them: Latin-1 bytes where text in UTF-8 is expected."""
    for place, name in ((photos / "dog", b"caf\xe9.png"), (photos, b"v\xf6gel")):
        path = os.path.join(os.fsencode(place), name)  # noqa: PTH118
        if name.endswith(b".png"):
            Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(os.fsdecode(path))
        else:
            os.mkdir(path)  # noqa: PTH102
    found = open_folder(photos)
    assert found.names == ("cat/1.png", "cat/2.png", "dog/3.png")
    assert found.content == open_folder(photos).content
    (told,) = [line for line in found.report.lines() if "UTF-8" in line]
    assert told.startswith("2 names not in UTF-8")
    told.encode()
    assert run(["natural", "embedded:standard", os.fsdecode(b"v\xf6gel")]) == 2
