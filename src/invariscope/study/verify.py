"""Checks of a whole store against the hashes that its writers kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invariscope.errors import InvariscopeError, StoreError
from invariscope.experiments.pictures import read_png
from invariscope.plurals import number_of
from invariscope.store.hashes import HASHES, damaged_files, is_damaged, read_hashes
from invariscope.store.journal import kept_lines, read_journal
from invariscope.store.record import REPAIR, RunRecord, load_run, read_outcome, run_folders
from invariscope.store.run_folder import CHECKPOINT, GENERATION, read_checkpoint
from invariscope.store.run_toml import read_settings
from invariscope.store.settings import RunSettings
from invariscope.study.folder import StudyFolder
from invariscope.study.index import FILE, read_rows
from invariscope.study.result import AFFINE, StudyResult
from invariscope.study.row import row_of

INDEX_REPAIR = "`study reindex` writes it again"
STUDY_REPAIR = "`study run` writes it again"


@dataclass
class Verified:
    """The outcome of a check of a store.

    Attributes:
        problems: a sentence for each thing that is damaged or missing, with its repair.
        runs: how many were looked at.
        files: how many were held to a hash.
        unhashed: runs and studies that version 0.1 wrote, which kept no hashes.
    """

    problems: list[str] = field(default_factory=list)
    runs: int = 0
    files: int = 0
    unhashed: list[str] = field(default_factory=list)

    def attempt(self, read: Callable[[], Any]) -> Any:
        """Call `read`; where that fails, note the sentence among the problems and give None."""
        try:
            return read()
        except InvariscopeError as error:
            self.problems.append(str(error))
        except OSError as error:
            self.problems.append(f"cannot read {str(error.filename)!r}: {error.strerror}")
        return None


def verify_store(store: Path) -> Verified:
    """Read every file of a store's runs and studies again, and compare its hash.

    Runs that version 0.1 wrote have no hashes: they are read, and named in `unhashed`.

    Args:
        store: a store; a folder of runs, or a run, that `sns`, `mei` or `demo` wrote; the runs of
            a rig's session; or any folder with a `hashes.json`.

    Raises:
        StoreError: the folder holds neither runs nor studies.
    """
    found = Verified()
    runs = store / "runs" if (store / "runs").is_dir() else store
    folders = run_folders(runs)
    studies = sorted(path for path in (store / "studies").glob("*") if path.is_dir())
    strays = [] if (runs / "run.toml").exists() else sorted(runs.glob("*/outcome.json"))
    strays = [path.parent for path in strays if path.parent not in folders]
    beside = sorted((store / "mei").glob("*/run.toml"))  # of a rig's session
    if not folders and not studies and not strays and not (store / HASHES).exists():
        raise StoreError(f"{str(store)!r} holds no runs and no studies; expected a store")
    found.problems += [f"{str(path)!r} has no run.toml; {REPAIR}" for path in strays]
    records = []
    for folder in [*folders, *(path.parent for path in beside)]:
        found.runs += 1
        if record := found.attempt(lambda folder=folder: _check_run(folder, found)):
            records.append(record)
    if runs != store:
        found.attempt(lambda: _check_index(runs, records, found))
    for path in studies:
        _check_study(StudyFolder(store, path.name), found)
    if not (store / "run.toml").exists():
        found.attempt(
            lambda: _check_folder(store, "make it again with the command that did", found)
        )
    return found


def _check_run(folder: Path, found: Verified) -> RunRecord | None:
    """Check a run, and give its record, or None for a run that has not ended."""
    settings = RunSettings(**read_settings(folder)["settings"])
    if (folder / CHECKPOINT).exists():
        packed, journal = read_checkpoint(folder / CHECKPOINT, settings.name)
        kept_lines(folder / "journal.jsonl", int(packed[GENERATION]), journal)
    if not (folder / "outcome.json").exists():
        if (folder / "journal.jsonl").exists():
            read_journal(folder / "journal.jsonl")
        return None
    outcome, hashes = read_outcome(folder)
    if damaged := damaged_files(folder, hashes, hashes):
        found.problems += [f"{str(folder / n)!r} is damaged or missing; {REPAIR}" for n in damaged]
        return None
    found.files += len(hashes) + 1
    record = load_run(folder)
    if not hashes:
        found.unhashed.append(f"run {folder.name}")
        for path in sorted((folder / "images").glob("*.png")):
            read_png(path)
    return None if outcome["status"] == "interrupted" else record


def _check_index(runs: Path, records: Sequence[RunRecord], found: Verified) -> None:
    """Hold the rows of an index to their runs."""
    path, rows = str(runs / FILE), read_rows(runs)
    without = 0
    for record in records:
        if record.name not in rows:
            without += 1
        elif not _alike(rows[record.name], row_of(record)):
            found.problems.append(f"{path!r} tells wrongly of {record.path.name}; {INDEX_REPAIR}")
    if without:
        found.problems.append(
            f"{path!r} lacks {number_of(without, 'run')} that have ended; {INDEX_REPAIR}"
        )
    gone = [row["run"] for row in rows.values() if not (runs / row["run"]).is_dir()]
    found.problems += [f"{path!r} tells of {run}, which is gone; {INDEX_REPAIR}" for run in gone]


def _alike(told: dict[str, Any], own: dict[str, Any]) -> bool:
    """Compare a row with the row that its run gives; version 0.1 had fewer columns."""
    return all(own[key] == told[key] for key in own.keys() & told.keys() - {"bytes"})


def _check_study(study: StudyFolder, found: Verified) -> None:
    """Hold a study's files to their hashes, and read each as a command does."""
    told = len(found.problems)
    for read in (study.file, study.planned_runs, study.failed):
        found.attempt(read)
    if (study.path / AFFINE).exists():
        found.attempt(StudyResult(study).affine)
    if len(found.problems) > told:
        return
    _check_folder(study.path, STUDY_REPAIR, found)
    if not (study.path / HASHES).exists():
        found.unhashed.append(f"study {study.name}")


def _check_folder(folder: Path, repair: str, found: Verified) -> None:
    """Hold the files of a folder to its `hashes.json`."""
    hashes = read_hashes(folder)
    for name in _damaged(folder, hashes):
        found.problems.append(f"{str(folder / name)!r} is damaged; {repair}")
    found.files += sum((folder / name).is_file() for name in hashes)


def _damaged(folder: Path, hashes: dict[str, list[tuple[int, str]]]) -> Iterator[str]:
    """Yield the files of a folder that differ from every version that was written."""
    for name, known in hashes.items():
        if (folder / name).is_file() and is_damaged(folder / name, known):
            yield name
