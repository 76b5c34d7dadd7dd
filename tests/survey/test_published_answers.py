"""Published answers: the layout, its faults, and the figures that the data are known for."""

import csv
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import invariscope as iv
from invariscope.analysis.shape_bias import cues, shape_bias
from invariscope.analysis.sixteen_categories import (
    CategoryReadout,
    category_scores,
    class_numbers,
)
from invariscope.cli import people as people_command
from invariscope.cli.app import run
from invariscope.errors import InputError
from invariscope.survey.compare import compare_people, find_images
from invariscope.survey.export import export
from invariscope.survey.published_answers import PUBLISHED

HEAD = "subj,Session,trial,rt,object_response,category,condition,imagename\n"
ROWS = [
    ("subject-01", "cat", "cat", "cat1-dog2"),
    ("subject-01", "dog", "cat", "cat2-dog1"),
    ("subject-01", "na", "bird", "bird1-bird2"),
    ("subject-02", "cat", "cat", "cat1-dog2"),
    ("subject-02", "cat", "cat", "cat2-dog1"),
    ("subject-02", "bird", "bird", "bird1-bird2"),
]


def lines(rows=ROWS, code="cc"):
    numbers = dict.fromkeys((row[0] for row in rows), 0)
    for who, answer, category, image in rows:
        numbers[who] += 1
        k = numbers[who]
        name = f"{k:04d}_{code}_s01_0_{category}_00_{image}.png"
        yield f"{who},1,{k},{'NaN' if answer == 'na' else 0.5},{answer},{category},0,{name}\n"


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "answers" / "cue-conflict"
    folder.mkdir(parents=True)
    for who in ("subject-01", "subject-02"):
        own = [line for line in lines() if line.startswith(who)]
        (folder / f"cue-conflict_{who}_session_1.csv").write_text(HEAD + "".join(own))
    images = tmp_path / "cue_conflict"
    images.mkdir()
    for k, (_, _, _, image) in enumerate(ROWS[:3]):
        Image.new("RGB", (8, 8), (80 * k, 10, 10)).save(images / f"{image}.jpg")
    return tmp_path


class Constant(nn.Module):
    """Sees a tabby everywhere."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3 * 8 * 8, 1000)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)
        self.fc.bias.data[281] = 5.0

    def forward(self, images):
        return self.fc(images.flatten(1))


@pytest.fixture
def network():
    return iv.NetworkSubject(Constant().eval(), image_size=8, mean=0.0, std=1.0, name="tabby")


def test_the_layout_is_read_whatever_the_order_of_columns(published):
    table = iv.load_answers(published / "answers")
    assert table["participant"].unique().tolist() == [
        "cue-conflict subject-01",
        "cue-conflict subject-02",
    ]
    assert table["condition"].unique().tolist() == ["cue-conflict"]
    assert table["trial"].tolist() == [0, 1, 2] * 2
    assert table["answer"].tolist() == [row[1] for row in ROWS]
    assert table["correct"].tolist() == [row[1] == row[2] for row in ROWS]
    assert np.isnan(table["rt_ms"][2])
    assert table["rt_ms"][0] == 500
    for path in (published / "answers").rglob("*.csv"):
        other = pd.read_csv(path, dtype=str, keep_default_na=False)[[*reversed(PUBLISHED_COLUMNS)]]
        other.to_csv(path, index=False)
    pd.testing.assert_frame_equal(iv.load_answers(published / "answers"), table)


PUBLISHED_COLUMNS = [name if name != "session" else "Session" for name in PUBLISHED]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace(",dog,cat", ",wolf,cat"), r"1 answer .*'wolf' \(1\)"),
        (lambda text: text + text.splitlines()[1] + "\n", "1 trial there twice, such as"),
        (lambda text: text.replace("0002_cc", "0002_edg"), r"several: 'cc' \(5\), 'edg' \(1\)"),
        (lambda text: text.replace(",1,2,", ",1,two,"), "1 row whose 'trial' is no number"),
        (lambda text: text.replace("0002_cc_s01_0_cat_00_", ""), "1 row whose image has another"),
        (lambda text: text.replace(",1,1,", ",1,0,"), "1 row whose 'trial' is no number from 1"),
        (lambda text: text.replace("_0_cat_00_cat2", "_0_dog_00_cat2"), "1 row whose category is"),
        (lambda text: text.replace("_s01_0_cat", "_s01_c5_cat"), "2 rows whose condition is not"),
        (lambda text: text.replace(",0.5,", ',"0,5",'), "2 rows whose 'rt' is no number of sec"),
        (lambda text: text.replace(",0.5,", ",500,"), "above 500; expected seconds"),
        (lambda text: text.splitlines()[0] + "\n", "holds no answers"),
        (lambda text: text.replace(",", ";"), "lacking in 1 of 2 tables "),
        (lambda text: text.replace("subj,", "who,"), "lacking in 1 of 2 tables "),
        (lambda text: "", "lacking in 1 of 2 tables "),
    ],
    ids=[
        *("unknown category", "duplicate trial", "two experiments", "no number", "image's name"),
        *("from 0", "category", "condition", "decimal comma", "milliseconds", "head alone"),
        *("semicolons", "another column", "empty file"),
    ],
)
def test_faults_are_named_and_counted(published, change, words):
    path = next((published / "answers").rglob("*subject-01*.csv"))
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=words):
        iv.load_answers(published / "answers")


@pytest.mark.parametrize("kind", ["quoted", "crlf", "bom", "index"])
def test_other_ways_to_write_the_same_table_change_nothing(published, kind):
    expected = iv.load_answers(published / "answers")
    path = next((published / "answers").rglob("*subject-01*.csv"))
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    text = {
        "quoted": table.to_csv(index=False, quoting=csv.QUOTE_ALL),
        "crlf": table.to_csv(index=False, lineterminator="\r\n"),
        "bom": "\ufeff" + table.to_csv(index=False),
        "index": table.to_csv(),
    }[kind]
    path.write_text(text, newline="")
    pd.testing.assert_frame_equal(iv.load_answers(published / "answers"), expected)


def test_a_file_that_does_not_name_its_experiment_is_refused(published):
    path = next((published / "answers").rglob("*subject-01*.csv"))
    path.rename(path.with_name("answers.csv"))
    with pytest.raises(InputError, match="does not name its experiment"):
        iv.load_answers(published / "answers")


def test_answers_that_name_no_category_are_counted(published, network):
    answers = iv.load_answers(published / "answers")
    files = find_images(answers, published)
    notes = compare_people(answers, network, files).notes
    assert notes == ("1 answer outside the 16 categories, taken as wrong: 'na' (1)",)


def test_shape_bias_leaves_out_images_whose_cues_agree(published):
    found = shape_bias(iv.load_answers(published / "answers"))
    assert (found["shape"], found["texture"], found["trials"]) == (3, 1, 4)
    assert found["bias"] == 0.75
    with pytest.raises(InputError, match="no shape and texture"):
        cues("n0123_45")


def test_a_network_is_compared_at_the_same_images(published, network):
    answers = iv.load_answers(published / "answers")
    found = compare_people(answers, network, find_images(answers, published))
    assert found.answers["answer"].tolist() == ["cat"] * 3
    own = found.accuracy.set_index("observer")["accuracy"]
    assert own["people"] == pytest.approx(4 / 6)
    assert own["tabby"] == pytest.approx(2 / 3)
    assert found.bias.set_index("observer")["bias"]["tabby"] == 1.0
    assert found.notes == ("1 answer outside the 16 categories, taken as wrong: 'na' (1)",)


def test_missing_images_are_counted_and_left_out(published, network):
    (published / "cue_conflict" / "cat2-dog1.jpg").unlink()
    answers = iv.load_answers(published / "answers")
    found = compare_people(answers, network, find_images(answers, published / "cue_conflict"))
    assert found.notes[0] == (
        "cue-conflict: 1 image missing, such as 'cat2-dog1'; 2 answers left out"
    )
    (published / "none").mkdir()
    with pytest.raises(InputError, match="none of the 3 images"):
        compare_people(answers, network, find_images(answers, published / "none"))


def test_what_is_simulated_is_never_called_people(published, network):
    answers = iv.load_answers(published / "answers").assign(simulated=True)
    with pytest.raises(InputError, match="simulated"):
        compare_people(answers, network, find_images(answers, published))


def test_images_of_two_experiments_with_one_name_are_not_mixed_up(published):
    answers = iv.load_answers(published / "answers")
    (published / "edge").mkdir()
    Image.new("RGB", (8, 8)).save(published / "edge" / "cat2-dog1.png")
    found = find_images(answers, published)
    assert {path.parent.name for path in found.values()} == {"cue_conflict"}
    (published / "cue_conflict").rename(published / "others")
    with pytest.raises(InputError, match="2 files"):
        find_images(answers, published)


def test_a_network_of_other_classes_is_refused(published, capsys):
    line = ["people", "compare", str(published / "answers"), "embedded:standard"]
    assert run([*line, "--images", str(published)]) == 2
    assert "ImageNet's 1000 classes" in capsys.readouterr().err
    assert run(line) == 2
    assert "--images" in capsys.readouterr().err


def test_a_category_is_the_mean_probability_of_its_classes():
    assert sum(map(len, class_numbers().values())) == 207
    assert list(class_numbers()) == sorted(class_numbers())
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 1000)) * 3)
    found = category_scores(logits)
    for row in range(3):
        exps = [np.exp(x) for x in logits[row].tolist()]
        for k, numbers in enumerate(class_numbers().values()):
            plain = sum(exps[n] / sum(exps) for n in numbers) / len(numbers)
            assert float(found[row, k]) == pytest.approx(plain)


def test_classes_of_another_order_are_refused(network):
    network.classes = tuple(f"class {k}" for k in range(1000))
    with pytest.raises(InputError, match="usual order"):
        CategoryReadout.of(network, ["cat", "dog"])


SHARED = Path(os.environ.get("INVARISCOPE_SHARED", "no folder"))
PEOPLE = SHARED / "data" / "people.zip"


@pytest.mark.skipif(not PEOPLE.exists(), reason="no published answers in $INVARISCOPE_SHARED")
def test_peoples_shape_bias_is_the_published_one(tmp_path):
    import zipfile

    with zipfile.ZipFile(PEOPLE) as file:
        names = [name for name in file.namelist() if re.search(r"cue-conflict_.*csv$", name)]
        file.extractall(tmp_path, names)
    answers = iv.load_answers(next(tmp_path.rglob("answers")))
    found = shape_bias(answers)
    assert round(found["bias"], 3) == 0.959
    # The slow twin: line by line, from the names alone.
    shape = texture = 0
    for path in tmp_path.rglob("*.csv"):
        for line in path.read_text().splitlines()[1:]:
            answer, image = line.split(",")[4], line.rsplit("_", 1)[1]
            one, two = (re.sub(r"\d.*", "", word) for word in image.split("-"))
            shape += one != two and answer == one
            texture += one != two and answer == two
    assert (found["shape"], found["texture"]) == (shape, texture)
    assert len(answers) == 12_800


class Unlike(nn.Module):
    """Prefers its units in a fixed order, whatever it sees."""

    def __init__(self, order, units):
        super().__init__()
        self.fc = nn.Linear(3 * 8 * 8, units)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)
        for rank, unit in enumerate(order):
            self.fc.bias.data[unit] = 10.0 - rank

    def forward(self, images):
        return self.fc(images.flatten(1))


def unlike(*order, units, **options):
    return iv.NetworkSubject(
        Unlike(order, units).eval(), image_size=8, mean=0.0, std=1.0, name="unlike", **options
    )


@pytest.mark.parametrize(
    "classes", [("truck", "cat", "bird", "dog"), tuple(class_numbers())[::-1]], ids=["4", "16"]
)
def test_a_network_with_the_categories_as_classes_is_read_by_their_names(published, classes):
    answers = iv.load_answers(published / "answers")
    own = unlike(classes.index("bird"), units=len(classes), classes=classes)
    found = compare_people(answers, own, find_images(answers, published))
    assert found.answers["answer"].tolist() == ["bird"] * 3
    assert len(found.notes) == 1


def test_units_without_names_are_taken_by_order_and_told(published):
    answers = iv.load_answers(published / "answers")
    own = unlike(1, units=2)
    found = compare_people(answers, own, find_images(answers, published))
    assert found.answers["answer"].tolist() == ["cat"] * 3
    assert found.notes[-1] == (
        "unlike names no classes: its 2 units at 'fc' are taken for the categories in this order: "
        "bird, cat"
    )


def test_a_network_chooses_from_what_people_chose_from(published):
    """Of ImageNet's classes too: what people could not answer is no answer of the network's."""
    answers = iv.load_answers(published / "answers")
    answers = answers.loc[answers["answer"] != "na"]
    truck, tabby, goldfinch = 867, 281, 11
    own = unlike(truck, tabby, goldfinch, units=1000)
    files = find_images(answers, published)
    assert compare_people(answers, own, files).answers["answer"].tolist() == ["truck"] * 3
    chosen = compare_people(answers, own, files, ["bird", "cat", "dog"])
    assert chosen.answers["answer"].tolist() == ["cat"] * 3
    assert chosen.notes == ()


@pytest.mark.parametrize("place", ["survey", "export", "table"])
def test_a_surveys_design_says_what_people_chose_from(
    place, person, database, survey_folder, tmp_path, monkeypatch
):
    person(0).answer(most=4)  # too few to be shown every category
    database.close()
    export(survey_folder, tmp_path / "out")
    asked = {
        "survey": survey_folder.path,
        "export": tmp_path / "out",
        "table": tmp_path / "out" / "answers.csv",
    }[place]
    given = []

    def compare(answers, subject, files, categories=()):
        given.append(categories)
        raise InputError("enough")

    monkeypatch.setattr(people_command, "compare_people", compare)
    images = str(survey_folder.path / "images")
    assert run(["people", "compare", str(asked), "embedded:standard", "--images", images]) == 2
    assert given == [survey_folder.design.categories]
