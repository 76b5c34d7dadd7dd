"""A study on disk: its file, its planned runs and failures; the runs lie in the store.

A store is a folder with `runs/` (every run of every study, by name, and their index) and
`studies/NAME/`. A study refers to its runs by name, so two studies that want one run share it.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invariscope.errors import StoreError, unknown
from invariscope.jobs.failures import read_failures, save_failures
from invariscope.jobs.job import read_news
from invariscope.plurals import number_of
from invariscope.store import version_0_1
from invariscope.store.files import alone, make_folder, replace_file
from invariscope.store.hashes import check_hashed, write_hashed
from invariscope.study.planned_run import REPAIR, PlannedRun, read_planned_runs, write_planned_runs

if TYPE_CHECKING:
    from invariscope.study.file import StudyFile

STUDY, PLANNED = "study.toml", "runs.jsonl"
PLACE = "place.txt"  # the folder of the study's file, on this machine; never packed


@dataclass(frozen=True)
class StudyFolder:
    """Where a study is.

    Attributes:
        store: the folder that holds `runs/` and `studies/`.
        name: the study's.
    """

    store: Path
    name: str

    @property
    def path(self) -> Path:
        return self.store / "studies" / self.name

    @property
    def runs(self) -> Path:
        """The folder of run folders, shared by studies."""
        return self.store / "runs"

    @property
    def batches(self) -> Path:
        """The folder of workers' progress and of an engine's own files."""
        return self.path / "batches"

    @property
    def begun(self) -> bool:
        return (self.path / PLANNED).exists()

    def write(
        self, text: str, planned_runs: Iterable[PlannedRun], place: Path | None = None
    ) -> None:
        """Keep the study's file and its planned runs.

        Args:
            text: of the file.
            planned_runs: of the study.
            place: the file's folder, from which its relative paths count.

        Raises:
            StoreError: the folder cannot be written.
        """
        for folder in (self.path, self.runs, self.batches):
            make_folder(folder)
        write_hashed(self.path / STUDY, lambda part: part.write_text(text, encoding="utf-8"))
        write_planned_runs(self.path / PLANNED, planned_runs)
        if place is not None:
            where = str(place.resolve())
            replace_file(self.path / PLACE, lambda part: part.write_text(where, encoding="utf-8"))

    @property
    def place(self) -> Path | None:
        """Read the folder of the study's file; None where this machine has no such folder."""
        try:
            place = Path((self.path / PLACE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None
        return place if place.is_dir() else None

    def address(self, address: str) -> str:
        """Complete an address of the study's file: a file of Python counts from its folder."""
        from invariscope.study.loading import resolve_address  # noqa: PLC0415  (torch)

        place = self.place
        return address if place is None else resolve_address(address, place, allow_code=True)

    def text(self) -> str:
        """Read the study's file as planned.

        Raises:
            StoreError: the study has not begun.
        """
        check_hashed(self.path / STUDY, REPAIR)
        try:
            return (self.path / STUDY).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise StoreError(f"{str(self.path / STUDY)!r} is damaged; {REPAIR}") from error
        except OSError as error:
            raise StoreError(
                f"no study {self.name!r} in {str(self.store)!r}; start it with `study run`"
            ) from error

    def file(self) -> "StudyFile":
        from invariscope.study.file import parse_study  # noqa: PLC0415  (torch: see `load_study`)

        return parse_study(version_0_1.study_text(self.text()), str(self.path / STUDY))

    def planned_runs(self) -> list[PlannedRun]:
        """Read the study's planned runs.

        Raises:
            StoreError: the study has not begun.
        """
        self.text()
        return read_planned_runs(self.path / PLANNED)

    def failed(self) -> dict[str, str]:
        """Read a sentence for each run that failed and was not tried again, by name."""
        return read_failures(self.path)

    def save_failed(self, failed: dict[str, str]) -> None:
        """Replace the sentences that `failed` reads."""
        save_failures(self.path, failed)

    def alone(self) -> AbstractContextManager[None]:
        """Work on the study as the only process that does.

        Raises:
            BeingWrittenError: another one does.
        """
        return alone(self.path, f"another process works on study {self.name!r}; see `study status`")

    def news(self) -> list[dict[str, Any]]:
        """Read workers' progress, an entry for each batch under way."""
        return read_news(sorted(self.batches.glob("*.json")))


def study_folder(folder: Path) -> StudyFolder:
    """Find the study in a folder: the study's own, or a store with a single study.

    Raises:
        StoreError: there is none, or several to choose from.
    """
    if (folder / PLANNED).exists():
        return StudyFolder(folder.resolve().parent.parent, folder.resolve().name)
    names = sorted(path.parent.name for path in (folder / "studies").glob(f"*/{PLANNED}"))
    if len(names) == 1:
        return StudyFolder(folder.resolve(), names[0])
    if not names:
        raise StoreError(f"{str(folder)!r} holds no study; expected one that `study run` wrote")
    raise StoreError(
        f"{str(folder)!r} holds {number_of(len(names), 'study')}; give one of them: "
        + ", ".join(repr(str(folder / "studies" / name)) for name in names[:5])
    )


def known_study(store: Path, name: str) -> StudyFolder:
    """Find a study by its name in a store.

    Raises:
        StoreError: it has not begun there.
    """
    study = StudyFolder(store, name)
    if not study.begun:
        names = [path.parent.name for path in (store / "studies").glob(f"*/{PLANNED}")]
        raise StoreError(str(unknown(f"study in {str(store)!r}", name, names)))
    return study
