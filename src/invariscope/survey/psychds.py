"""A Psych-DS folder: raw and tidy CSV files with a data dictionary (psych-ds.github.io)."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.plurals import number_of
from invariscope.survey.folder import DESIGN, IMAGES, WORDS, SurveyFolder
from invariscope.survey.spreadsheets import RULE, write_csv

VERSION = "Psych-DS 1.5.1"
# What each column is, and its unit.
DICTIONARY: dict[str, tuple[str, str]] = {
    "participant": ("The person, under a name that tells nothing", ""),
    "session": ("The participant's first, second, … session", ""),
    "trial": ("Place of the trial in the session, from 0; practice and catch trials count", ""),
    "kind": ("trial: an image to name; catch: a category's name was shown; practice: before", ""),
    "condition": (
        "natural: a photo; MEI: a unit's most exciting image; else the task of a search from it",
        "",
    ),
    "site": ("The stage of the network at which the search stretched; empty where none did", ""),
    "network": ("The network whose unit the image belongs to; empty for photos", ""),
    "unit": ("That unit's address; empty for photos", ""),
    "image": ("The image: the run that found it, or the photo's file; empty for words", ""),
    "category": ("The image's true class", ""),
    "answer": ("The class that was chosen", ""),
    "correct": ("Whether the answer is the category", ""),
    "rt_ms": ("From the image's first frame to the answer; empty if simulated", "ms"),
    "shown_ms": ("How long the image was to be seen; empty: until the answer", "ms"),
    "shown_ms_low": ("5 % of the session's presentations were shorter, measured in frames", "ms"),
    "shown_ms_median": ("The median of the session's presentations, measured in frames", "ms"),
    "shown_ms_high": ("95 % of the session's presentations were shorter", "ms"),
    "by": ("How the answer was given: key, touch, mouse or pen", ""),
    "arrived": ("When the answer arrived at the server, since 1970 (UTC)", "s"),
    "excluded": ("Whether the session does not count, by the rules in materials/design.toml", ""),
    "simulated": ("Whether a network answered instead of a person", ""),
    "trials": ("Trials of the session", ""),
    "begun": ("When the session began, since 1970 (UTC)", "s"),
    "ended": ("When all answers had arrived, since 1970 (UTC); empty if they did not", "s"),
    "width": ("Width of the browser's window", "CSS pixels"),
    "height": ("Height of the browser's window", "CSS pixels"),
    "ratio": ("Screen pixels in a CSS pixel", ""),
    "hertz": ("Frames of the screen, measured; 0 if they could not be", "Hz"),
    "touch": ("Whether the main pointer was a finger", ""),
    "answers": ("Answers given", ""),
    "complete": ("Whether every trial was answered", ""),
    "catch_right": ("Share of catch trials that were right", ""),
    "fast": ("Share of answers to images that were faster than the design's fast_ms", ""),
    "same_answer": ("Share of the most frequent answer to images", ""),
    "reason": ("Why the session does not count; empty if it does", ""),
}
ABOUT = "about_"
FOLDER = "psych-ds"  # of an export
MATERIALS = "materials"  # the folder of the design, the words and the images' table


def plain_word(word: str) -> str:
    """Turn a value into a word that Psych-DS allows in a file's name: letters and digits."""
    return re.sub(r"[^A-Za-z0-9]", "", word) or "survey"


def variable(name: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a column in the data dictionary."""
    if name.startswith(ABOUT):
        label = words["questions"].get(name.removeprefix(ABOUT), {}).get("label", name)
        description, unit = f"Answer to: {label}", ""
    else:
        description, unit = DICTIONARY[name]
    entry = {"@type": "PropertyValue", "name": name, "description": description}
    return entry | ({"unitText": unit} if unit else {})


def write_psychds(
    path: Path,
    folder: SurveyFolder,
    *,
    raw: pd.DataFrame,
    tidy: pd.DataFrame,
    sessions: pd.DataFrame,
) -> None:
    """Write the folder.

    Args:
        path: of the folder, which is not there yet.
        folder: the survey.
        raw: every answer to every trial; a file a session.
        tidy: answers to images, with `excluded`.
        sessions: one row a session, with why it does not count.
    """
    title = folder.design.title or "Survey"
    study = f"study-{plain_word(title)}"
    (path / "data" / "raw").mkdir(parents=True)
    sittings: Any = raw.groupby(["participant", "session"], sort=False)
    for (participant, session), own in sittings:
        name = f"subject-{participant}_session-{session}_task-classification_data.csv"
        write_csv(own, path / "data" / "raw" / name)
    write_csv(tidy, path / "data" / f"{study}_description-answers_data.csv")
    write_csv(sessions, path / "data" / f"{study}_description-sessions_data.csv")
    columns = dict.fromkeys([*raw.columns, *tidy.columns, *sessions.columns])
    about = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": title,
        "description": _summary(folder, raw, sessions),
        "schemaVersion": VERSION,
        "keywords": ["classification", "visual perception", "neural networks"],
        "variableMeasured": [variable(name, folder.words) for name in columns],
    }
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    (path / "dataset_description.json").write_text(text, encoding="utf-8")
    (path / "README.md").write_text(_readme(title, about["description"]), encoding="utf-8")
    (path / "CHANGES.md").write_text("# Changes\n\n- Exported by invariscope.\n", encoding="utf-8")
    (path / MATERIALS).mkdir()
    for name in (DESIGN, WORDS, IMAGES):
        shutil.copyfile(folder.path / name, path / MATERIALS / name)


def _summary(folder: SurveyFolder, raw: pd.DataFrame, sessions: pd.DataFrame) -> str:
    who = (
        "Simulated participants (networks)"
        if bool(raw["simulated"].to_numpy(bool).any())
        else "People"
    )
    return (
        f"{who} chose among {number_of(len(folder.design.categories), 'category')} for each "
        f"image: {number_of(len(sessions['participant'].unique()), 'participant')}, "
        f"{number_of(len(raw), 'answer')}, practice and catch trials among them. {RULE}"
    )


def _readme(title: str, description: str) -> str:
    return (
        f"# {title}\n\n{description}\n\n"
        "- `data/raw/`: every answer of every session, nothing left out.\n"
        "- `data/…_description-answers_data.csv`: answers to images; `excluded` says what does "
        "not count.\n"
        "- `data/…_description-sessions_data.csv`: sessions, and why one does not count.\n"
        "- `dataset_description.json`: what each column is.\n"
        "- `materials/`: the design with its rules, the words that participants read, the table "
        "of images. The images themselves are not here.\n"
    )
