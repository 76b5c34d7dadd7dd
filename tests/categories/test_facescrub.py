"""FaceScrub's list and a folder of originals: what is verified, cropped and told."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from invariscope.categories.facescrub import prepare_faces, read_list
from invariscope.errors import InputError, StoreError

HEAD = "name\timage_id\tface_id\turl\tbbox\tsha256\n"


def original(path, seed, size=(40, 30)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")
    return pixels, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def originals(tmp_path):
    folder = tmp_path / "originals"
    folder.mkdir()
    return folder


def line(name, face, box, sha256):
    return f"{name}\t1\t{face}\thttp://example.org/x.jpg\t{','.join(map(str, box))}\t{sha256}\n"


def test_faces_are_found_by_sha256_and_cut_out(tmp_path, originals):
    pixels, first = original(originals / "whatever", 0)
    _, second = original(originals / "b.png", 1)
    (originals / "copy.png").write_bytes((originals / "b.png").read_bytes())
    original(originals / "stranger.png", 2)
    listing = tmp_path / "list.txt"
    listing.write_text(
        HEAD
        + line("Ann Bé", 10, (4, 2, 20, 18), first)
        + line("Ann Bé", 11, (0, 0, 64, 8), second)  # beyond the original
        + line("Cy", 12, (0, 0, 8, 8), "f" * 64)
        + line("Ann Bé", 10, (4, 2, 20, 18), first),
        encoding="utf-8",
    )
    report = prepare_faces([listing], originals, tmp_path / "faces", side=16)
    assert (report.listed, report.written, report.repeated) == (3, 1, 1)
    assert [face.name for face in report.missing] == ["Cy"]
    assert report.wrong == ["stranger.png"]
    assert report.duplicate == ["copy.png"]
    assert "(0, 0, 64, 8) is not inside its 40 × 30 px" in report.unreadable[0]
    crop = np.asarray(Image.open(tmp_path / "faces" / "Ann_Bé" / "Ann_Bé_10.png"))
    np.testing.assert_array_equal(crop, pixels[2:18, 4:20])  # 16 px: nothing is resized
    again = prepare_faces([listing], originals, tmp_path / "faces", side=16)
    assert (again.written, again.there) == (0, 1)
    assert again.lines()[0] == "1 of 3 faces of 1 people (0 written, 1 were there)"


def test_a_name_cannot_leave_the_folder(tmp_path, originals):
    _, digest = original(originals / "a.png", 0)
    listing = tmp_path / "list.txt"
    listing.write_text(line("../../evil", 1, (0, 0, 16, 16), digest))
    prepare_faces([listing], originals, tmp_path / "faces", side=16)
    written = [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*evil*.png")]
    assert written == ["faces/evil/evil_1.png"]


@pytest.mark.parametrize("text", ["Ann\t1\t2\tu\t1,2,3\t" + "a" * 64, "Ann\t1\t2\tu\t1,2,3,4\tabc"])
def test_a_line_that_is_no_face_is_named(tmp_path, text):
    (tmp_path / "list.txt").write_text(HEAD + text + "\n")
    with pytest.raises(InputError, match=r"line 2 of .* expected name, image number, face number"):
        read_list(tmp_path / "list.txt")


def test_two_lists_are_one_and_their_tables_grow_together(tmp_path, originals):
    _, he = original(originals / "he.png", 0)
    _, she = original(originals / "she.png", 1)
    original(originals / "stranger.png", 2)
    actors, actresses = tmp_path / "actors.txt", tmp_path / "actresses.txt"
    actors.write_text(
        HEAD + line("Al", 1, (0, 0, 9, 9), he) + line("Al", 2, (0, 0, 9, 9), "a" * 64)
    )
    actresses.write_text(
        HEAD + line("Bo", 3, (0, 0, 9, 9), she) + line("Bo", 4, (0, 0, 9, 9), "b" * 64)
    )
    both = prepare_faces([actors, actresses], originals, tmp_path / "both", side=16)
    assert (both.listed, both.written, both.wrong) == (4, 2, ["stranger.png"])
    first = prepare_faces([actors], originals, tmp_path / "faces", side=16)
    assert first.wrong == ["she.png", "stranger.png"]
    second = prepare_faces([actresses], originals, tmp_path / "faces", side=16)
    assert second.wrong == ["stranger.png"]  # he.png is of a list that was taken
    for name in ("missing.tsv", "listed.tsv"):
        tables = [(tmp_path / out / name).read_text() for out in ("both", "faces")]
        assert tables[0] == tables[1]
    assert (tmp_path / "faces" / "missing.tsv").read_text() == (
        f"Al\t2\t{'a' * 64}\nBo\t4\t{'b' * 64}\n"
    )


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_joined_lists_are_read_wherever_their_headers_are(tmp_path, end):
    ours = line("Al", 1, (0, 0, 9, 9), "a" * 64), line("Bo", 2, (0, 0, 9, 9), "b" * 64)
    other = "sha256\tname\tface_id\tbbox\n" + f"{'c' * 64}\tCy\t3\t0,0,9,9\n"
    text = HEAD + ours[0].rstrip("\n") + end + HEAD + ours[1] + "\n" + other
    (tmp_path / "list.txt").write_bytes(text.encode("utf-8-sig"))
    found = read_list(tmp_path / "list.txt")
    assert [(f.name, f.sha256[0]) for f in found.faces] == [("Al", "a"), ("Bo", "b"), ("Cy", "c")]
    assert found.truncated == 0


def test_a_last_line_that_is_cut_off_anywhere_is_counted(tmp_path):
    first, last = (line(n, 1, (0, 0, 9, 9), "a" * 64).encode() for n in ("Al", "Bé"))
    for cut in range(1, len(last) - 1):  # the whole line but its end is a face
        (tmp_path / "list.txt").write_bytes(HEAD.encode() + first + last[:cut])
        found = read_list(tmp_path / "list.txt")
        assert ([f.name for f in found.faces], found.truncated) == (["Al"], 1)
    (tmp_path / "list.txt").write_bytes(HEAD.encode() + first + last[:-1])
    assert [f.name for f in read_list(tmp_path / "list.txt").faces] == ["Al", "Bé"]


def test_a_refused_list_leaves_nothing(tmp_path, originals):
    (tmp_path / "list.txt").write_text("nonsense\n")
    with pytest.raises(InputError, match="line 1"):
        prepare_faces([tmp_path / "list.txt"], originals, tmp_path / "faces")
    assert not (tmp_path / "faces").exists()


@pytest.mark.parametrize("number", ["/../../../evil", "..", "a/b", ""])
def test_a_face_number_cannot_leave_the_folder(tmp_path, number):
    (tmp_path / "list.txt").write_text(line("Al", number, (0, 0, 9, 9), "a" * 64))
    with pytest.raises(InputError, match="line 1"):
        read_list(tmp_path / "list.txt")


def test_originals_are_found_through_links_and_no_file_is_said(tmp_path, originals):
    _, digest = original(originals / "he.png", 0)
    (tmp_path / "list.txt").write_text(line("Al", 1, (0, 0, 9, 9), digest))
    (tmp_path / "linked").mkdir()
    empty = prepare_faces([tmp_path / "list.txt"], tmp_path / "linked", tmp_path / "none")
    assert "0 files found in the folder of originals" in empty.lines()
    (tmp_path / "linked" / "disk").symlink_to(originals)
    assert prepare_faces([tmp_path / "list.txt"], tmp_path / "linked", tmp_path / "a").written == 1
    within = originals / "faces"
    assert prepare_faces([tmp_path / "list.txt"], originals, within).written == 1
    again = prepare_faces([tmp_path / "list.txt"], originals, within)
    assert (again.there, again.files, again.wrong) == (1, 1, [])  # crops are no originals


def test_two_faces_of_one_number_and_a_foreign_table_are_told(tmp_path, originals):
    faces = [line("Al", 1, (0, 0, 9, 9), "a" * 64), line("Al", 1, (0, 0, 9, 8), "a" * 64)]
    (tmp_path / "list.txt").write_text("".join(faces))
    report = prepare_faces([tmp_path / "list.txt"], originals, tmp_path / "faces")
    assert (report.repeated, report.clashing) == (0, ["Al_1"])
    (tmp_path / "faces" / "missing.tsv").write_text("my notes\n")
    with pytest.raises(StoreError, match="is no table of faces"):
        prepare_faces([tmp_path / "list.txt"], originals, tmp_path / "faces")
    assert (tmp_path / "faces" / "missing.tsv").read_text() == "my notes\n"
