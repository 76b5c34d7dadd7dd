"""The source of a page: runs of a folder or of a study, with the files beside."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from invariscope.analysis.unit_profile import FILE, Profile, load_profile
from invariscope.errors import StoreError
from invariscope.experiments.result import Result, load_result
from invariscope.report.groups import ReferenceGroup, grouped
from invariscope.report.provenance import commands
from invariscope.store.hashes import read_hashed_table
from invariscope.store.record import RunRecord
from invariscope.study.folder import PLANNED, study_folder
from invariscope.study.result import StudyResult

AFFINE = "affine.parquet"
KEPT_TENSORS = ("reference_image", "reference_activity")


@dataclass(frozen=True)
class ReportSource:
    """The source of a page.

    Attributes:
        title: the study's; empty for the runs of one folder.
        records: the runs.
        affine: copies of the references, where they were measured.
        profile: of the unit, where one was made.
        study: where the runs are a study's.
        missing: how many runs a study wants that have not ended.
        commands: that made the runs.
    """

    records: list[RunRecord]
    title: str = ""
    affine: pd.DataFrame | None = None
    profile: Profile | None = None
    study: StudyResult | None = None
    missing: int = 0
    commands: Sequence[str] = field(default_factory=tuple)

    @property
    def groups(self) -> list[ReferenceGroup]:
        return grouped(self.records, self.affine)


def source_of(result: Result | StudyResult, commands_given: Sequence[str] = ()) -> ReportSource:
    """Join a result with the files beside its runs.

    Raises:
        StoreError: a study without a run that has ended, or a damaged file.
    """
    if isinstance(result, StudyResult):
        return _of_study(result, commands_given)
    beside = result.runs[0].path.parent
    affine = beside / AFFINE
    return ReportSource(
        result.runs,
        affine=_affine(affine) if affine.exists() else None,
        profile=load_profile(beside) if (beside / FILE).exists() else None,
        commands=commands_given or commands(beside),
    )


def _affine(path: Path) -> pd.DataFrame:
    """Affine copies that `demo` or `sns` measured."""
    return read_hashed_table(path, "delete it, and the page shows no affine copies")


def _of_study(study: StudyResult, commands_given: Sequence[str]) -> ReportSource:
    table = study.table()
    if not len(table):
        raise StoreError(
            f"study {study.folder.name!r} has no run that has ended; see `study status`"
        )
    records = [
        replace(r, tensors={k: v for k, v in r.tensors.items() if k in KEPT_TENSORS})
        for row in range(len(table))
        for r in study.records(table.iloc[row : row + 1])
    ]
    measured = (study.folder.path / AFFINE).exists()
    return ReportSource(
        records,
        title=study.folder.file().title or study.folder.name,
        affine=study.affine() if measured else None,
        study=study,
        missing=len(study.planned_runs) - len(table),
        commands=commands_given or ["invariscope study run study.toml"],
    )


def read_source(folder: Path) -> Result | StudyResult:
    """Read the study, or the runs, of a folder.

    Raises:
        StoreError: neither, or a damaged one.
    """
    if (folder / PLANNED).exists() or (folder / "studies").is_dir():
        return StudyResult(study_folder(folder))
    return load_result(folder)


def home(result: Result | StudyResult) -> Path:
    """Find the folder of a page."""
    if isinstance(result, StudyResult):
        return result.folder.path
    return result.runs[0].path.parent
