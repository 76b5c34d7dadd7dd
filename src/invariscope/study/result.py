"""Results of a study: a row for each run, images and codes on demand."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.markup import notebook
from invariscope.plurals import number_of
from invariscope.store.hashes import read_hashed_table
from invariscope.study.folder import StudyFolder, study_folder
from invariscope.study.index import rows_of
from invariscope.study.planned_run import PlannedRun
from invariscope.study.row import COLUMNS

if TYPE_CHECKING:
    from torch import Tensor

    from invariscope.generators.base import Generator
    from invariscope.store.record import RunRecord

FILTERS = ("all", "milestone", "stopped")
AFFINE = "affine.parquet"
AFFINE_REPAIR = "delete it, and `study run` measures it again"
_OF_PLAN = ("role", "condition", "draw", "photo")
_WHOLE = ("subset", "milestone_generation", "draw")  # whole numbers, missing where there is none


def filter_runs(table: pd.DataFrame, runs: str = "all") -> pd.DataFrame:
    """Filter the rows of a study's table for an analysis.

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

    The rows of `table` choose runs for `images`, `codes` and `records`; all three keep the order
    of the rows. Distances are Euclidean (PAPERS §1, "Objectives").

    Attributes:
        folder: where the study is.

    Example:
        >>> import invariscope as iv
        >>> from invariscope.testing.studies import small_study
        >>> study = iv.load_study(small_study("store"))
        >>> study.table()[["role", "unit", "task", "images"]]
               role  unit        task  images
        0  standard  fc:3  excitation      20
        1  standard  fc:3  invariance      20
        >>> study.images(study.table()).shape, study.codes(study.table()).shape
        (torch.Size([2, 3, 96, 96]), torch.Size([2, 384]))
    """

    folder: StudyFolder

    @cached_property
    def planned_runs(self) -> list[PlannedRun]:
        """The runs that the study wants, ended or not."""
        return self.folder.planned_runs()

    def table(self, runs: str = "all") -> pd.DataFrame:
        """Tabulate the ended runs, a row each, MEI searches (`task` is `excitation`) included.

        The columns are those of `row_of`, then `role` (the subject's, by the study file),
        `condition`, `draw` (which sample of a site), `photo` and `path`. `stretch`, `squeeze` and
        `pixel_distance` are distances of at least 0, `saturation` the share of the image's values
        at an end of the range, `code_norm` the code's L2 norm, `activation` and
        `reference_activity` in the unit's own measure, `reduction` in % of the reference's
        activity, `seconds` of work, all float32 measurements; unknown values are missing.

        Args:
            runs: `all`, `milestone` or `stopped` (see `filter_runs`).

        Raises:
            InputError: another word for `runs`.
            StoreError: the study's plan, the index or a run is damaged.
        """
        rows = rows_of(self.folder.runs, {w.name: w.folder for w in self.planned_runs})
        ended = [w for w in self.planned_runs if w.name in rows]
        # Column by column: ten thousand rows as dicts, once more, would be most of the memory.
        columns = {key: [rows[w.name].get(key) for w in ended] for key in COLUMNS}
        columns |= {key: [getattr(w, key) for w in ended] for key in _OF_PLAN}
        columns["path"] = [str(self.folder.runs / w.folder) for w in ended]
        table = pd.DataFrame(columns)
        return filter_runs(table.astype(dict.fromkeys(_WHOLE, "Int64")), runs)

    @property
    def roles(self) -> dict[str, str]:
        """The roles of the table's subjects, by the subject's name there."""
        table = self.table()
        given = table.loc[table["role"].notna(), ["subject", "role"]].drop_duplicates()
        return dict(given.drop_duplicates("subject", keep=False).itertuples(index=False, name=None))

    def affine(self) -> pd.DataFrame:
        """Read the affine copies of every reference that the study measured (PAPERS §1, Fig. 2).

        Raises:
            StoreError: the study measured none, or the table is damaged.
        """
        path = self.folder.path / AFFINE
        if not path.exists():
            raise StoreError(
                f"study {self.folder.name!r} measured no affine copies; ask for them with "
                "[measure] affine = true and `study run`"
            )
        return read_hashed_table(path, AFFINE_REPAIR)

    def records(self, table: pd.DataFrame) -> "list[RunRecord]":
        """Load the whole record of each run of a table: settings, journal, front, codes.

        Raises:
            StoreError: a run is damaged.
        """
        from invariscope.store.record import load_run  # noqa: PLC0415  (torch: see `load_study`)

        return [load_run(Path(path)) for path in table["path"]]

    def _repr_html_(self) -> str:
        """Show in a notebook how many runs have ended, with the means of each condition."""
        table: Any = self.table()
        values = ["pixel_distance", "activation", "reduction", "converged"]
        keys = ["subject", "condition", "task", "site"]
        means = table.groupby(keys, dropna=False, sort=False, as_index=False)[values].mean()
        runs = number_of(len(self.planned_runs), "run")
        return notebook(
            f"study {self.folder.name}",
            [f"ended: {len(table)} of {runs}; means over runs:"],
            [],
            means.to_html(index=False, border=0),
        )

    def codes(self, table: pd.DataFrame) -> "Tensor":
        """Give the code of each run's chosen image, `(runs, code_dim)` float32."""
        import torch  # noqa: PLC0415  (see `load_study`)

        return torch.stack(
            [
                record.tensors["codes"][member]
                for record, member in zip(self.records(table), table["member"], strict=True)
            ]
        )

    def images(
        self, table: pd.DataFrame, which: str = "kept", generator: "Generator | None" = None
    ) -> "Tensor":
        """Make an image for each run, `(runs, 3, height, width)` in [0, 1].

        Args:
            table: rows of `table()`, of one generator.
            which: `kept`, `knee`, `farthest` or `nearest`.
            generator: by default the study's own, unless that is a file of Python, which is not
                run without being asked.

        Raises:
            InputError: runs of several generators, a generator that must be given, or another
                word for `which`.
            StoreError: a run is damaged.
        """
        from invariscope.experiments.result import Result  # noqa: PLC0415  (torch: see `load_study`)
        from invariscope.generators import address_made_with  # noqa: PLC0415  (as above)
        from invariscope.study.loading import load_generator_cached  # noqa: PLC0415  (as above)
        from invariscope.user_code import python_file  # noqa: PLC0415  (as above)

        if generator is None:
            own = {w.generator for w in self.planned_runs if w.name in set(table["name"])}
            if len(own) != 1:
                raise InputError(
                    f"the table holds runs of {number_of(len(own), 'generator')}; expected one"
                )
            if any(map(python_file, own)):
                raise InputError("the generator is a file of Python; load it and give generator=")
            made_with = self.records(table.iloc[:1])[0].settings.generator
            generator = load_generator_cached(address_made_with(own.pop(), made_with), "cpu")
        return Result(self.records(table), generator).images(which)


def load_study(folder: str | Path) -> StudyResult:
    """Load the study in a folder: `…/studies/NAME`, or a store with a single study.

    Loading it and its table imports neither torch nor pictures; what needs them does.

    Args:
        folder: the study's own folder, or a store.

    Raises:
        StoreError: there is no study, or there are several.

    Example:
        >>> import invariscope as iv
        >>> from invariscope.testing.studies import small_study
        >>> study = iv.load_study(small_study("store"))
        >>> len(study.planned_runs), len(study.table("all"))
        (2, 2)
    """
    return StudyResult(study_folder(Path(folder)))
