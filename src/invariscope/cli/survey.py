"""`invariscope survey …`: people classify the images of a study in a browser."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from invariscope import plot
from invariscope.analysis.people import people_accuracy
from invariscope.cli.numbers import Count, Natural, NotNegative, Port, Seed, Share
from invariscope.cli.options import Force, Model, NetworkOptions
from invariscope.cli.survey_search import search, search_folder
from invariscope.cli.terminal import STARTS_AGAIN, StartNote, output, print_table, tell_start
from invariscope.errors import InputError, StoreError
from invariscope.optional import missing
from invariscope.plot.axes import figure_of
from invariscope.plurals import number_of
from invariscope.store.files import make_folder, replace_file
from invariscope.store.own_files import PNG_MARK, begins_with, check_may_replace, is_figure
from invariscope.study.folder import study_folder
from invariscope.study.result import load_study
from invariscope.survey.answers import load_answers
from invariscope.survey.design import PRACTICE
from invariscope.survey.export import IDS, brought, export
from invariscope.survey.folder import ANSWERS, DESIGN, SurveyFolder, open_survey
from invariscope.survey.links import new_links
from invariscope.survey.make import make_survey
from invariscope.survey.power import power_table
from invariscope.survey.search_design import read_search_design
from invariscope.survey.simulate import ObserverModel, simulate
from invariscope.survey.spreadsheets import write_csv
from invariscope.survey.stimulus_selection import StimulusSelection

survey = App(name="survey", help="People classify the images of a study in a browser.")

Study = Annotated[Path, Parameter(help="The study: STORE/studies/NAME, or a store with one.")]
HELD_BACK_HELP = Annotated[
    Path, Parameter(help="The survey's folder, or the study that it belongs to.")
]
Out = Annotated[
    Path | None,
    Parameter(alias="-o", help="The survey's folder; by default survey/ in the study."),
]


@Parameter(name="*")
@dataclass(frozen=True)
class SurveyOptions:
    """Options of a survey, for the command that makes a survey."""

    classes: Annotated[
        Count | None,
        Parameter(help="How many categories to choose from; by default all, 12 at most."),
    ] = None
    category: Annotated[
        tuple[str, ...], Parameter(negative="", help="These categories instead (repeat).")
    ] = ()
    per_condition: Annotated[
        Count | None,
        Parameter(help="Images of each condition, site and network that a participant sees."),
    ] = None
    task: Annotated[Literal["invariance", "adversarial"], Parameter(help="Whose images.")] = (
        "invariance"
    )
    runs: Annotated[
        Literal["all", "milestone", "stopped"], Parameter(help="Which of the study's runs.")
    ] = "all"
    photos: Annotated[
        Path | None, Parameter(help="Natural images, <class>/<photo>.jpg; by default the study's.")
    ] = None
    class_table: Annotated[
        Path | None, Parameter(help="A table: class folder, tab, the model's name or unit number.")
    ] = None
    presentation: Annotated[
        Natural, Parameter(help="Milliseconds that an image is shown; 0, until the answer.")
    ] = 0
    mask: Annotated[Literal["none", "noise"], Parameter(help="What follows the image.")] = "none"
    practice: Annotated[Natural, Parameter(help="Practice trials, with feedback.")] = 4
    catch: Annotated[Natural, Parameter(help="Trials that show a category's name.")] = 6
    break_every: Annotated[Natural, Parameter(help="Trials between breaks; 0, none.")] = 40
    admission: Annotated[
        Literal["anyone", "link", "id"],
        Parameter(help="Who may begin: who has a single-use link, or brings an id."),
    ] = "anyone"
    code: Annotated[str, Parameter(help="The completion code; `random`, each session its own.")] = (
        ""
    )
    link: Annotated[
        str, Parameter(help="Where the end page leads; {id} and {code} are filled in.")
    ] = ""
    words: Annotated[Path | None, Parameter(help="A translated words.json.")] = None
    seed: Annotated[Seed, Parameter(help="Of the lists and of what is drawn.")] = 0
    allow_code: Annotated[
        bool, Parameter(negative="", help="Run the study's own file.py:factory.")
    ] = False

    def make(self, study: Path, out: Path) -> SurveyFolder:
        """Write the survey and describe its conditions."""
        settings: dict[str, Any] = {
            "per_condition": self.per_condition,
            "catch": self.catch,
            "break_every": self.break_every,
            "admission": self.admission,
            "show": {"presentation_ms": self.presentation, "mask": self.mask},
            "completion": {"code": self.code, "link": self.link},
        }
        wish = StimulusSelection(
            task=self.task,
            runs=self.runs,
            photos=self.photos,
            class_table=self.class_table,
            practice=self.practice,
            allow_code=self.allow_code,
            seed=self.seed,
        )
        made = make_survey(
            load_study(study),
            out,
            classes=self.classes,
            categories=self.category,
            wish=wish,
            words=self.words,
            settings=settings,
            begun=StartNote(out, STARTS_AGAIN),
        )
        if made.same:
            _say(f"{number_of(made.same, 'image')} left out: the same as another one")
        _describe(made.folder)
        return made.folder


def _say(text: str) -> None:
    output().print(text, markup=False)


def _describe(folder: SurveyFolder) -> None:
    """Print the images and trials that a participant will see."""
    design, sizes = folder.design, {}
    for stimulus in folder.stimuli:
        if stimulus.condition != PRACTICE:
            sizes[stimulus.cell] = sizes.get(stimulus.cell, 0) + 1
    counts = ("images", "of these, shown to each")
    rows = [(*cell, str(number), str(design.per_condition)) for cell, number in sizes.items()]
    title = design.title or str(folder.path)
    print_table(("condition", "site", "network", *counts), rows, title, right=counts)
    total = len(sizes) * design.per_condition + design.catch + design.practice
    _say(
        f"{number_of(len(design.categories), 'category')} · {number_of(total, 'trial')} a "
        f"participant ({design.practice} practice, {design.catch} catch) · {folder.path / DESIGN}"
    )


def _place(study: Path, out: Path | None) -> Path:
    return out or study_folder(study).path / "survey"


@survey.command
def make(study: Study, /, *, out: Out = None, asked: SurveyOptions | None = None) -> None:
    """Write a survey about a study's images: design.toml, words.json and images to look through."""
    (asked or SurveyOptions()).make(study, _place(study, out))
    words = ["invariscope survey serve", shlex.quote(str(study))]
    words += ["--out", shlex.quote(str(out))] if out else []
    _say(f"Write your consent form into words.json, then: {' '.join(words)}")


@survey.command
def serve(
    place: Annotated[Path, Parameter(help="A survey, or a study (its survey is made first).")],
    /,
    *,
    host: Annotated[str, Parameter(help="Listen at this address; 0.0.0.0, all.")] = "127.0.0.1",
    port: Annotated[Port, Parameter(help="And this port; 0, a free one.")] = 8000,
    certificate: Annotated[Path | None, Parameter(help="PEM file, for https.")] = None,
    key: Annotated[Path | None, Parameter(help="Its key.")] = None,
    participants: Annotated[Count, Parameter(help="The most sessions.")] = 10_000,
    pilot: Annotated[
        bool, Parameter(negative="", help="Try it out: no consent form needed, sessions no data.")
    ] = False,
    proxy: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="A reverse proxy's address, to be believed (repeat)."),
    ] = (),
    starts_per_address: Annotated[
        Count, Parameter(help="Sessions that an address may begin in ten minutes.")
    ] = 30,
    out: Out = None,
    asked: SurveyOptions | None = None,
) -> None:
    """Serve a survey to people; Ctrl-C ends the server, and a new start goes on."""
    try:
        from invariscope.survey.serve import serve as run  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise missing("starlette and uvicorn", "survey") from error
    folder = _there(out or place)
    if folder is None:
        folder = (asked or SurveyOptions()).make(place, _place(place, out))
    elif asked not in (None, SurveyOptions()):
        raise InputError(
            f"{str(folder.path / DESIGN)!r} is there already and is not made again; change it "
            "there, or make another survey with --out"
        )

    def listening(text: str) -> None:
        tell_start(folder.answers)
        _say(f"{text}\nits token: {folder.path / 'token'}")

    run(
        folder,
        host=host,
        port=port,
        certificate=certificate,
        key=key,
        most=participants,
        pilot=pilot,
        proxies=proxy,
        starts=starts_per_address,
        tell=listening,
    )


def _there(place: Path) -> SurveyFolder | None:
    """Open the survey in a folder, or give None."""
    try:
        return open_survey(place)
    except StoreError:
        return None


def _file_name(words: str) -> str:
    return "".join(c if c.isalnum() or c in "._-+" else "-" for c in words)


@survey.command(name="simulate")
def simulated(
    place: HELD_BACK_HELP,
    /,
    *,
    observer: Model,
    participants: Annotated[Count, Parameter(help="How many.")] = 100,
    temperature: Annotated[
        NotNegative,
        Parameter(help="Of the choice among categories; 0, always the most active unit."),
    ] = 1.0,
    spread: Annotated[NotNegative, Parameter(help="How much participants differ.")] = 0.5,
    lapse: Annotated[Share, Parameter(help="Share of answers given without looking.")] = 0.02,
    site: Annotated[str | None, Parameter(help="The readout; by default the deepest site.")] = None,
    seed: Annotated[Seed, Parameter(help="Other participants.")] = 0,
    source: NetworkOptions | None = None,
) -> None:
    """Let a network answer in people's place, to plan how many participants are needed."""
    folder = open_survey(place)
    how = ObserverModel(temperature=temperature, spread=spread, lapse=lapse)
    subject = (source or NetworkOptions()).subject(observer)
    if any(s.network == subject.name for s in folder.stimuli):
        _say(f"note: {observer} answers about its own images; another network is a fairer observer")
    tell_start(folder.simulated, STARTS_AGAIN)
    answers = simulate(folder, subject, participants, observer=how, seed=seed, site=site)
    file = make_folder(folder.simulated) / f"{_file_name(observer)}.parquet"
    replace_file(file, lambda part: answers.to_parquet(part, index=False))
    picture = file.with_suffix(".png")
    figure = figure_of(plot.people(people_accuracy(answers)))
    replace_file(picture, lambda part: figure.savefig(part, format="png", dpi=150))
    found = power_table(answers)
    numbers = ["difference", *(name for name in found.columns if name.startswith("n="))]
    rows = [
        (
            row["one"],
            row["other"],
            f"{row['difference']:+.3f}",
            *(f"{row[n]:.2f} [{row[f'low {n}']:.2f}, {row[f'high {n}']:.2f}]" for n in numbers[1:]),
        )
        for row in found.to_dict("records")
    ]
    title = f"Power of a paired t-test between conditions ({participants} simulated)"
    print_table(("one", "other", *numbers), rows, title, right=numbers)
    _say(f"simulated answers: {file}\nplot: {picture}")


@survey.command(name="export")
def exported(
    place: HELD_BACK_HELP,
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(alias="-o", help="A folder; by default export/ in the survey."),
    ] = None,
    ids: Annotated[
        Path | None,
        Parameter(help="Also write which id brought each session, to pay people; keep it private."),
    ] = None,
    force: Force = False,
) -> None:
    """Write the answers as tidy tables and a Psych-DS folder; raw answers stay untouched."""
    if ids is not None:
        check_may_replace(ids, begins_with(IDS), force=force)
    folder = open_survey(place)
    target = out or folder.path / "export"
    sessions = export(folder, target)
    counts = sessions["reason"].value_counts()
    _say(f"{number_of(len(sessions), 'session')}, {sum(sessions['excluded'])} excluded: {target}")
    for reason, number in counts.items():
        if reason:
            _say(f"  {number}: {reason}")
    if ids is not None:
        try:
            ids.touch(mode=0o600)
            write_csv(brought(folder), ids)
        except OSError as error:
            raise StoreError(f"cannot write {str(ids)!r}: {error.strerror or error}") from error
        _say(f"ids: {ids}")


@survey.command
def show(
    answers: Annotated[Path, Parameter(help="A survey, an export, or a table of answers.")],
    /,
    *,
    out: Annotated[Path, Parameter(alias="-o", help="The PNG to write.")] = Path("answers.png"),
    with_excluded: Annotated[
        bool, Parameter(negative="", help="Show what does not count too: a pilot's sessions, say.")
    ] = False,
    force: Force = False,
) -> None:
    """Plot the accuracy in each condition."""
    check_may_replace(out, is_figure, force=force)
    table = load_answers(answers)
    ax = plot.people(people_accuracy(table.assign(excluded=False) if with_excluded else table))
    if with_excluded and bool(table["excluded"].to_numpy(bool).any()):
        ax.set_title("with answers that do not count", color="#D55E00", fontsize="small")
    figure = figure_of(ax)
    options = {"format": "png", "dpi": 150, "metadata": PNG_MARK}
    replace_file(out, lambda part: figure.savefig(part, **options))
    _say(f"plot: {out}")


def _admitting(place: Path, folder: Path | None) -> tuple[Path, str, Path]:
    """Find the database, the admission and the design of a survey or of a search."""
    if place.is_file():
        asked = read_search_design(place)
        return (folder or search_folder(place)) / ANSWERS, asked.people.admission, place
    if folder is not None:
        raise InputError("--folder is of a search; give its design.toml instead of a folder")
    found = open_survey(place)
    return found.answers, found.design.admission, found.path / DESIGN


@survey.command
def links(
    place: Annotated[
        Path, Parameter(help="The survey's folder, its study, or the design.toml of a search.")
    ],
    number: Annotated[Count, Parameter(help="How many.")],
    /,
    *,
    base: Annotated[str, Parameter(help="The survey's address, as participants reach it.")],
    out: Annotated[
        Path | None, Parameter(alias="-o", help="A file for them; by default they are shown.")
    ] = None,
    folder: Annotated[
        Path | None, Parameter(help="Of a search: its --out, where that was given.")
    ] = None,
) -> None:
    """Make links that open one session each; the survey's design must say admission = "link"."""
    if out is not None and out.exists():
        raise StoreError(f"{str(out)!r} is there already; choose another --out")
    database, admission, design = _admitting(place, folder)
    made = new_links(database, admission, number, base, design=design)
    if out is None:
        _say("\n".join(made))
        return
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(made) + "\n")
    except OSError as error:
        raise StoreError(f"cannot write {str(out)!r}: {error.strerror or error}") from error
    _say(f"{number_of(number, 'link')}, for one session each: {out}")


survey.command(search)
