"""Analyses of a study by name; how tables are made and kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from invariscope.analysis.grouping import searched
from invariscope.errors import InputError, StoreError, unknown
from invariscope.generators.constraints import MARK
from invariscope.store import version_0_1
from invariscope.store.files import make_folder, replace_file
from invariscope.study.analyses import beside, networks, recognition, searches
from invariscope.study.analyses.acceptance import make_acceptance
from invariscope.study.analyses.coverage import make_coverage
from invariscope.study.analyses.displacement import make_displacement
from invariscope.study.analyses.gradients import make_gradients
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.analyses.searches import Tables
from invariscope.study.result import StudyResult

FOLDER = "analysis"


@dataclass(frozen=True)
class StudyAnalysis:
    """One analysis.

    Attributes:
        serves: the paper's figures, or rows of its supplement.
        make: its tables, by the name of the file that keeps them; raises an `InputError` or
            `StoreError` where the study has not what it needs.
        members: which member of each run's front counts: `kept` or `farthest` (see
            `experiments.front_choice.choose`), or in words.
    """

    serves: tuple[str, ...]
    make: Callable[[AnalysisMaterial], Tables]
    members: str = "kept"


ANALYSES = {
    "distance": StudyAnalysis(("Fig 2",), searches.make_distance),
    "losses": StudyAnalysis(("Fig 2",), searches.make_losses, "as the table says"),
    "controls": StudyAnalysis(("Fig 2",), beside.make_controls, "the farthest at each loss"),
    "galleries": StudyAnalysis(("Fig 3a,b",), searches.make_galleries),
    "separability": StudyAnalysis(("Fig 3c",), searches.make_separability),
    "people": StudyAnalysis(("Fig 4a,b", "Fig 4d"), networks.make_people),
    "observers": StudyAnalysis(("Fig 4c", "Fig 4e"), recognition.make_observers),
    "naturalness": StudyAnalysis(("row 8",), searches.make_naturalness, "farthest"),
    "layers": StudyAnalysis(("row 9",), networks.make_layers),
    "convergence": StudyAnalysis(("row 10",), searches.make_convergence, "none: runs are counted"),
    "dimension": StudyAnalysis(("row 11",), searches.make_dimension),
    "gradients": StudyAnalysis(("row 12",), make_gradients),
    "subsets": StudyAnalysis(("row 13",), searches.make_subsets),
    "acceptance": StudyAnalysis(("row 14", "acceptance"), make_acceptance),
    "coverage": StudyAnalysis(
        ("coverage",), make_coverage, "all of the front beyond the natural maximum"
    ),
    "displacement": StudyAnalysis(("displacement",), make_displacement),
    "paths": StudyAnalysis(("row 14",), networks.make_paths),
    "fronts": StudyAnalysis(("S1",), searches.make_fronts, "all, or each front's end"),
    "appearance": StudyAnalysis(("Fig 3a,b", "image statistics"), searches.make_appearance),
}
RUNS_OF = {"convergence": "all"}  # whose filter is not the one asked for

Made = Callable[[str, Tables, str], None]


def serving(figures: Sequence[str]) -> list[str]:
    """Name the analyses behind some figures, or every analysis where there is no match."""
    found = [name for name, own in ANALYSES.items() if set(own.serves) & set(figures)]
    return found or list(ANALYSES)


def analyze(
    material: AnalysisMaterial,
    only: Sequence[str] = (),
    made: Made = lambda name, tables, reason: None,
) -> Tables:
    """Make analyses of a study, each a table or more.

    Args:
        material: the study, and what it may be shown to.
        only: names of `ANALYSES`; by default those of the figures that the study's file serves,
            or where it serves none of them every one, as far as the study allows.
        made: called after each analysis with its name, its tables, and the reason where it
            cannot be made.

    Returns:
        Tables by name, each with the columns `study`, `runs`, the filter of runs that counted,
        `chosen`, the member of a run, `budget`, the most generations and their size, and
        `constraints`, of all images ("none" without);
        those with a subject (columns `subject`, `source`, `network`) with the subject's `role`.
        Without `only`, `missing` has an `analysis` and a `reason` for each that was left out.

    Raises:
        InputError: an unknown name, one asked for by `only` that cannot be made, or a study of
            several generators.
        StoreError: the same, or damaged runs.
    """
    for name in only:
        if name not in ANALYSES:
            raise unknown("analysis", name, ANALYSES)
    check_one_generator(material.study)
    tables: Tables = {}
    missing, roles, whole = [], material.study.roles, about_study(material.study)
    for name in only or serving(material.study.folder.file().serves):
        try:
            found = ANALYSES[name].make(material)
        except (InputError, StoreError) as error:
            if only:
                raise
            missing.append({"analysis": name, "reason": str(error)})
            made(name, {}, str(error))
            continue
        runs = RUNS_OF.get(name, material.runs)
        about = {"runs": runs, "chosen": ANALYSES[name].members, **whole}
        own = {key: _with_role(t, roles).assign(**about) for key, t in found.items()}
        made(name, own, "")
        tables |= own
    if not only:
        tables["missing"] = pd.DataFrame(missing, columns=["analysis", "reason"])
    return tables


def check_one_generator(study: StudyResult) -> None:
    """Refuse a study of searches with several generators, since means would mix these."""
    own = dict.fromkeys(run.generator for run in study.planned_runs if run.task != "excitation")
    if len(own) > 1:
        raise InputError(
            f"study {study.folder.name!r} holds searches with several generators or constraints "
            f"({', '.join(own)}), which every mean would mix; expected one: write a study for "
            "each, they share the runs that are there"
        )


def about_study(study: StudyResult) -> dict[str, str]:
    """Name the study, its budget a run, and the constraints on its images ("none" without)."""
    table = searched(study.table())
    budgets = table[["most_generations", "population"]].drop_duplicates()
    own = (run.generator.partition(MARK)[2] for run in study.planned_runs)
    return {
        "study": study.folder.name,
        "budget": ", ".join(f"{a} × {b}" for a, b in budgets.itertuples(index=False)),
        "constraints": "; ".join(filter(None, dict.fromkeys(own))) or "none",
    }


def _with_role(table: pd.DataFrame, roles: dict[str, str]) -> pd.DataFrame:
    """Add a column with the role of each row's subject."""
    column = next((name for name in ("subject", "source", "network") if name in table), None)
    return table if column is None else table.assign(role=table[column].map(roles.get))


def save_tables(tables: Tables, folder: Path) -> None:
    """Write each table as CSV.

    Raises:
        StoreError: the folder cannot be written.
    """
    make_folder(folder)
    for name, table in tables.items():
        replace_file(folder / f"{name}.csv", lambda part, t=table: t.to_csv(part, index=False))


def read_tables(folder: Path) -> Tables:
    """Read the tables that `save_tables` wrote, an empty set where there is no such folder.

    Raises:
        StoreError: one cannot be read.
    """
    tables = {}
    for path in sorted(folder.glob("*.csv")):
        try:
            tables[path.stem] = version_0_1.table(pd.read_csv(path, keep_default_na=True))
        except (OSError, ValueError) as error:
            raise StoreError(f"{str(path)!r} cannot be read; analyse the study again") from error
    return tables
