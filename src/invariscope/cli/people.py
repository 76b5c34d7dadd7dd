"""`invariscope people …`: people's answers beside a network's."""

from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import App, Parameter
from rich.console import Console

from invariscope.cli.options import Model, NetworkOptions, default_out
from invariscope.cli.terminal import STARTS_AGAIN, output, print_table, tell_start
from invariscope.errors import InputError, StoreError
from invariscope.store.files import make_folder, replace_file
from invariscope.survey.answers import load_answers
from invariscope.survey.compare import PeopleComparison, compare_people, find_images, survey_images
from invariscope.survey.design import read_design
from invariscope.survey.folder import DESIGN, SurveyFolder, open_survey
from invariscope.survey.psychds import FOLDER, MATERIALS

people = App(name="people", help="People's answers beside a network's.")
TABLES = ("accuracy", "consistency", "bias", "answers")


@people.command
def compare(
    answers: Annotated[
        Path, Parameter(help="A survey, an export, or published answers (Geirhos et al.).")
    ],
    model: Model,
    /,
    *,
    images: Annotated[
        Path | None, Parameter(help="The images that people saw; a survey has its own.")
    ] = None,
    out: Annotated[Path | None, Parameter(alias="-o", help="A folder for the tables.")] = None,
    source: NetworkOptions | None = None,
) -> None:
    """Compare accuracy, errors and shape bias of people and a network at the same images."""
    given, console = load_answers(answers), output()
    survey = _survey(answers)
    files = _own_images(answers, survey) if images is None else find_images(given, images)
    categories = _chosen_from(answers, survey)
    subject = (source or NetworkOptions()).subject(model)
    place = out or default_out(model, "people", "compare")
    tell_start(place, STARTS_AGAIN)
    found = compare_people(given, subject, files, categories)
    make_folder(place)
    for name in TABLES:
        table: pd.DataFrame = getattr(found, name)
        replace_file(place / f"{name}.csv", lambda part, t=table: t.to_csv(part, index=False))
    _tell(found, console)
    console.print(f"tables: {place}", markup=False)


def _survey(answers: Path) -> SurveyFolder | None:
    """Open the survey of the answers; None for a table or an export."""
    try:
        return open_survey(answers)
    except StoreError:
        return None


def _chosen_from(answers: Path, survey: SurveyFolder | None) -> tuple[str, ...]:
    """List the categories that people chose from; empty where no design says."""
    if survey is not None:
        return survey.design.categories
    exported = (answers if answers.is_dir() else answers.parent) / FOLDER / MATERIALS / DESIGN
    return read_design(exported).categories if exported.is_file() else ()


def _own_images(answers: Path, survey: SurveyFolder | None) -> dict[tuple[str, str], Path]:
    if survey is None:
        raise InputError(
            f"{str(answers)!r} has no images of its own; give those that people saw as --images"
        )
    return survey_images(survey)


def _tell(found: PeopleComparison, console: Console) -> None:
    """Print the tables that fit on a screen."""
    for note in found.notes:
        console.print(f"note: {note}", markup=False)
    titles = {
        "accuracy": "Accuracy (95 % intervals)",
        "consistency": "Error consistency: two people is the noise ceiling",
        "bias": "Shape bias at cue conflict",
    }
    for name, title in titles.items():
        table: pd.DataFrame = getattr(found, name)
        if not len(table):
            continue
        rows = [
            [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row]
            for row in table.itertuples(index=False)
        ]
        print_table(list(table.columns), rows, title)
