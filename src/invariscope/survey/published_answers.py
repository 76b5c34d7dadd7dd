"""Published answers of people, in the layout of Geirhos et al.'s raw data.

`<experiment>/<experiment>_<subject>_session_<n>.csv` with the columns `subj`, `session`, `trial`,
`rt` (seconds), `object_response`, `category`, `condition` and `imagename`, in any order.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.people import COLUMNS
from invariscope.analysis.sixteen_categories import class_numbers
from invariscope.errors import InputError, StoreError
from invariscope.plurals import number_of

PUBLISHED = (
    *("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename"),
)
NO_ANSWER = "na"
# imagename: trial, experiment's code, subject's code, condition, category, a number, the image.
CODE, CONDITION, CATEGORY, IMAGE = 1, 3, 4, 6
SLOWEST = 60.0  # seconds; people had 1.5 to answer, so a larger median is of another unit


def is_published(columns: Sequence[str]) -> bool:
    """Test if a table has the columns of the published layout."""
    return set(PUBLISHED) <= {name.strip().casefold() for name in columns}


def published_files(folder: Path) -> list[Path]:
    """List the tables of the published layout in a folder or its experiments' folders, sorted.

    A file of that layout stands for itself.

    Raises:
        InputError: some tables of a folder are of that layout and some are not: what they hold
            would be left out without a word.
    """
    if folder.is_file():
        return [folder] if folder.suffix == ".csv" and is_published(_columns(folder)) else []
    patterns = ("*.csv", "*/*.csv", "answers/*/*.csv")
    tables = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    found = [path for path in tables if is_published(_columns(path))]
    others = [path for path in tables if path not in found]
    if found and others:
        raise InputError(
            f"columns of the published layout are lacking in {len(others)} of "
            f"{number_of(len(tables), 'table')} below {str(folder)!r}, such as "
            f"{str(others[0].relative_to(folder))!r}; expected {', '.join(PUBLISHED)}, separated "
            "by commas, in UTF-8; mend them or take them away"
        )
    return found


def _columns(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def read_published(files: Sequence[Path]) -> pd.DataFrame:
    """Read published answers, in the form of `load_answers`.

    Returns:
        One row an answer. `participant` is `<experiment> <subject>`, since names of subjects are
        used again in each experiment; `condition` is `<experiment> <condition>`, or the experiment
        alone where it has but one; an answer that was not given in time is `na`, and wrong.

    Raises:
        StoreError: a file that cannot be read.
        InputError: unknown categories, trials that are there twice, images of two experiments
            under one name, names and columns that disagree, or times that are no seconds: each
            named and counted.
    """
    tables = [_read(path) for path in files]
    own = pd.concat(tables, ignore_index=True)
    _check_categories(own)
    _check_experiments(own)
    _check_twice(own)
    only = own.groupby("experiment")["condition"].transform("nunique") == 1
    made = pd.DataFrame(
        {
            "participant": own["experiment"] + " " + own["subj"],
            "session": own["session"].astype("int64"),
            "trial": own["trial"].astype("int64") - 1,
            "condition": own["experiment"] + (" " + own["condition"]).mask(only, ""),
            "image": own["image"],
            "category": own["category"],
            "answer": own["object_response"],
            "correct": own["object_response"] == own["category"],
            "rt_ms": 1000 * np.asarray(pd.to_numeric(own["rt"], errors="coerce"), float),
            "excluded": False,
            "simulated": False,
        }
    )
    return made.assign(site=None, network=None, unit=None).reindex(columns=list(COLUMNS))


def _read(path: Path) -> pd.DataFrame:
    """Read a file, columns by name, with `experiment`, `code` and `image`."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise StoreError(f"{str(path)!r} cannot be read as a table: {error}") from error
    table.columns = [name.strip().casefold() for name in table.columns]
    missing = [name for name in PUBLISHED if name not in table]
    if missing:
        raise InputError(f"{str(path)!r} lacks the column {missing[0]!r}")
    if "_" not in path.stem or table.empty:
        reason = "holds no answers" if "_" in path.stem else "does not name its experiment"
        raise InputError(
            f"{str(path)!r} {reason}; expected <experiment>_<subject>_session_<n>.csv with a row "
            "an answer"
        )
    own = table.loc[:, list(PUBLISHED)].apply(lambda column: column.str.strip())
    for name in ("session", "trial"):
        wrong = ~own[name].str.fullmatch(r"[1-9][0-9]{0,8}")
        if wrong.any():
            raise InputError(
                f"{str(path)!r}: {number_of(int(wrong.sum()), 'row')} whose {name!r} is no number "
                f"from 1, such as {own.loc[wrong, name].iloc[0]!r}"
            )
    _check_times(path, own["rt"])
    parts = own["imagename"].str.split("_")
    short = parts.str.len() <= IMAGE
    if short.any():
        raise InputError(
            f"{str(path)!r}: {number_of(int(short.sum()), 'row')} whose image has another name "
            "than trial_experiment_subject_condition_category_number_image, such as "
            f"{own.loc[short, 'imagename'].iloc[0]!r}"
        )
    for name, place in (("condition", CONDITION), ("category", CATEGORY)):
        wrong = parts.str[place] != own[name]
        if wrong.any():
            row = own.loc[wrong].iloc[0]
            raise InputError(
                f"{str(path)!r}: {number_of(int(wrong.sum()), 'row')} whose {name} is not that of "
                f"their image, such as {row[name]!r} of {row['imagename']!r}"
            )
    files = parts.str[IMAGE:].str.join("_")
    return own.assign(
        experiment=path.name.partition("_")[0],
        code=parts.str[CODE],
        image=files.str.replace(r"\.\w+$", "", regex=True),
    )


def _check_times(path: Path, words: pd.Series) -> None:
    """Make sure that times are seconds; a missing time is `NaN` or empty."""
    missing = words.str.casefold().isin(["", "nan", "na"])
    times: Any = pd.to_numeric(words.mask(missing, "nan"), errors="coerce")
    wrong = times.isna() & ~missing
    if wrong.any():
        raise InputError(
            f"{str(path)!r}: {number_of(int(wrong.sum()), 'row')} whose 'rt' is no number of "
            f"seconds, such as {next(iter(words[wrong]))!r}"
        )
    if times.median() > SLOWEST:
        raise InputError(
            f"{str(path)!r}: half of the times 'rt' are above {times.median():.0f}; expected "
            "seconds, and they look like milliseconds"
        )


def _counted(wrong: pd.Series) -> str:
    counts = wrong.value_counts()
    words = [f"{name!r} ({number})" for name, number in counts.head(5).items()]
    return ", ".join(words) + (", …" if len(counts) > 5 else "")


def _check_categories(own: pd.DataFrame) -> None:
    known = set(class_numbers())
    for column, allowed in (("category", known), ("object_response", known | {NO_ANSWER})):
        wrong = own.loc[~own[column].isin(sorted(allowed)), column]
        if len(wrong):
            raise InputError(
                f"{number_of(len(wrong), 'answer')} with an unknown {column.replace('_', ' ')}: "
                f"{_counted(wrong)}; expected {', '.join(sorted(allowed))}"
            )


def _check_experiments(own: pd.DataFrame) -> None:
    codes = own.groupby("experiment")["code"].unique()
    for experiment, found in codes.items():
        if len(found) > 1:
            counts = _counted(own.loc[own["experiment"] == experiment, "code"])
            raise InputError(
                f"answers of experiment {experiment!r} are about images of several: {counts}; "
                "keep each experiment's files under its own name"
            )


def _check_twice(own: pd.DataFrame) -> None:
    twice = own.duplicated(["experiment", "subj", "session", "trial"])
    if twice.any():
        row = own.loc[twice].iloc[0]
        raise InputError(
            f"{number_of(int(twice.sum()), 'trial')} there twice, such as trial "
            f"{row['trial']} of {row['subj']!r} in {row['experiment']!r}; keep each once"
        )
