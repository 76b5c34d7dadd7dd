"""A survey's answers as files: tidy tables, and a Psych-DS folder."""

import json
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from invariscope.errors import StoreError
from invariscope.store.files import make_folder
from invariscope.survey.admission import BROUGHT
from invariscope.survey.answers import (
    EXPORTED,
    RAW,
    check_answers,
    main_trials,
    participant_name,
    read_raw,
)
from invariscope.survey.database import connect
from invariscope.survey.exclusion import with_exclusions
from invariscope.survey.folder import SurveyFolder
from invariscope.survey.psychds import ABOUT, FOLDER, write_psychds
from invariscope.survey.spreadsheets import write_csv

OWN = frozenset({"answers.csv", EXPORTED, "sessions.csv", FOLDER})
IDS = "participant,session,complete,code,"  # a table of ids begins so


def export(folder: SurveyFolder, out: Path) -> pd.DataFrame:
    """Write `answers.csv`, `answers.parquet`, `sessions.csv` and `psych-ds/`.

    Args:
        folder: the survey.
        out: a folder; an earlier export there is replaced.

    Returns:
        The sessions, with why one does not count; pilot sessions are no data and left out.

    Raises:
        StoreError: nobody answered yet, or the folder holds something else.
    """
    if out.exists() and not out.is_dir():
        raise StoreError(f"{str(out)!r} is a file; expected a folder to write to")
    there = {path.name for path in out.iterdir()} if out.exists() else set()
    if there and (EXPORTED not in there or there - OWN):
        raise StoreError(f"{str(out)!r} holds something else than an export; choose another --out")
    raw, held = without_pilots(*read_raw(folder))
    if not len(held):
        raise StoreError(f"survey {str(folder.path)!r} has pilot sessions only, which are no data")
    marked, judged = with_exclusions(raw, held, folder.design.exclusion)
    tidy = check_answers(main_trials(marked))
    sessions = flat_sessions(with_presentation(judged, raw), folder.design.questions)
    part = Path(tempfile.mkdtemp(prefix=".export-", dir=make_folder(out.parent)))
    try:
        part.chmod(0o755)  # as any folder: the export is to be given away
        write_csv(tidy, part / "answers.csv")
        tidy.to_parquet(part / EXPORTED, index=False)
        write_csv(sessions, part / "sessions.csv")
        every = raw.loc[:, list(RAW)]
        write_psychds(part / FOLDER, folder, raw=every, tidy=tidy, sessions=sessions)
        shutil.rmtree(out, ignore_errors=True)
        part.rename(out)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise StoreError(f"cannot write {str(out)!r}: {error.strerror}") from error
    return sessions


def without_pilots(
    answers: pd.DataFrame, sessions: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Select the answers and sessions that are data, without pilots."""
    held = sessions.loc[~sessions["pilot"].to_numpy(bool)].reset_index(drop=True)
    kept = answers.merge(held[["participant", "session"]], on=["participant", "session"])
    return kept, held.drop(columns="pilot")


def with_presentation(sessions: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Tabulate sessions with the measured frames of images on their screens.

    Returns:
        Columns `shown_ms_low`, `shown_ms_median` and `shown_ms_high`: 5 %, half and 95 % of the
        session's presentations; missing where images were shown until the answer.
    """
    ends = {"shown_ms_low": 0.05, "shown_ms_median": 0.5, "shown_ms_high": 0.95}
    grouped = answers.groupby(["participant", "session"])["shown_ms"]
    table = pd.DataFrame({name: grouped.quantile(level) for name, level in ends.items()})
    return sessions.merge(table.reset_index(), on=["participant", "session"], how="left")


def flat_sessions(judged: pd.DataFrame, questions: tuple[str, ...]) -> pd.DataFrame:
    """Flatten sessions to a column for each property of the screen and each question."""
    screens = pd.json_normalize(judged["screen"].tolist()).reindex(
        columns=["width", "height", "ratio", "hertz", "touch"]
    )
    about = pd.DataFrame(
        {ABOUT + name: [one.get(name) for one in judged["about"]] for name in questions},
        index=range(len(judged)),
    )
    own = judged.drop(columns=["screen", "about"]).reset_index(drop=True)
    return pd.concat([own, screens, about], axis=1)


def brought(folder: SurveyFolder) -> pd.DataFrame:
    """List the id behind each session, and its completion code: to pay people, not to publish."""
    connection = connect(folder.answers)
    try:
        rows = connection.execute(
            "SELECT participant, session, brought, ended, code FROM sessions ORDER BY number"
        ).fetchall()
    finally:
        connection.close()
    ids = pd.json_normalize([json.loads(row[2]) for row in rows])
    table = pd.DataFrame(
        {
            "participant": [participant_name(row[0]) for row in rows],
            "session": [row[1] for row in rows],
            "complete": [row[3] is not None for row in rows],
            "code": [row[4] for row in rows],
        }
    )
    return pd.concat([table, ids.reindex(columns=list(BROUGHT))], axis=1)
