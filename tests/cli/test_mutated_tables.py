"""Tables that people bring, mutated: refused in one sentence, or held as they state.

What a file states is read here by hand, line for line, never by the code under test.
"""

import csv
import io
import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import invariscope as iv
from invariscope.categories.facescrub import read_list
from invariscope.errors import InvariscopeError
from invariscope.invariance.classes import class_names
from invariscope.survey.folder import read_stimuli
from invariscope.survey.texts import ENGLISH, read_words

FIXED = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
OUTCOMES = Counter()
RELIABLE = pytest.mark.reliability("contents of tables that people bring", "refused")
HEADER = (
    "participant,session,trial,condition,site,network,unit,image,category,answer,correct,"
    "rt_ms,excluded,simulated"
)
ANSWERS = f"""{HEADER}
p0001,1,0,natural,,,,a.jpg,tench,tench,True,512.5,False,False
p0001,1,1,invariance,fc,net,fc:3,"b,1",tench,cat,False,300,False,False
p0002,1,0,natural,,,,a.jpg,cat,cat,True,,True,False
p0002,2,0,natural,,,,c.jpg,cat,tench,False,700,False,True"""
FACES = "\n".join(
    [
        "name\timage_id\tface_id\turl\tbbox\tsha256",
        f"Ann Ah\t1\t10\thttp://x/a\t1,2,30,40\t{'a' * 64}",
        f"Ann Ah\t2\t11\thttp://x/b\t-1,0,30,41\t{'b' * 64}",
        f"Bob Be\t3\t12\thttp://x/c\t5,6,70,80\t{'0' * 64}",
    ]
)
CLASSES = "n01440764\ttench\nn02084071\tdog, domestic dog\nfolder 3\t2\nx\t0"
IMAGES = """image,file,condition,site,network,unit,category
run1,0a.png,invariance,fc,net,fc:3,tench
photo,0b.png,natural,,,,tench
"third, image",0c.png,natural,,,,cat"""


def stated_rows(text, delimiter=","):
    """Rows of a table as a person reads them; None where they do not fit its header."""
    try:
        rows = [
            row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row
        ]
    except csv.Error:
        return None
    if not rows:
        return None
    header, *rows = rows
    if len(set(header)) < len(header) or any(len(row) != len(header) for row in rows):
        return None
    return [dict(zip(header, row, strict=True)) for row in rows]


def hold_answers(path, text):
    table = iv.load_answers(path)
    rows = stated_rows(text)
    assert rows is not None
    assert len(rows) == len(table)
    keys = [(row["participant"], float(row["session"]), float(row["trial"])) for row in rows]
    assert len(set(keys)) == len(keys)
    for row, (_, held) in zip(rows, table.iterrows(), strict=True):
        for key in ("participant", "condition", "image", "category", "answer"):
            assert held[key] == row[key] != ""
        for key in ("site", "network", "unit"):
            assert (held[key] or "") == row[key]
        for key in ("session", "trial"):
            assert held[key] == float(row[key])
        assert (
            held["rt_ms"] == float(row["rt_ms"]) if row["rt_ms"] else held["rt_ms"] != held["rt_ms"]
        )
        for key in ("correct", "excluded", "simulated"):
            assert held[key] == (row[key].lower() in ("true", "1", "1.0"))
        assert held["correct"] == (row["answer"] == row["category"])


def hold_faces(path, text):
    found = read_list(path)
    columns, stated = None, []
    for line in text.split("\n"):
        parts = [part.strip() for part in line.strip("\r\ufeff").split("\t")]
        if "sha256" in [part.lower() for part in parts]:
            columns = [part.lower() for part in parts]
        elif "".join(parts):
            names = columns or ["name", "image_id", "face_id", "url", "bbox", "sha256"]
            stated.append(dict(zip(names, parts, strict=False)))
    held = [(f.name, f.number, ",".join(map(str, f.box)), f.sha256) for f in found.faces]
    asked = []
    for row in stated[: len(held)]:
        box = ",".join(str(int(part)) for part in row["bbox"].split(","))
        asked.append((row["name"], row["face_id"], box, row["sha256"].lower()))
    assert held == asked
    assert len(stated) == len(held) + found.truncated  # nothing is left out without a word


def hold_classes(path, text):
    held = class_names(path.parent, path)
    lines = (line.strip("\ufeff \r") for line in text.splitlines())
    pairs = [line.split("\t", 1) for line in lines if line.strip()]
    assert list(held.items()) == [(a.strip(), b.strip()) for a, b in pairs]


def hold_images(path, text):
    held = [vars(one) for one in read_stimuli(path)]
    rows = stated_rows(text)
    assert rows is not None
    assert held == [{key: row[key] for key in held[0]} for row in rows]
    assert len({one["image"] for one in held}) == len(held)


FORMATS = {
    "answers": ("answers.csv", ANSWERS, ",", hold_answers),
    "faces": ("faces.txt", FACES, "\t", hold_faces),
    "classes": ("classes.tsv", CLASSES, "\t", hold_classes),
    "images": ("images.csv", IMAGES, ",", hold_images),
}
CELLS = [
    "",
    "nan",
    "NaN",
    "inf",
    "-1",
    "1.5",
    "x",
    "9" * 30,
    "1e3",
    "../a",
    "True",
    "é🙂",
    " ",
    '"',
]


def set_cell(rows, row, at, draw):
    rows[row][at] = draw(st.sampled_from(CELLS))


def swap_cells(rows, row, at, draw):
    other = draw(st.integers(0, len(rows[row]) - 1))
    for one in rows if draw(st.booleans()) else [rows[row]]:
        if max(at, other) < len(one):
            one[at], one[other] = one[other], one[at]


def repeat_row(rows, row, at, draw):
    rows.insert(draw(st.integers(0, len(rows))), list(rows[row]))


def cut_row(rows, row, at, draw):
    rows[row][at:] = []
    rows[row] = rows[row] or [""]


def drop_cell(rows, row, at, draw):
    del rows[row][at]
    rows[row] = rows[row] or [""]


def drop_rows(rows, row, at, draw):
    del rows[row + 1 :]


def add_mark(rows, row, at, draw):
    rows[0][0] = "\ufeff" + rows[0][0]


CHANGES = [set_cell, set_cell, swap_cells, repeat_row, cut_row, drop_cell, drop_rows, add_mark]


@st.composite
def mutated(draw):
    """The name of a format and a table of it in which something happened."""
    name = draw(st.sampled_from(list(FORMATS)))
    _, text, mark, _ = FORMATS[name]
    rows = [line.split(mark) for line in text.split("\n")]
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=2)):
        row = draw(st.integers(0, len(rows) - 1))
        change(rows, row, draw(st.integers(0, len(rows[row]) - 1)), draw)
    mark = draw(st.sampled_from([mark] * 6 + [",", ";", "\t", " "]))
    end = draw(st.sampled_from(["\n"] * 4 + ["\r\n", "\n\n", "\r"]))
    whole = end.join(mark.join(row) for row in rows)
    if draw(st.integers(0, 5)) == 0:
        whole = whole[: draw(st.integers(0, len(whole)))]
    return name, whole + draw(st.sampled_from(["", end]))


def check_table(case):
    name, text = case
    file, _, _, hold = FORMATS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        path.write_bytes(text.encode())
        try:
            hold(path, text.removeprefix("\ufeff"))
        except InvariscopeError as error:
            told = str(error)
        else:
            told = ""
    assert "\n" not in told
    OUTCOMES["refused" if told else "right"] += 1


@RELIABLE
@pytest.mark.parametrize("name", FORMATS)
def test_a_table_as_it_is_written_is_held(name, tmp_path):
    file, text, _, hold = FORMATS[name]
    for content in (text, text + "\n", "\ufeff" + text, text.replace("\n", "\r\n")):
        (tmp_path / file).write_bytes(content.encode())
        hold(tmp_path / file, content.removeprefix("\ufeff"))
        OUTCOMES["right"] += 1


@RELIABLE
@settings(max_examples=150, **FIXED)
@given(mutated())
def test_a_mutated_table_is_refused_or_held(case):
    check_table(case)


@RELIABLE
@pytest.mark.statistical
@settings(max_examples=2000, **FIXED)
@given(mutated())
def test_a_mutated_table_is_refused_or_held_whole(case):
    check_table(case)


@RELIABLE
@pytest.mark.parametrize("content", [b"\xff\xfe\x00a", b"", b"\0" * 40, b"\n\n", b'"'])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_no_table_is_refused_or_empty(name, content, tmp_path):
    file, _, _, hold = FORMATS[name]
    (tmp_path / file).write_bytes(content)
    try:
        hold(tmp_path / file, content.decode())
    except (InvariscopeError, UnicodeDecodeError):
        OUTCOMES["refused"] += 1
    else:
        OUTCOMES["right"] += 1
        assert not content.strip()
        assert name == "classes"


JSONS = [None, 3, "x", [], {}, [[]], float("nan"), True, {"a": 1}]


@RELIABLE
@pytest.mark.parametrize("key", sorted(json.loads(ENGLISH.read_text())))
def test_words_of_another_kind_are_refused(key, tmp_path):
    for value in JSONS:
        words = json.loads(ENGLISH.read_text(encoding="utf-8"))
        words["categories"] = {"tench": "Schleie"}
        if value != words[key]:
            words[key] = value
            path = tmp_path / "words.json"
            path.write_text(json.dumps(words))
            try:
                held = read_words(path, ["tench"], ["age"])
            except InvariscopeError:
                OUTCOMES["refused"] += 1
                continue
            OUTCOMES["right"] += 1
            assert held[key] == value
            assert isinstance(value, type(json.loads(ENGLISH.read_text())[key]))


@RELIABLE
@pytest.mark.parametrize("text", ["[" * 100_000, "", "{", '{"a":', "null", "[]", "\ufeff{}"])
def test_words_that_are_no_json_are_refused(text, tmp_path):
    (tmp_path / "words.json").write_text(text)
    with pytest.raises(InvariscopeError):
        read_words(tmp_path / "words.json", [], [])
    OUTCOMES["refused"] += 1
