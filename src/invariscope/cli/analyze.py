"""`invariscope analyze STUDY …`: the analyses of studies' runs, figure by figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from invariscope.cli.numbers import Count
from invariscope.cli.options import Force
from invariscope.cli.terminal import STARTS_AGAIN, output, tell_start
from invariscope.errors import InputError
from invariscope.invariance.classes import class_names
from invariscope.photos import open_folder
from invariscope.report.figures import draw
from invariscope.report.sns_page import FIRST_LINE, VERDICT, write_page
from invariscope.store.own_files import begins_with, check_may_replace, is_json_with
from invariscope.study.analyses import FOLDER, Tables, save_tables
from invariscope.study.analyses import analyze as make
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.result import StudyResult, load_study
from invariscope.survey.answers import load_answers

EACH = 20


@Parameter(name="*")
@dataclass(frozen=True)
class AnalysisOptions:
    """Options of the analyses: observers, photos, classes, answers."""

    observers: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", help="A network that looks at the images; once each. Else as the file has."
        ),
    ] = ()
    photos: Annotated[
        Path | None, Parameter(help="Natural images, <class>/<photo>.jpg. Else as the file has.")
    ] = None
    each: Annotated[Count, Parameter(help="At most so many photos of each class.")] = EACH
    classes: Annotated[
        Path | None,
        Parameter(help="A line a class: its name in the study, a tab, its name to observers."),
    ] = None
    answers: Annotated[
        Path | None,
        Parameter(help="People's answers: a survey's folder or export, .csv or .parquet."),
    ] = None
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto"
    allow_code: Annotated[
        bool, Parameter(negative="", help="Run the Python files that the study names.")
    ] = False

    def words(self) -> list[str]:
        """Write the options that change a result, for a command that can be repeated."""
        words = [f"--observers {address}" for address in self.observers]
        words += [f"--photos {self.photos.name}"] if self.photos else []
        words += [f"--each {self.each}"] if self.each != EACH else []
        words += [f"--classes {self.classes.name}"] if self.classes else []
        words += [f"--answers {self.answers.name}"] if self.answers else []
        return words + ["--allow-code"] * self.allow_code

    def material(self, study: StudyResult, runs: str) -> AnalysisMaterial:
        """Collect a study with its observers, photos and answers."""
        data, base = study.folder.file().data, study.folder.place
        photos, observers = self.photos, self.observers
        if data and data.photos and not photos:
            photos = _from(base, data.photos)
        if data and not observers:
            observers = tuple(study.folder.address(address) for address in data.observers)
        return AnalysisMaterial(
            study=study,
            runs=runs,
            observers=observers,
            photos=None if photos is None else open_folder(photos).of_each_class(self.each),
            names=class_names(self.classes.parent, self.classes) if self.classes else {},
            answers=None if self.answers is None else load_answers(self.answers),
            device=self.device,
            allow_code=self.allow_code,
        )


def _from(base: Path | None, folder: str) -> Path | None:
    """Find the photos that a study's file names; None where its own folder is not known."""
    if Path(folder).is_absolute():
        return Path(folder)
    return None if base is None else base / folder


def analyze(
    *studies: Annotated[
        Path, Parameter(help="STORE/studies/NAME, one or several; none to judge a page again.")
    ],
    only: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="An analysis, such as distance; else those that the study's file serves.",
        ),
    ] = (),
    runs: Annotated[
        Literal["all", "milestone", "stopped"],
        Parameter(help="Runs that count: all, those that reached 25 of 50, or that stopped."),
    ] = "all",
    shown: AnalysisOptions | None = None,
    page: Annotated[
        Path | None,
        Parameter(help="Write every figure beside the paper's to this Markdown file."),
    ] = None,
    force: Force = False,
) -> None:
    """Analyse studies: tables (CSV) and figures (PNG) in STUDY/analysis, and a page of verdicts."""
    if page is not None and page.suffix != ".md":
        raise InputError(f"--page is {str(page)!r}; expected a Markdown file, such as sns.md")
    if page is None and not studies:
        raise InputError("no study given; expected STORE/studies/NAME, or --page of one written")
    if page is not None:
        check_may_replace(page, begins_with(FIRST_LINE), force=force)
        check_may_replace(page.with_suffix(".json"), is_json_with(*VERDICT), force=force)
    console = output()
    found = [load_study(folder) for folder in studies]
    for study in found:
        material = (shown or AnalysisOptions()).material(study, runs)
        folder = study.folder.path / FOLDER
        tell_start(folder, STARTS_AGAIN)
        console.print(f"{study.folder.name}:")

        def made(name: str, own: Tables, reason: str, folder: Path = folder) -> None:
            save_tables(own, folder)
            left_out = f": left out, {reason}" if reason else ""
            console.print(f"  {name}{left_out}", markup=False)

        tables = make(material, only, made)
        if not only:
            save_tables({"missing": tables["missing"]}, folder)
        for path in draw(material, tables, folder):
            console.print(f"  {path}")
    if page is not None:
        places = [study.folder.path / FOLDER for study in found] or [page.with_suffix("")]
        words = [*map(str, studies), *(f"--only {name}" for name in only)]
        words += [f"--runs {runs}"] if runs != "all" else []
        words += [*(shown or AnalysisOptions()).words(), f"--page {page}"]
        command = " ".join(["invariscope analyze", *words])
        console.print(f"page: {write_page(places, page, command)}")
