"""FaceScrub's list and a folder of originals: what is verified, cropped and told."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from invariscope.categories.facescrub import prepare_faces, read_list
from invariscope.errors import InputError

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
    report = prepare_faces(listing, originals, tmp_path / "faces", side=16)
    assert (report.listed, report.written, report.repeated) == (3, 1, 1)
    assert [face.name for face in report.missing] == ["Cy"]
    assert report.wrong == ["stranger.png"]
    assert report.duplicate == ["copy.png"]
    assert "(0, 0, 64, 8) is not inside its 40 × 30 px" in report.unreadable[0]
    crop = np.asarray(Image.open(tmp_path / "faces" / "Ann_Bé" / "Ann_Bé_10.png"))
    np.testing.assert_array_equal(crop, pixels[2:18, 4:20])  # 16 px: nothing is resized
    again = prepare_faces(listing, originals, tmp_path / "faces", side=16)
    assert (again.written, again.there) == (0, 1)
    assert again.lines()[0] == "1 of 3 faces of 1 people (0 written, 1 were there)"


def test_a_name_cannot_leave_the_folder(tmp_path, originals):
    _, digest = original(originals / "a.png", 0)
    listing = tmp_path / "list.txt"
    listing.write_text(line("../../evil", 1, (0, 0, 16, 16), digest))
    prepare_faces(listing, originals, tmp_path / "faces", side=16)
    written = [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*evil*.png")]
    assert written == ["faces/evil/evil_1.png"]


@pytest.mark.parametrize("text", ["Ann\t1\t2\tu\t1,2,3\t" + "a" * 64, "Ann\t1\t2\tu\t1,2,3,4\tabc"])
def test_a_line_that_is_no_face_is_named(tmp_path, text):
    (tmp_path / "list.txt").write_text(HEAD + text + "\n")
    with pytest.raises(InputError, match=r"line 2 of .* expected name, image number, face number"):
        list(read_list(tmp_path / "list.txt"))
