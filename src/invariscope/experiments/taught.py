"""Images that earlier runs showed to a unit, for a twin to learn from."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch

from invariscope.errors import InputError
from invariscope.generators.base import Generator
from invariscope.plurals import number_of
from invariscope.search.run import TaughtImages
from invariscope.search.strategies import Twin, load_strategy
from invariscope.search.strategies.base import Strategy
from invariscope.store.record import RunRecord, load_run, run_folders
from invariscope.store.settings import without_none
from invariscope.subjects.base import Subject
from invariscope.units import Target


def load_taught(
    folders: str | Path | Sequence[str] | None,
    subject: Subject,
    generator: Generator,
    target: Target,
) -> TaughtImages | None:
    """Read the fronts that ended runs found for a unit.

    Runs of another subject, generator or unit, and interrupted ones, teach nothing; task, stretch
    site, reference, seed and strategy may differ, since the unit's answer to an image does not.

    Args:
        folders: a folder of runs, or one run, or several; None teaches nothing.

    Raises:
        InputError: no run there can teach, the unit is a set, or it answers with noise.
    """
    if folders is None:
        return None
    own = [record for _, record in teaching_runs(folders, subject, generator, target)]
    own.sort(key=lambda record: record.name)
    answers = [torch.from_numpy(r.front["activation"].to_numpy("float64").copy()) for r in own]
    return TaughtImages(torch.cat([r.tensors["codes"].double() for r in own]), torch.cat(answers))


def teaching_runs(
    folders: str | Path | Sequence[str], subject: Subject, generator: Generator, target: Target
) -> list[tuple[Path, RunRecord]]:
    """Find the ended runs in folders that can teach of a unit, each with its own folder.

    Raises:
        InputError: as `load_taught`.
    """
    if len(target.units) > 1:
        raise InputError(
            f"{target} is a set of {number_of(len(target.units), 'unit')}, whose change from one "
            "reference says nothing of that from another; a twin is taught of single units"
        )
    if not subject.noisy.isdisjoint(target.sites):
        raise InputError(
            f"{subject.name} answers with noise, and earlier fronts were chosen by noisy answers; "
            "a twin is taught by exact answers alone"
        )
    given = [folders] if isinstance(folders, str | Path) else list(folders)
    ends = [(path, path / "outcome.json") for folder in given for path in run_folders(Path(folder))]
    found = _records(tuple((path, end.stat().st_mtime_ns) for path, end in ends if end.exists()))
    own = [(path, r) for path, r in found if _may_teach(r, subject, generator, target)]
    if not own:
        where = repr(str(given[0])) + (" and others" if len(given) > 1 else "")
        raise InputError(
            f"{where} holds no run that can teach of {target}; expected ended runs of the "
            "same subject, generator and unit"
        )
    return own


@lru_cache(maxsize=1)
def _records(ended: tuple[tuple[Path, int], ...]) -> tuple[tuple[Path, RunRecord], ...]:
    """Load ended runs once for all units, as long as no run changes."""
    return tuple((path, load_run(path)) for path, _ in ended)


def _may_teach(record: RunRecord, subject: Subject, generator: Generator, target: Target) -> bool:
    own = record.settings
    return (
        record.outcome["status"] != "interrupted"
        and own.unit == str(target)
        and own.subject == without_none(subject.identity())
        and own.generator == without_none(generator.identity())
    )


def check_teachers(folders: str | Path | Sequence[str]) -> None:
    """Check that there are folders to learn from.

    Raises:
        InputError: no folder, or one that is not there.
    """
    given = [folders] if isinstance(folders, str | Path) else list(folders)
    if not given:
        raise InputError("taught_by names no folder; give one with ended runs, or leave it out")
    for folder in given:
        if not Path(folder).is_dir():
            raise InputError(f"taught_by names {str(folder)!r}, and no such folder is there")


def check_apart(folders: str | Path | Sequence[str] | None, out: Path) -> None:
    """Refuse a folder for new runs that teaches: a search would then teach itself.

    Raises:
        InputError: the folder of the runs is one of those that teach.
    """
    given = [folders] if isinstance(folders, str | Path) else list(folders or ())
    if any(Path(folder).resolve() == out.resolve() for folder in given):
        raise InputError(
            f"taught_by names {str(out)!r}, where the new runs go too: the next time these would "
            "teach as well, and the same command would ask for other runs; give another --out"
        )


def check_can_be_taught(strategy: str | Strategy) -> None:
    """Check that a strategy learns from images.

    Raises:
        InputError: it sees the order of its candidates alone.
    """
    own = load_strategy(strategy)
    if not isinstance(own, Twin):
        raise InputError(
            f"taught_by is for strategy 'twin'; {own.name!r} learns from its own candidates alone"
        )
