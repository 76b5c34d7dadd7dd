"""`study verify` holds folders of runs, sessions and surveys to their hashes; pages keep files."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from invariscope.analysis.unit_profile import Profile, load_profile, table
from invariscope.cli.app import run
from invariscope.errors import InputError, StoreError
from invariscope.report import figures
from invariscope.rig.log import SessionLog
from invariscope.store.files import PART, replace_file
from invariscope.store.own_files import is_drawing
from invariscope.subjects.rig.pixels import encode_images, pixel_name
from invariscope.survey.folder import content_name
from invariscope.survey.texts import write_words

DESIGN = 'categories = ["a", "b"]\nper_condition = 1\nquestions = []\n'


def verified(folder, capsys):
    """The exit code of `study verify`, and what it said."""
    code = run(["study", "verify", str(folder)])
    return code, capsys.readouterr().out


@pytest.fixture
def session(tmp_path):
    """A session's log of two lines and one image."""
    (tmp_path / "images").mkdir()
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    name = pixel_name(pixels)
    (tmp_path / "images" / f"{name}.png").write_bytes(encode_images({name: pixels})[name])
    log = SessionLog(tmp_path)
    log.append({"event": "note", "text": "begun"}, {"event": "answer", "rate": 2.5})
    log.close()
    return tmp_path


@pytest.mark.reliability("damaged files", "refused")
def test_a_changed_digit_of_a_session_s_log_is_found(session, capsys):
    assert verified(session, capsys) == (
        0,
        f"0 runs, 3 files held to their hashes, 0 problems: {session}\n",
    )
    path = session / "log.jsonl"
    path.write_bytes(path.read_bytes().replace(b"2.5", b"3.5"))
    code, said = verified(session, capsys)
    assert code == 1
    assert "damaged at line 2" in said
    with pytest.raises(StoreError, match="damaged at line 2"):
        SessionLog(session)


@pytest.mark.reliability("damaged files", "refused")
def test_another_image_under_a_session_s_name_is_found(session, capsys):
    (path,) = (session / "images").glob("*.png")
    Image.new("RGB", (4, 4)).save(path)
    code, said = verified(session, capsys)
    assert code == 1
    assert f"{str(path)!r} is damaged" in said


@pytest.mark.reliability("damaged files", "refused")
def test_lines_of_version_0_1_without_a_hash_are_read(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"event": "note", "text": "old"}\n')
    log = SessionLog(tmp_path)
    log.close()
    assert log.entries == [{"event": "note", "text": "old"}]


@pytest.fixture
def survey(tmp_path):
    place = tmp_path / "survey"
    (place / "images").mkdir(parents=True)
    rows = []
    for category, grey in (("a", 10), ("b", 20)):
        values = np.full((3, 8, 8), grey, np.uint8)
        file = content_name(values)
        Image.fromarray(values.transpose(1, 2, 0)).save(place / "images" / file)
        rows.append(
            {"image": file, "file": file, "condition": "natural", "site": "", "network": ""}
        )
        rows[-1] |= {"unit": "", "category": category}
    pd.DataFrame(rows).to_csv(place / "images.csv", index=False)
    (place / "design.toml").write_text(DESIGN)
    write_words(place / "words.json", ("a", "b"))
    return place


@pytest.mark.reliability("damaged files", "refused")
def test_another_image_under_a_survey_s_name_is_found(survey, capsys):
    code, said = verified(survey, capsys)
    assert code == 0
    assert "2 files held to their hashes" in said
    path = min((survey / "images").iterdir())
    for content in (None, b"no image"):
        if content is None:
            Image.new("RGB", (8, 8), (9, 9, 9)).save(path)
        else:
            path.write_bytes(content)
        code, said = verified(survey, capsys)
        assert code == 1
        assert f"{str(path)!r} is damaged" in said
    path.rename(path.with_name("own.png"))  # a name of a person's own says nothing of its content
    table = (survey / "images.csv").read_text()
    (survey / "images.csv").write_text(table.replace(path.name, "own.png"))
    assert verified(survey, capsys)[0] == 0


def test_a_profile_whose_digits_change_is_refused(tmp_path, capsys):
    empty = [table(name) for name in ("coefficients", "images", "copies")]
    path = Profile({"subject": "s", "unit": "fc:3", "tau": 0.5}, *empty).save(tmp_path)
    assert load_profile(tmp_path).labels["tau"] == 0.5
    assert verified(tmp_path, capsys)[0] == 0
    path.write_text(path.read_text().replace("0.5", "0.7"))
    with pytest.raises(StoreError, match="damaged"):
        load_profile(tmp_path)
    code, said = verified(tmp_path, capsys)
    assert code == 1
    assert "profile.json" in said


def test_a_profile_of_version_0_1_is_read(tmp_path):
    empty = {name: {} for name in ("coefficients", "images", "copies")}
    (tmp_path / "profile.json").write_text(json.dumps({"labels": {"unit": "fc:3"}} | empty))
    assert load_profile(tmp_path).labels["unit"] == "fc:3"


@pytest.mark.parametrize("kind", ["pdf", "svg"])
@pytest.mark.reliability("files that are not ours to overwrite", "refused")
def test_a_drawing_that_is_not_ours_is_kept(tmp_path, kind):
    path = tmp_path / f"front_a.{kind}"
    Figure().savefig(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="--force"):
        figures.save(Figure(), tmp_path, "front", "a", (kind,), force=False)
    assert path.read_bytes() == before
    figures.save(Figure(), tmp_path, "front", "a", (kind,), force=True)
    assert is_drawing(path)
    figures.save(Figure(), tmp_path, "front", "a", (kind,), force=False)


@pytest.mark.reliability("files that are not ours to overwrite", "refused")
def test_a_file_of_a_person_s_beside_the_one_that_is_written_is_kept(tmp_path):
    for name in ("a.json.part", "a.json~", ".a.json.swp"):
        (tmp_path / name).write_text("mine")
    replace_file(tmp_path / "a.json", lambda part: part.write_text("ours"))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a.json", "a.json.part", "a.json~", ".a.json.swp"}
    assert (tmp_path / "a.json.part").read_text() == "mine"
    assert PART not in "".join(names)
