"""A study and its runs in one tar file, with a checksum of every file inside."""

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.jobs.failures import FAILED
from invariscope.plurals import number_of
from invariscope.store.files import LOCK, replace_file, sync_folder
from invariscope.store.hashes import HASHES
from invariscope.store.run_toml import FILE as RUN
from invariscope.study.folder import PLANNED, STUDY, StudyFolder
from invariscope.study.index import FILE as INDEX
from invariscope.study.index import catch_up, rows_of
from invariscope.study.result import AFFINE
from invariscope.zoo.registry import file_hash

MANIFEST = "manifest.json"
MOST_MANIFEST = 1 << 30
BLOCK = 1 << 20
LONGEST = 250  # bytes of a part of a name: most disks take 255
DEEPEST = 16  # parts of a name


def _contents(study: StudyFolder) -> Iterator[tuple[str, Path]]:
    """Name in the archive and file of everything that belongs to a study and has ended."""
    for name in (STUDY, PLANNED, FAILED, AFFINE, HASHES):
        if (study.path / name).exists():
            yield f"studies/{study.name}/{name}", study.path / name
    planned_runs = study.planned_runs()
    rows = rows_of(study.runs, {run.name: run.folder for run in planned_runs})
    for run in planned_runs:
        if run.name in rows:
            for path in sorted((study.runs / run.folder).rglob("*")):
                if path.is_file():
                    inside = path.relative_to(study.runs).as_posix()
                    yield f"runs/{inside}", path


def pack_study(study: StudyFolder, archive: Path) -> tuple[int, int]:
    """Write a study with its ended runs to a tar file.

    Returns:
        How many files it holds, and their bytes.

    Raises:
        StoreError: a file cannot be read, or the archive not written.
    """
    try:
        files = list(_contents(study))
        sums = {name: [path.stat().st_size, file_hash(path)] for name, path in files}
        manifest = json.dumps({"study": study.name, "files": sums}).encode()

        def write(part: Path) -> None:
            with tarfile.open(part, "w") as tar:
                first = tarfile.TarInfo(MANIFEST)
                first.size = len(manifest)
                tar.addfile(first, io.BytesIO(manifest))
                for name, path in files:
                    member = tarfile.TarInfo(name)
                    member.size = sums[name][0]
                    with path.open("rb") as file:
                        tar.addfile(member, file)

        replace_file(archive, write)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"cannot pack {study.name!r}: {error}") from error
    return len(files), sum(size for size, _ in sums.values())


def is_pack(path: Path) -> bool:
    """Check that a file begins with the manifest that `pack_study` writes."""
    try:
        with tarfile.open(path, "r:") as tar:
            _read_manifest(path, tar)
    except (tarfile.TarError, InputError):
        return False
    return True


def _refuse(archive: Path, why: str) -> InputError:
    return InputError(f"{str(archive)!r} is refused: {why}; nothing was taken")


def _safe(name: str) -> bool:
    """Check that a member's name is a plain file below `studies/NAME` or `runs/RUN`."""
    parts = PurePosixPath(name).parts
    return (
        3 <= len(parts) <= DEEPEST
        and parts[0] in ("studies", "runs")
        and ".." not in parts
        and not name.startswith("/")
        and "\\" not in name
        and PurePosixPath(name).as_posix() == name
    )


def _name_fault(name: str) -> str | None:
    """Say why a member cannot have this name, or None."""
    if not _safe(name):
        return f"it names {name[:200]!r}, which leads out of the store"
    parts = PurePosixPath(name).parts
    if not name.isprintable() or max(len(part.encode()) for part in parts) > LONGEST:
        return f"it holds a name that no disk takes, {name[:80]!r} …"
    owner = parts[1]
    if owner.startswith(".") or owner.endswith(".part") or owner in (INDEX, LOCK):
        return f"it names {name!r}, where the store has files of its own"
    return None


def _whole(study: str, sums: Mapping[str, object]) -> str | None:
    """Name a file that an archive lacks, or names that hide each other."""
    runs = {name.split("/")[1] for name in sums if name.startswith("runs/")}
    needed = [f"studies/{study}/{STUDY}", f"studies/{study}/{PLANNED}"]
    needed += [f"runs/{run}/{RUN}" for run in sorted(runs)]
    for name in needed:
        if name not in sums:
            return f"it holds no {name!r}"
    folded: set[str] = set()
    folders = {str(above).casefold() for name in sums for above in PurePosixPath(name).parents}
    for name in sums:
        if name.casefold() in folded | folders:
            return f"{name!r} is there twice, or as a file and a folder"
        folded.add(name.casefold())
    return None


def _read_sums(content: bytes) -> tuple[str, dict[str, tuple[int, str]]]:
    """Read the study's name, and each file's size and sha256.

    Raises:
        ValueError, KeyError, TypeError, RecursionError, AttributeError: it is no manifest.
    """
    manifest = json.loads(content)
    study, sums = manifest["study"], {}
    for name, (size, digest) in manifest["files"].items():
        if type(size) is not int or size < 0 or not isinstance(digest, str):
            raise ValueError(f"size of {name!r}")
        sums[name] = (size, digest)
    if not isinstance(study, str):
        raise TypeError("study")
    return study, sums


def _read_manifest(archive: Path, tar: tarfile.TarFile) -> tuple[str, dict[str, tuple[int, str]]]:
    first = tar.next()
    ours = first is not None and first.name == MANIFEST and first.isreg()
    if first is None or not ours or not 0 <= first.size <= MOST_MANIFEST:
        raise _refuse(
            archive, "it does not begin with a manifest, so `study pack` did not write it"
        )
    file = tar.extractfile(first)
    try:
        study, sums = _read_sums(file.read() if file else b"")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refuse(archive, "its manifest is damaged") from error
    for name in (f"studies/{study}/{PLANNED}", *sums):
        if fault := _name_fault(name):
            raise _refuse(archive, fault)
        if name.startswith("studies/") and name.split("/")[1] != study:
            raise _refuse(archive, f"it names {name!r}, which leads out of the store")
    if fault := _whole(study, sums):
        raise _refuse(archive, fault)
    return study, sums


def _copy(file: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as copy:
        while block := file.read(BLOCK):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def _extract(
    archive: Path, tar: tarfile.TarFile, sums: dict[str, tuple[int, str]], to: Path
) -> None:
    """Extract every member into a folder of ours, held to the manifest."""
    missing = set(sums)
    while (member := tar.next()) is not None:
        if not member.isreg() or member.issparse():
            raise _refuse(archive, f"{member.name!r} is not a plain file (a link or a folder)")
        if member.name not in missing:
            raise _refuse(archive, f"{member.name!r} is not in its manifest, or there twice")
        size, digest = sums[member.name]
        file = tar.extractfile(member)
        if file is None or member.size != size or _copy(file, to / member.name) != digest:
            raise _refuse(archive, f"{member.name!r} does not match its checksum")
        missing.discard(member.name)
    if missing:
        raise _refuse(archive, f"it lacks {number_of(len(missing), 'file')} of its manifest")


def unpack_study(archive: Path, store: Path, *, most_bytes: int) -> tuple[str, int, int]:
    """Take a packed study into a store, after every file was held to its checksum.

    Args:
        store: a folder; runs that are there already are left as they are.
        most_bytes: an archive with more is refused; at least 1.

    Returns:
        The study's name, how many runs were taken, and how many were there.

    Raises:
        InputError: not such an archive, a member that leads out of the store or does not match
            its checksum, more bytes than allowed, or a study of that name is there; nothing was
            taken.
        StoreError: the store cannot be written.
    """
    validate.at_least("the most bytes", most_bytes, 1)
    if archive.exists() and not archive.is_file():
        raise _refuse(archive, "it is no file")
    try:
        with (
            tarfile.open(archive, "r:") as tar,
            tempfile.TemporaryDirectory(prefix=".unpack-", dir=store) as temporary,
        ):
            name, sums = _read_manifest(archive, tar)
            total = sum(size for size, _ in sums.values())
            if total > most_bytes:
                raise _refuse(
                    archive,
                    f"it holds {total / 1e9:.1f} GB; at most {most_bytes / 1e9:g} are taken",
                )
            study = StudyFolder(store, name)
            if study.path.exists():
                raise _refuse(archive, f"a study {name!r} is in {str(store)!r} already")
            whole = Path(temporary)
            _extract(archive, tar, sums, whole)
            taken, there = _place(whole, study)
    except tarfile.TarError as error:
        raise _refuse(archive, f"it is not a tar file ({error})") from error
    except FileNotFoundError as error:
        raise InputError(
            f"no archive {str(archive)!r}; expected what `study pack` wrote"
        ) from error
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"cannot unpack {str(archive)!r}: {error.strerror or error}") from error
    return name, taken, there


def _place(whole: Path, study: StudyFolder) -> tuple[int, int]:
    """Move the checked files to their places, the study last."""
    study.runs.mkdir(parents=True, exist_ok=True)
    study.path.parent.mkdir(parents=True, exist_ok=True)
    taken, there = [], 0
    for folder in sorted((whole / "runs").glob("*")):
        if (study.runs / folder.name).exists():
            there += 1
        else:
            shutil.move(folder, study.runs / folder.name)
            taken.append(folder.name)
    sync_folder(study.runs)
    shutil.move(whole / "studies" / study.name, study.path)
    sync_folder(study.path.parent)
    catch_up(study.runs, taken, ())
    return len(taken), there
