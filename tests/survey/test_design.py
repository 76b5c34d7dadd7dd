"""The design and the words as files that a person reads and changes."""

import json

import pytest

from invariscope.errors import InputError, StoreError
from invariscope.survey.design import parse_design, read_design, write_design
from invariscope.survey.folder import SurveyFolder, open_survey
from invariscope.survey.texts import ENGLISH, read_words

GOOD = {"categories": ["a", "b", "c"], "per_condition": 2}


def test_a_design_reads_back_as_it_was_written(tmp_path):
    design = parse_design({**GOOD, "show": {"presentation_ms": 150, "mask": "noise"}, "seed": 7})
    write_design(tmp_path / "design.toml", design)
    assert read_design(tmp_path / "design.toml") == design
    assert "presentation_ms = 150" in (tmp_path / "design.toml").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"categories": ["a"]}, "1 category; expected 2 to 26"),
        ({"categories": ["a", "a"]}, "named twice"),
        ({"per_condition": 0}, "per_condition"),
        ({"per_conditions": 3}, "did you mean 'per_condition'"),
        ({"show": {"presentation_ms": 60}}, "at least 100"),
        ({"show": {"mask": "noise"}}, "give presentation_ms"),
        ({"completion": {"link": "javascript:alert(1)"}}, "expected https://"),
        ({"exclusion": {"catch": 1.5}}, "exclusion.catch"),
    ],
)
def test_a_design_that_cannot_be_is_one_sentence(change, said):
    with pytest.raises(InputError, match=said):
        parse_design({**GOOD, **change})


def test_a_missing_survey_says_how_to_make_one(tmp_path):
    with pytest.raises(StoreError, match="survey make"):
        open_survey(tmp_path)
    with pytest.raises(StoreError, match="survey make"):
        read_design(tmp_path / "design.toml")


def test_the_english_words_are_complete_and_the_names_short(survey_folder):
    words = survey_folder.words
    assert words["categories"]["French horn, horn"] == "French horn"
    assert words["consent"] == json.loads(ENGLISH.read_text())["consent"][:2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("start"), "lacks the text 'start'"),
        (lambda w: w.update(strat="Go"), "did you mean 'start'"),
        (lambda w: w.update(progress="Bild {nummer}"), "needs the places {number}, {all}"),
        (lambda w: w.update(consent="one text"), "not a list of paragraphs"),
        (lambda w: w.update(start=3), "'start' is not a text"),
        (lambda w: w["categories"].pop("tench"), "no name for category 'tench'"),
        (lambda w: w["questions"].pop("age"), "unknown question"),
        (lambda w: w["questions"]["age"].update(kind="date"), "question 'age' needs"),
    ],
)
def test_words_that_do_not_fit_are_one_sentence(survey_folder, change, said):
    path = survey_folder.path / "words.json"
    words = json.loads(path.read_text())
    change(words)
    path.write_text(json.dumps(words))
    with pytest.raises(InputError, match=said):
        read_words(path, survey_folder.design.categories, survey_folder.design.questions)


def test_the_experimenters_token_is_private_and_stays(survey_folder, monkeypatch):
    monkeypatch.delenv("INVARISCOPE_SURVEY_TOKEN", raising=False)
    token = survey_folder.token()
    assert len(token) >= 32
    assert survey_folder.token() == token
    assert (survey_folder.path / "token").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("INVARISCOPE_SURVEY_TOKEN", "short")
    with pytest.raises(InputError, match="has 5 characters"):
        survey_folder.token()


def test_a_survey_whose_images_are_missing_does_not_begin(survey_folder):
    next((survey_folder.path / "images").iterdir()).unlink()
    with pytest.raises(StoreError, match="is missing"):
        SurveyFolder(survey_folder.path).check()


def test_only_one_process_serves_a_survey(survey_folder):
    with survey_folder.alone(), pytest.raises(StoreError, match="another process"):  # noqa: SIM117
        with survey_folder.alone():
            pass
