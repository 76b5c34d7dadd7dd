"""A small survey that no network made: flat images, three conditions, five categories."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from invariscope.survey import sessions
from invariscope.survey.database import Database
from invariscope.survey.design import parse_design, write_design
from invariscope.survey.folder import DESIGN, IMAGES, WORDS, SurveyFolder, write_stimuli
from invariscope.survey.lists import Stimulus, trials_of
from invariscope.survey.texts import write_words

CATEGORIES = ("tench", "French horn, horn", "gas pump", "golf ball", "parachute")
CELLS = (("natural", "", ""), ("MEI", "", "net"), ("invariance", "pixels", "net"))
TOKEN = "a" * 64


def stimuli_of(cells=CELLS, categories=CATEGORIES, each=2, practice=2):
    """`each` images of every category in every cell, and some for practice."""
    made = []
    for cell in (*cells, *[("practice", "", "")] * bool(practice)):
        number = practice if cell[0] == "practice" else each * len(categories)
        for k in range(number):
            category = categories[k % len(categories)]
            name = "-".join([*filter(None, cell), category, str(k // len(categories))])
            unit = f"fc:{categories.index(category)}" if cell[2] else ""
            made.append(Stimulus(name, f"{len(made):04d}.png", *cell, unit, category))
    return made


def build_survey(path, *, side=8, **settings):
    """A survey that can be served."""
    values = {"categories": list(CATEGORIES), "per_condition": 3, "practice": 2, "catch": 2}
    show = {"fixation_ms": 0, "feedback_ms": 50} | settings.pop("show", {})
    values |= {"title": "Test", "break_every": 4, "show": show} | settings
    stimuli = stimuli_of()
    (path / "images").mkdir(parents=True)
    for k, stimulus in enumerate(stimuli):
        colour = np.random.Philox(key=k).random_raw(3) % 256
        pixels = np.broadcast_to(colour.astype(np.uint8), (side, side, 3))
        Image.fromarray(np.ascontiguousarray(pixels)).save(path / "images" / stimulus.file)
    write_stimuli(path / IMAGES, stimuli)
    write_words(path / WORDS, CATEGORIES)
    words = json.loads((path / WORDS).read_text())
    words["consent"] = words["consent"][:2]  # without the paragraph that asks to be replaced
    (path / WORDS).write_text(json.dumps(words))
    write_design(path / DESIGN, parse_design(values))
    folder = SurveyFolder(path)
    folder.check()
    return folder


class Person:
    """Somebody who answers through the functions that the server calls."""

    def __init__(self, folder, database, number, who=None):
        self.folder, self.database = folder, database
        brought = {"PROLIFIC_PID": who} if who else {}
        screen = {"width": 800, "height": 600, "ratio": 1.0, "hertz": 60.0, "touch": False}
        self.session = database.write(
            lambda c: sessions.begin(
                c,
                f"{number:064d}",
                brought=brought,
                screen=screen,
                list_of=lambda k: trials_of(folder.design, folder.stimuli, k),
                now=1000.0 + number,
                most=1000,
            )
        ).result()

    def answer(self, choose=lambda trial: trial.category, *, rt_ms=700.0, most=None):
        for k, trial in enumerate(self.session.trials[:most]):
            given = sessions.SurveyAnswer(k, f"key-{k:08d}", choose(trial), rt_ms, None, "key")
            self.database.write(
                lambda c, g=given: sessions.save_answer(c, self.session.number, g, 2000.0)
            ).result()
        return self

    def finish(self, code=""):
        work = self.database.write(lambda c: sessions.finish(c, self.session, code, 3000.0))
        return work.result()


@pytest.fixture
def make_survey_folder(tmp_path):
    """Builds a survey with other settings."""

    def make(name="survey", **settings):
        return build_survey(tmp_path / name, **settings)

    return make


@pytest.fixture
def survey_folder(make_survey_folder):
    return make_survey_folder()


@pytest.fixture
def database(survey_folder):
    made = Database(survey_folder.answers)
    yield made
    made.close()


@pytest.fixture
def person(survey_folder, database):
    """Makes people who take part."""

    def make(number, who=None):
        return Person(survey_folder, database, number, who)

    return make


@pytest.fixture(scope="session")
def make_stimuli():
    return stimuli_of


@pytest.fixture
def stored():
    """What a survey's database holds."""

    def read(folder, query):
        with closing(sqlite3.connect(folder.answers)) as connection:
            return connection.execute(query).fetchall()

    return read
