"""What a study found: one row a run, images and codes on demand."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.experiments.result import Result
from invariscope.generators.base import Generator
from invariscope.markup import notebook
from invariscope.store.hashes import check_hashed
from invariscope.store.record import RunRecord, load_run
from invariscope.study.folder import StudyFolder, study_folder
from invariscope.study.index import rows_of
from invariscope.study.loading import load_generator_cached
from invariscope.study.planned_run import PlannedRun
from invariscope.study.row import COLUMNS
from invariscope.user_code import python_file

FILTERS = ("all", "milestone", "stopped")
AFFINE = "affine.parquet"
AFFINE_REPAIR = "delete it, and `study run` measures it again"
_OF_STUDY = ("role", "condition", "draw", "photo", "path")
_WHOLE = ("subset", "milestone_generation", "draw")  # whole numbers, missing where there is none


def filter_runs(table: pd.DataFrame, runs: str = "all") -> pd.DataFrame:
    """The rows of a study's table that an analysis takes.

    Args:
        runs: `all`; `milestone`, those that reached 25 of 50; `stopped`, those whose stopping
            rule fired. The original's analyses take one or the other, so name it.

    Raises:
        InputError: another word.
    """
    validate.one_of("filter of runs", runs, FILTERS)
    if runs == "all":
        return table
    column = "milestone" if runs == "milestone" else "converged"
    return table.loc[table[column].to_numpy(bool)]


@dataclass(frozen=True)
class StudyResult:
    """A study's runs that have ended.

    Attributes:
        folder: where the study is.
    """

    folder: StudyFolder

    @cached_property
    def planned_runs(self) -> list[PlannedRun]:
        """The runs that the study wants, ended or not."""
        return self.folder.planned_runs()

    def table(self, runs: str = "all") -> pd.DataFrame:
        """One row a run that has ended, MEI searches (`task` is `excitation`) included.

        The columns are those of `row_of`, then `role` (the subject's, by the study file),
        `condition`, `draw` (which sample of a site), `photo` and `path`. Distances and activities
        are float32 measurements; what is not known is missing.

        Args:
            runs: `all`, `milestone` or `stopped` (see `filter_runs`).
        """
        rows = rows_of(self.folder.runs, {w.name: w.folder for w in self.planned_runs})
        found = [
            {
                **rows[w.name],
                "role": w.role,
                "condition": w.condition,
                "draw": w.draw,
                "photo": w.photo,
                "path": str(self.folder.runs / w.folder),
            }
            for w in self.planned_runs
            if w.name in rows
        ]
        table = pd.DataFrame(found, columns=[*COLUMNS, *_OF_STUDY])
        return filter_runs(table.astype(dict.fromkeys(_WHOLE, "Int64")), runs)

    @property
    def roles(self) -> dict[str, str]:
        """The role of each subject of the table that has one, by the subject's name there."""
        table = self.table()
        given = table.loc[table["role"].notna(), ["subject", "role"]].drop_duplicates()
        return dict(given.drop_duplicates("subject", keep=False).itertuples(index=False, name=None))

    def affine(self) -> pd.DataFrame:
        """Affine copies of every reference, where the study measured them (Tausani et al., Fig. 2).

        Raises:
            StoreError: it did not, or what it wrote is damaged.
        """
        path = self.folder.path / AFFINE
        if not path.exists():
            raise StoreError(
                f"study {self.folder.name!r} measured no affine copies; ask for them with "
                "[measure] affine = true and `study run`"
            )
        check_hashed(path, AFFINE_REPAIR)
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise StoreError(f"{str(path)!r} is damaged; {AFFINE_REPAIR}") from error

    def records(self, table: pd.DataFrame) -> list[RunRecord]:
        """The whole record of each run of a table: settings, journal, front, codes."""
        return [load_run(Path(path)) for path in table["path"]]

    def _repr_html_(self) -> str:
        """What a notebook shows: how many runs have ended, and what each condition found."""
        table: Any = self.table()
        values = ["pixel_distance", "activation", "reduction", "converged"]
        keys = ["subject", "condition", "task", "site"]
        means = table.groupby(keys, dropna=False, sort=False, as_index=False)[values].mean()
        return notebook(
            f"study {self.folder.name}",
            [f"{len(table)} of {len(self.planned_runs)} runs have ended; means over runs:"],
            [],
            means.to_html(index=False, border=0),
        )

    def codes(self, table: pd.DataFrame) -> Tensor:
        """The code of each run's chosen image, `(runs, code_dim)` float32."""
        return torch.stack(
            [
                record.tensors["codes"][member]
                for record, member in zip(self.records(table), table["member"], strict=True)
            ]
        )

    def images(
        self, table: pd.DataFrame, which: str = "kept", generator: Generator | None = None
    ) -> Tensor:
        """One image a run, `(runs, 3, height, width)` in [0, 1] (see `sns.choice.choose`).

        Args:
            table: rows of `table()`, of one generator.
            which: `kept`, `knee`, `farthest` or `nearest`.
            generator: by default the study's own, unless that is a file of Python, which is not
                run without being asked.

        Raises:
            InputError: runs of several generators, or of one that must be given.
        """
        if generator is None:
            own = {w.generator for w in self.planned_runs if w.name in set(table["name"])}
            if len(own) != 1:
                raise InputError(f"the table holds runs of {len(own)} generators; expected one")
            if any(map(python_file, own)):
                raise InputError("the generator is a file of Python; load it and give generator=")
            generator = load_generator_cached(own.pop(), "cpu")
        return Result(self.records(table), generator).images(which)


def load_study(folder: str | Path) -> StudyResult:
    """The study in a folder: `…/studies/NAME`, or a store that holds one study.

    Raises:
        StoreError: there is none, or several.
    """
    return StudyResult(study_folder(Path(folder)))
