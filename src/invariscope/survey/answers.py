"""Answers as tables: a row an answer, a person's or a network's."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow import ArrowInvalid

from invariscope.analysis.people import COLUMNS
from invariscope.errors import InputError, StoreError
from invariscope.store.csv_text import read_csv_text
from invariscope.survey.admission import pilot_sessions
from invariscope.survey.database import connect
from invariscope.survey.exclusion import with_exclusions
from invariscope.survey.folder import SurveyFolder, open_survey
from invariscope.survey.lists import Stimulus, SurveyTrial
from invariscope.survey.published_answers import published_files, read_published
from invariscope.survey.spreadsheets import unquoted

WORDS = ("participant", "condition", "site", "network", "unit", "image", "category", "answer")
NUMBERS = ("session", "trial")
TRUTHS = ("correct", "excluded", "simulated")
OPTIONAL = ("site", "network", "unit")  # missing for photos
# The raw table's: every trial, practice and catch trials too, before anything is left out.
RAW = (
    *("participant", "session", "trial", "kind", *COLUMNS[3:12]),
    *("shown_ms", "by", "arrived", "simulated"),
)
SESSIONS = ("participant", "session", "trials", "begun", "ended", "screen", "about", "pilot")
EXPORTED = "answers.parquet"
MOST = 2**53  # beyond, a float holds no every whole number


def participant_name(number: int) -> str:
    """Name a participant without a word about the person."""
    return f"p{number:04d}"


def row_of(trial: SurveyTrial, stimuli: dict[str, Stimulus], answer: str) -> dict[str, Any]:
    """Describe the trial of an answer as columns."""
    shown = stimuli.get(trial.image)
    return {
        "kind": trial.kind,
        "condition": shown.condition if shown else trial.kind,
        "site": (shown.site or None) if shown else None,
        "network": (shown.network or None) if shown else None,
        "unit": (shown.unit or None) if shown else None,
        "image": trial.image or None,
        "category": trial.category,
        "answer": answer,
        "correct": answer == trial.category,
    }


def read_raw(folder: SurveyFolder) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read every answer of people, and every session.

    Returns:
        Tables with the columns `RAW` and `SESSIONS`; `trials` is the length of a session's list,
        times are seconds since 1970.

    Raises:
        StoreError: nobody answered yet.
    """
    if not folder.answers.exists():
        raise StoreError(f"survey {str(folder.path)!r} has no answers yet")
    stimuli = {s.image: s for s in folder.stimuli}
    with closing(connect(folder.answers)) as connection:
        held = connection.execute(
            "SELECT number, participant, session, list, begun, ended, screen, about FROM sessions"
            " ORDER BY participant, session"
        ).fetchall()
        given = connection.execute(
            "SELECT number, trial, answer, rt_ms, shown_ms, by, arrived FROM answers"
            " ORDER BY number, trial"
        ).fetchall()
        pilots = pilot_sessions(connection)
    lists = {row[0]: [SurveyTrial(*trial) for trial in json.loads(row[3])] for row in held}
    who = {row[0]: {"participant": participant_name(row[1]), "session": row[2]} for row in held}
    rows = [
        {
            **who[number],
            "trial": trial,
            **row_of(lists[number][trial], stimuli, answer),
            "rt_ms": rt_ms,
            "shown_ms": shown_ms,
            "by": by,
            "arrived": arrived,
            "simulated": False,
        }
        for number, trial, answer, rt_ms, shown_ms, by, arrived in given
    ]
    sessions = [
        {
            **who[number],
            "trials": len(lists[number]),
            "begun": begun,
            "ended": ended,
            "screen": json.loads(screen),
            "about": json.loads(about or "{}"),
            "pilot": number in pilots,
        }
        for number, _, _, _, begun, ended, screen, about in held
    ]
    answers = pd.DataFrame(rows, columns=list(RAW))
    answers["shown_ms"] = answers["shown_ms"].astype(float)
    return answers, pd.DataFrame(sessions, columns=list(SESSIONS))


def load_answers(path: str | Path) -> pd.DataFrame:
    """Read the answers of a survey, people's or simulated, or published answers of people.

    Args:
        path: a survey's folder (people's answers, as they are now); a folder that `survey export`
            wrote; a table of this form, .csv or .parquet; or answers in the layout of Geirhos et
            al.'s raw data, a file or a folder of them (`survey.published_answers`).

    Returns:
        One row an answer to an image, in the columns `participant` `session` `trial` `condition`
        `site` `network` `unit` `image` `category` `answer` `correct` `rt_ms` `excluded`
        `simulated`; `site`, `network` and `unit` are missing for photos, `rt_ms` for simulated
        answers. Nothing is left out: `excluded` says what does not count. Practice and catch
        trials are in the export only.

    Raises:
        StoreError: there is nothing to read, or it cannot be read.
        InputError: a table of another form.

    Example:
        >>> from pathlib import Path
        >>> import invariscope as iv
        >>> columns = "participant,session,trial,condition,site,network,unit,image,category,answer"
        >>> columns += ",correct,rt_ms,excluded,simulated"
        >>> row = "p1,1,1,natural,,,,cat.png,cat,cat,True,640,False,False"
        >>> _ = Path("answers.csv").write_text(columns + chr(10) + row + chr(10))
        >>> float(iv.load_answers("answers.csv")["correct"].mean())
        1.0
    """
    place = Path(path)
    if place.is_dir() and (place / EXPORTED).exists():
        place /= EXPORTED
    files = published_files(place)
    if files:
        return check_answers(read_published(files), repr(str(place)))
    if place.suffix in (".csv", ".parquet"):
        return check_answers(_table(place), repr(str(place)))
    folder = open_survey(place)
    answers, sessions = read_raw(folder)
    counted, _ = with_exclusions(answers, sessions, folder.design.exclusion)
    return check_answers(main_trials(counted))


def main_trials(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that are neither practice nor catch, in the public columns."""
    own = answers.loc[(answers["kind"] == "trial").to_numpy(bool), list(COLUMNS)]
    return own.reset_index(drop=True)


def _table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return unquoted(read_csv_text(path))
    except FileNotFoundError as error:
        raise StoreError(f"no file {str(path)!r}; `survey export` writes one") from error
    except (InputError, StoreError):
        raise
    except (OSError, ArrowInvalid, ValueError) as error:
        raise StoreError(f"{str(path)!r} cannot be read as a table: {error}") from error


def check_answers(table: pd.DataFrame, name: str = "the table") -> pd.DataFrame:
    """Check a table of answers and convert the public columns to their own types.

    Raises:
        InputError: a column is missing or of another kind, a trial is answered twice, or
            `correct` is not whether `answer` is `category`.
    """
    missing = [column for column in COLUMNS if column not in table]
    if len(table.columns) == 1 and {*str(table.columns[0])} & {*";\t"}:
        raise InputError(f"{name} is not separated by commas; save it as comma-separated text")
    if missing:
        raise InputError(f"{name} lacks the column {missing[0]!r}; expected {', '.join(COLUMNS)}")
    own = table.loc[:, list(COLUMNS)].reset_index(drop=True)
    for column in WORDS:
        _words(own, column, name)
    for column in NUMBERS:
        values = _numbers(own[column], f"{name}: column {column!r}")
        if not ((values % 1 == 0) & (values >= 0) & (values < MOST)).all():
            raise InputError(f"{name}: column {column!r} holds something else than whole numbers")
        own[column] = values.astype("int64")
    own["rt_ms"] = _numbers(own["rt_ms"], f"{name}: column 'rt_ms'")
    if (own["rt_ms"].to_numpy(float) < 0).any():
        raise InputError(f"{name}: column 'rt_ms' holds a time below 0")
    for column in TRUTHS:
        own[column] = _truths(own[column], f"{name}: column {column!r}")
    twice = np.flatnonzero(own.duplicated(["participant", *NUMBERS]).to_numpy(bool))
    if len(twice):
        row = own.iloc[twice[0]]
        raise InputError(
            f"{name}: row {twice[0] + 1} answers trial {row['trial']} of session {row['session']} "
            f"of {row['participant']!r} again; expected each once"
        )
    right = own["answer"].to_numpy(object) == own["category"].to_numpy(object)
    wrong = np.flatnonzero(own["correct"].to_numpy(bool) != right)
    if len(wrong):
        raise InputError(
            f"{name}: row {wrong[0] + 1} says correct = {not right[wrong[0]]}, against its answer "
            "and category"
        )
    return own


def _numbers(values: pd.Series, name: str) -> NDArray[np.float64]:
    """Read the numbers of a column; empty entries are missing."""
    empty = values.isna().to_numpy(bool) | (values.astype(object) == "").to_numpy(bool)
    numbers = np.full(len(values), np.nan)
    try:
        numbers[~empty] = np.asarray(values.to_numpy(object)[~empty], dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} holds something else than numbers") from error
    if np.isinf(numbers).any() or np.isnan(numbers[~empty]).any():
        raise InputError(f"{name} holds something else than finite numbers")
    return numbers


def _words(table: pd.DataFrame, column: str, name: str) -> None:
    values = table[column].astype(object)
    values = values.where(values.notna() & (values != ""), None)
    if column not in OPTIONAL and None in values.tolist():
        raise InputError(f"{name}: column {column!r} is empty in a row")
    table[column] = values


def _truths(values: pd.Series, name: str) -> pd.Series:
    words = values.astype(str).str.lower()
    known: Sequence[str] = ("true", "1", "1.0", "false", "0", "0.0")
    if not words.isin(known).all():
        raise InputError(f"{name} holds something else than true and false")
    return words.isin(known[:3])
