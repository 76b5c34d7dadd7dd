"""A network beside people: the same images, the same categories, the same measures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from invariscope.analysis.error_consistency import consistency_table
from invariscope.analysis.intervals import share_interval
from invariscope.analysis.people import people_accuracy, usable
from invariscope.analysis.shape_bias import CUE_CONFLICT, shape_bias
from invariscope.analysis.sixteen_categories import (
    CategoryReadout,
    class_numbers,
    reads_imagenet,
)
from invariscope.errors import InputError
from invariscope.photos.read import read_photo
from invariscope.plurals import number_of
from invariscope.subjects import Subject
from invariscope.survey.folder import SurveyFolder

BATCH = 64
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
ImageKey = tuple[str, str]  # condition and image
KEYS: Any = ["condition", "image"]


@dataclass(frozen=True)
class PeopleComparison:
    """People and a network at the same images.

    Attributes:
        accuracy: a row a condition and observer (`people` or the network): `trials`, `accuracy`,
            `low`, `high`, `chance`; people's interval is over participants,
            a network's over images.
        consistency: of `analysis.error_consistency.consistency_table`.
        bias: a row an observer of cue conflict (`shape_bias`); empty where there is none.
        answers: the network's, one row an image and condition.
        notes: what was left out, counted.
    """

    accuracy: pd.DataFrame
    consistency: pd.DataFrame
    bias: pd.DataFrame
    answers: pd.DataFrame
    notes: tuple[str, ...]


def survey_images(folder: SurveyFolder) -> dict[ImageKey, Path]:
    """List the file of each image of a survey."""
    return {(s.condition, s.image): folder.image(s) for s in folder.stimuli}


def find_images(answers: pd.DataFrame, folder: Path) -> dict[ImageKey, Path]:
    """Find the file of each image in the answers, if present.

    A file is looked for by its name without ending, below a folder named as the experiment
    (`cue_conflict` and `cue-conflict` are one) where there is one, else in the whole folder.

    Raises:
        InputError: no folder, or several files of one name.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {str(folder)!r}; expected the images that people saw")
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    found: dict[ImageKey, Path] = {}
    for condition, own in answers.groupby("condition", sort=False):
        experiment = _folded(str(condition).partition(" ")[0])
        below = [path for path in files if experiment in _places(path, folder)]
        named: dict[str, Path] = {}
        counts = Counter(path.stem for path in below or files)
        named = {path.stem: path for path in below or files}
        for image in own["image"].unique():
            if counts[image] > 1:
                raise InputError(
                    f"{number_of(counts[image], 'file')} below {str(folder)!r} are called "
                    f"{image!r}; put each experiment's images in a folder with the experiment's "
                    "name"
                )
            if image in named:
                found[str(condition), image] = named[image]
    return found


def _folded(name: str) -> str:
    return name.replace("_", "-").casefold()


def _places(path: Path, folder: Path) -> set[str]:
    return {_folded(part) for part in (folder.name, *path.relative_to(folder).parts[:-1])}


def network_answers(
    readout: CategoryReadout, answers: pd.DataFrame, files: Mapping[ImageKey, Path]
) -> pd.DataFrame:
    """Tabulate a network's answers, with `condition`, `image`, `category`, `answer`.

    Args:
        readout: of the network, with the categories to choose from.
        answers: people's, each image with one category.
        files: of the images; others are left out.

    Raises:
        InputError: an image with two categories.
    """
    images = answers.drop_duplicates([*KEYS, "category"])[[*KEYS, "category"]]
    twice = images.duplicated(KEYS)
    if twice.any():
        raise InputError(
            f"two categories for {number_of(int(twice.sum()), 'image')}, such as "
            f"{images.loc[twice, 'image'].iloc[0]!r}"
        )
    there = [(c, i) in files for c, i in zip(images["condition"], images["image"], strict=True)]
    own = images.loc[there].reset_index(drop=True)
    paths = [files[c, i] for c, i in zip(own["condition"], own["image"], strict=True)]
    subject = readout.subject
    given: list[str] = []
    for start in range(0, len(paths), BATCH):
        pictures = [read_photo(path) for path in paths[start : start + BATCH]]
        seen = torch.cat([subject.see(p[None].float() / 255) for p in pictures])
        given.extend(readout.name(seen))
    return own.assign(
        answer=given, correct=own["category"].to_numpy(object) == given, participant=subject.name
    )


def compare_people(
    answers: pd.DataFrame,
    subject: Subject,
    files: Mapping[ImageKey, Path],
    categories: Sequence[str] = (),
) -> PeopleComparison:
    """Compare people with a network.

    Args:
        answers: from `load_answers`; excluded ones do not count.
        subject: the network.
        files: of the images (`find_images`, `survey_images`).
        categories: that people chose from, and so the network; by default those of the images,
            and all 16 of Geirhos et al. where the images' are of these and the network has
            ImageNet's 1,000 classes.

    Raises:
        InputError: simulated answers, no image at all, or a network that cannot name them.
    """
    own = usable(answers)
    if own["simulated"].astype(bool).any():
        raise InputError("the answers are simulated; people are compared here")
    keys = list(zip(own["condition"], own["image"], strict=True))
    there = pd.Series([key in files for key in keys], index=own.index)
    notes = _left_out(own, ~there)
    if not there.any():
        raise InputError(
            f"none of the {number_of(len(set(keys)), 'image')} of the answers was found; give "
            "their folder as --images"
        )
    own = own.loc[there]
    choices = list(categories) or _choices(own, subject)
    readout = CategoryReadout.of(subject, choices)
    notes += _strange(own, choices) + ((readout.told,) if readout.told else ())
    theirs = network_answers(readout, own, files)
    return PeopleComparison(
        _accuracies(own, theirs, subject.name, len(choices)),
        consistency_table(own, theirs),
        _biases(own, theirs, subject.name),
        theirs,
        notes,
    )


def _left_out(own: pd.DataFrame, missing: pd.Series) -> tuple[str, ...]:
    """Write a sentence for each experiment with missing images."""
    lost = own.loc[missing]
    if not len(lost):
        return ()
    experiments = lost["condition"].str.partition(" ")[0]
    return tuple(
        f"{experiment}: {number_of(rows['image'].nunique(), 'image')} missing, such as "
        f"{rows['image'].iloc[0]!r}; {number_of(len(rows), 'answer')} left out"
        for experiment, rows in lost.groupby(experiments, sort=False)
    )


def _choices(own: pd.DataFrame, subject: Subject) -> list[str]:
    """List categories for the network to choose from, where no design lists people's choices."""
    shown = sorted(own["category"].unique())
    return list(class_numbers()) if reads_imagenet(subject, shown) else shown


def _strange(own: pd.DataFrame, choices: Sequence[str]) -> tuple[str, ...]:
    """Write a sentence of answers that name none of the categories."""
    shown, sixteen = set(own["category"]), set(class_numbers())
    known = sorted({*choices} if shown - sixteen else {*choices} | sixteen)
    strange = own.loc[~own["answer"].isin(known), "answer"].value_counts()
    if strange.empty:
        return ()
    named = ", ".join(f"{answer!r} ({count})" for answer, count in strange.head(5).items())
    more = ", …" if len(strange) > 5 else ""
    counted = number_of(int(strange.sum()), "answer")
    return (
        f"{counted} outside the {number_of(len(known), 'category')}, taken as wrong: {named}{more}",
    )


def _accuracies(own: pd.DataFrame, theirs: pd.DataFrame, name: str, choices: int) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    columns = ("condition", "trials", "accuracy", "low", "high", "chance")
    for row in people_accuracy(own, choices).to_dict("records"):
        rows.append({"observer": "people", **{key: row[key] for key in columns}})
        shown = theirs.loc[theirs["condition"] == row["condition"], "correct"]
        low, high = share_interval(int(shown.sum()), len(shown))
        rows.append(
            {
                "observer": name,
                "condition": row["condition"],
                "trials": len(shown),
                "accuracy": float(shown.mean()),
                "low": low,
                "high": high,
                "chance": row["chance"],
            }
        )
    return pd.DataFrame(rows)


def _biases(own: pd.DataFrame, theirs: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = [
        {"observer": observer, **shape_bias(rows)}
        for observer, table in (("people", own), (name, theirs))
        if len(rows := table.loc[table["condition"] == CUE_CONFLICT])
    ]
    return pd.DataFrame(rows)
