"""From a study to a survey."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invariscope.errors import InputError, StoreError
from invariscope.plurals import number_of
from invariscope.store.files import make_folder
from invariscope.study.result import StudyResult
from invariscope.survey.design import PRACTICE, parse_design, write_design
from invariscope.survey.folder import DESIGN, IMAGES, WORDS, SurveyFolder, write_stimuli
from invariscope.survey.lists import Stimulus
from invariscope.survey.stimulus_selection import (
    StimulusSelection,
    categories_of,
    collect_stimuli,
    pick_categories,
    write_images,
)
from invariscope.survey.texts import copy_words, write_words

PER_CONDITION = 10


@dataclass(frozen=True)
class MadeSurvey:
    """A survey that was made.

    Attributes:
        folder: where it is.
        same: images left out because another one is the same.
    """

    folder: SurveyFolder
    same: int


def make_survey(
    result: StudyResult,
    out: Path,
    *,
    classes: int | None = None,
    categories: tuple[str, ...] = (),
    wish: StimulusSelection | None = None,
    words: Path | None = None,
    settings: dict[str, Any] | None = None,
    begun: Callable[[], None] = lambda: None,
) -> MadeSurvey:
    """Write a survey about a study's images: design, words, images.

    Args:
        result: the study.
        out: the survey's folder; one that nobody has answered yet is made anew.
        classes: how many categories, drawn by the seed.
        categories: these instead.
        wish: which images.
        words: a file of words that a lab already has; by default the English ones.
        settings: keys of `Design` other than its categories.
        begun: called once, when all that was asked has been looked at and files are written.

    Raises:
        InputError: images, categories or settings that do not fit.
        StoreError: the folder cannot be written, or holds answers.
    """
    wish, settings = wish or StimulusSelection(), dict(settings or {})
    folder = SurveyFolder(out)
    if folder.answers.exists():
        raise StoreError(
            f"{str(out)!r} holds answers; make another survey with another --out, or move it away"
        )
    chosen = pick_categories(categories_of(result, wish), classes, categories, wish.seed)
    # Settings are looked at before images are made, which takes longer.
    asked = settings.pop("per_condition", None)
    settings |= {"categories": list(chosen), "seed": wish.seed, "practice": wish.practice}
    settings |= {"study": result.folder.name, "title": result.folder.file().title}
    parse_design({**settings, "per_condition": asked or 1})
    begun()
    make_folder(out)
    if (out / "images").exists():
        shutil.rmtree(out / "images")
    stimuli, same = write_images(collect_stimuli(result, chosen, wish), out / "images")
    fewest = min(_sizes(stimuli).values())
    settings["per_condition"] = asked or min(PER_CONDITION, fewest)
    if settings["per_condition"] > fewest:
        raise InputError(
            f"--per-condition is {asked}, but a condition has only {number_of(fewest, 'image')}; "
            f"expected 1 to {fewest}"
        )
    write_stimuli(out / IMAGES, stimuli)
    if words:
        copy_words(words, out / WORDS)
    elif not (out / WORDS).exists():
        write_words(out / WORDS, chosen)
    write_design(out / DESIGN, parse_design(settings))
    folder.check()
    return MadeSurvey(folder, same)


def _sizes(stimuli: list[Stimulus]) -> dict[tuple[str, str, str], int]:
    """Count the images of each condition of a site and network."""
    sizes: dict[tuple[str, str, str], int] = {}
    for stimulus in stimuli:
        if stimulus.condition != PRACTICE:
            sizes[stimulus.cell] = sizes.get(stimulus.cell, 0) + 1
    return sizes
