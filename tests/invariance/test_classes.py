"""Class folders and readout units, matched by name, by table, by number or by order."""

import pytest

from invariscope.errors import InputError
from invariscope.invariance.classes import class_names, classifier

CLASSES = ("a", "b", "c", "d", "e")


@pytest.fixture
def named(conv_subject):
    conv_subject.classes = ("tench, Tinca tinca", "gas pump", "crane", "crane", "chain_saw")
    return conv_subject


def test_without_names_the_order_counts_where_there_are_as_many(conv_subject):
    readout = classifier(conv_subject, CLASSES)
    assert (readout.site, readout.units) == ("fc", 5)
    assert readout.targets.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="class 'a' is none, or not one alone, of the 5 units"):
        classifier(conv_subject, CLASSES[:4])


@pytest.mark.parametrize(
    ("name", "unit"),
    [("tench", 0), ("Tench, tinca TINCA", 0), ("Gas_Pump", 1), ("chain saw", 4)],
)
def test_names_match_apart_from_capitals_underscores_and_synonyms(named, name, unit):
    assert classifier(named, [name]).targets.tolist() == [unit]


def test_a_name_that_two_units_have_needs_a_number(named):
    with pytest.raises(InputError, match="'crane' is none, or not one alone"):
        classifier(named, ["crane"])
    assert classifier(named, ["crane"], names={"crane": "3"}).targets.tolist() == [3]
    with pytest.raises(InputError, match=r"'crane' \('5'\)"):
        classifier(named, ["crane"], names={"crane": "5"})


def test_an_unknown_name_tells_the_nearest_and_the_way_out(named):
    with pytest.raises(InputError, match=r"did you mean 'gas pump'\? Give a table \(classes.tsv"):
        classifier(named, ["gaspump"])
    with pytest.raises(InputError, match="needs classes"):
        classifier(named, [])
    with pytest.raises(InputError, match="unknown site 'fd'"):
        classifier(named, ["tench"], site="fd")


def test_a_table_is_found_in_the_folder_or_beside_it(tmp_path, named):
    folder = tmp_path / "val"
    folder.mkdir()
    assert class_names(folder) == {}
    beside = tmp_path / "classes.tsv"
    beside.write_text("n02\tgas pump\n\nn01\ttench\n", encoding="utf-8-sig")
    names = class_names(folder)
    assert names == {"n02": "gas pump", "n01": "tench"}
    assert classifier(named, ["n01", "n02"], names=names).targets.tolist() == [0, 1]
    (folder / "classes.tsv").write_text("n01\t4\n")
    assert class_names(folder) == {"n01": "4"}
    assert class_names(folder, beside) == names


@pytest.mark.parametrize("text", ["n01 tench", "n01\t", "\ttench", "n01\ta\nn01\tb"])
def test_lines_that_do_not_name_a_class_once_are_refused(tmp_path, text):
    (tmp_path / "classes.tsv").write_text(text)
    with pytest.raises(InputError, match="expected a class folder that was not named before"):
        class_names(tmp_path)


def test_a_table_that_is_asked_for_must_be_there_and_be_text(tmp_path):
    with pytest.raises(InputError, match="no file"):
        class_names(tmp_path, tmp_path / "other.tsv")
    (tmp_path / "classes.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as text"):
        class_names(tmp_path)


IDS = ("n01440764", "n02102040", "n02979186", "n03000684", "n03028079")
WORDS = ("tench", "English springer", "cassette player", "chain saw", "church")


def test_ids_match_although_a_table_gives_words(conv_subject):
    conv_subject.classes = IDS
    table = dict(zip(IDS, WORDS, strict=True))
    found = classifier(conv_subject, IDS[::-1], names=table)
    assert found.targets.tolist() == [4, 3, 2, 1, 0]
    assert found.matched == "classes matched: 5 by WordNet id"
    other = classifier(conv_subject, ["church", "Tench"], names=table)
    assert (other.targets.tolist(), other.matched) == (
        [4, 0],
        "classes matched: 2 by the table's id",
    )


def test_words_match_by_the_table_and_by_themselves(conv_subject):
    conv_subject.classes = WORDS
    table = dict(zip(IDS[:3], WORDS[:3], strict=True)) | {"n03028079": "4"}
    found = classifier(conv_subject, ["n02102040", "chain_saw", "n03028079"], names=table)
    assert found.targets.tolist() == [1, 3, 4]
    assert found.matched == (
        "classes matched: 1 by the table's name, 1 by the folder's name, "
        "1 by the table's unit number"
    )


def test_folders_that_are_numbers_are_units_and_never_an_order_of_words(conv_subject):
    names = ["0", "1", "2", "3", "4"]
    assert classifier(conv_subject, names).targets.tolist() == [0, 1, 2, 3, 4]
    assert classifier(conv_subject, ["03", "1"]).targets.tolist() == [3, 1]
    with pytest.raises(InputError, match="class '10' is none"):  # sorted: 1, 10, 2, 3, 4
        classifier(conv_subject, ["1", "10", "2", "3", "4"])
    conv_subject.classes = ("4", "3", "2", "1", "0")  # a name goes before a number
    assert classifier(conv_subject, names).targets.tolist() == [4, 3, 2, 1, 0]


def test_a_table_number_beyond_the_units_is_not_mended_by_a_name(named):
    with pytest.raises(InputError, match=r"'tench' \('99'\)"):
        classifier(named, ["tench"], names={"tench": "99"})


def test_class_names_are_not_those_of_a_site_of_another_width(conv_subject):
    conv_subject.classes = WORDS[:4]
    with pytest.raises(InputError, match="names 4 classes, so not these units"):
        classifier(conv_subject, ["tench"])
    with pytest.raises(InputError, match="names 4 classes, so not these units"):
        classifier(conv_subject, list("abcde"))  # nor do five folders go by order
    assert classifier(conv_subject, ["3"]).targets.tolist() == [3]
