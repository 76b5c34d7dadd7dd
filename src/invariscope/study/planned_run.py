"""Planned runs of a study as plain data, enough to start a run on any machine."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invariscope.errors import StoreError
from invariscope.store import version_0_1
from invariscope.store.hashes import check_hashed, write_hashed

if TYPE_CHECKING:
    from invariscope.experiments.plan import SearchOptions

REFERENCES = "references"
REPAIR = "`study run` writes it again"


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of a study.

    Attributes:
        name: the run's (see `RunSettings.name`).
        folder: its folder's name in the store.
        condition: the study's condition that wants it; `references` for an MEI's search.
        subject, generator: settled addresses.
        role: what the study file calls the subject, such as `standard` or `robust`; or None.
        unit: the target's address.
        task, seed: of the run.
        site: the stretch site; None for `excitation`.
        subset: entries of the flattened site that count, or None.
        draw: which sample of the site this is, where it is one.
        direction: see `Objective`.
        options: what `SearchOptions` takes.
        needs: the name of the run that finds its reference, and its folder; or None.
        photo: the file that it departs from; or None.
    """

    name: str
    folder: str
    condition: str
    subject: str
    generator: str
    unit: str
    task: str
    seed: int
    site: str | None = None
    subset: tuple[int, ...] | None = None
    draw: int | None = None
    direction: str = "either"
    options: dict[str, Any]
    needs: tuple[str, str] | None = None
    photo: str | None = None
    role: str | None = None

    @property
    def search_options(self) -> "SearchOptions":
        from invariscope.experiments.plan import (  # noqa: PLC0415  (torch: see `load_study`)
            SearchOptions,
        )

        return SearchOptions(**self.options)

    @property
    def images(self) -> int:
        """The most images that the run may show."""
        return self.options["generations"] * self.options["population"]

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """The settings that runs must share to advance together."""
        keys = ("strategy", "population", "generations", "precision")
        return (self.subject, self.generator, *(self.options[key] for key in keys))


def write_planned_runs(path: Path, runs: Iterable[PlannedRun]) -> None:
    """Keep the runs of a study, one line a run.

    Raises:
        StoreError: the file cannot be written.
    """
    text = "".join(json.dumps(asdict(run)) + "\n" for run in runs)
    write_hashed(path, lambda part: part.write_text(text))


def _of(line: str) -> PlannedRun:
    """Read a run from its line; JSON has no tuples."""
    kept: dict[str, Any] = json.loads(line)
    kept["options"] = version_0_1.row(kept["options"])
    for key in ("subset", "needs"):
        if kept[key] is not None:
            kept[key] = tuple(kept[key])
    return PlannedRun(**kept)


def read_planned_runs(path: Path) -> list[PlannedRun]:
    """Read the runs that `write_planned_runs` kept.

    Raises:
        StoreError: the file is missing or damaged.
    """
    check_hashed(path, REPAIR)
    try:
        return [_of(line) for line in path.read_text().splitlines()]
    except OSError as error:
        raise StoreError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{str(path)!r} is damaged; {REPAIR}") from error
