"""Files that are whole or absent, even after power loss; folders with one writer."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import portalocker
from portalocker import LockException, LockFlags

from invariscope.errors import BeingWrittenError, StoreError

if TYPE_CHECKING:
    from torch import Tensor

LOCK = "lock"
PART = ".invariscope.part"  # behind a dot and the name of the file that is being written
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder safe from power loss.

    Raises:
        OSError: the disk failed.
    """
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no folder
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot do it, and need not: they keep names in order.
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file through a temporary file, so that a reader sees the old or the new file.

    On return, the new file is safe from power loss. A link is followed, and who may read the file
    follows from the umask. The temporary file's name is one that no person gives, so nothing of
    theirs is overwritten; a killed process leaves it, and the next one writes it anew.

    Args:
        write: writes the whole content to a path.

    Raises:
        StoreError: the file cannot be written (disk full, no permission).
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.is_symlink():
        raise StoreError(f"cannot write {str(path)!r}: it is a link in a circle; remove it")
    part = target.with_name(f".{target.name}{PART}")
    try:
        part.unlink(missing_ok=True)  # of a process that was killed
        part.touch()
        mode = part.stat().st_mode
        write(part)
        part.chmod(mode & 0o777)  # some writers leave files that only their owner can read
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"cannot write {str(path)!r}: {reason}") from error


def remove_file(path: Path) -> None:
    """Remove a file, where present, and make the removal safe from power loss.

    Raises:
        StoreError: the file cannot be removed.
    """
    try:
        path.unlink()
        sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot remove {str(path)!r}: {error.strerror}") from error


def replace_tensors(
    path: Path, tensors: "Mapping[str, Tensor]", metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file as `replace_file` does.

    The library's own writer goes through a file of a random name, which a killed process leaves.

    Raises:
        StoreError: the file cannot be written.
    """
    from safetensors.torch import save  # noqa: PLC0415  (torch, which a table does not need)

    whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    content = save(whole, metadata)
    replace_file(path, lambda part: part.write_bytes(content))


def make_folder(path: Path) -> Path:
    """Make a folder, or take the present folder, and make sure that files can be written there.

    Raises:
        StoreError: the path is a file, or cannot be made or written.
    """
    try:
        new = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in new:
            sync_folder(folder.parent)
        with tempfile.TemporaryFile(dir=path):  # a nameless file: a killed process leaves none
            pass
    except (FileExistsError, NotADirectoryError) as error:
        file = next(p for p in (path, *path.parents) if p.exists() or p.is_symlink())
        if not file.exists():
            raise StoreError(f"{str(file)!r} is a link that leads nowhere; remove it") from error
        raise StoreError(f"{str(file)!r} is a file; expected a folder to write to") from error
    except OSError as error:
        raise StoreError(
            f"cannot write to folder {str(path)!r}: {error.strerror}; choose another --out"
        ) from error
    return path


def lock(file: IO[bytes], taken: str) -> None:
    """Lock an open file for this process, until the file is closed.

    Args:
        taken: the sentence where another process holds the lock.

    Raises:
        BeingWrittenError: another process holds the lock.
    """
    try:
        portalocker.lock(file, LockFlags.EXCLUSIVE | LockFlags.NON_BLOCKING)
    except LockException as error:
        raise BeingWrittenError(taken) from error


@contextmanager
def alone(folder: Path, taken: str) -> Iterator[None]:
    """Hold the lock of a folder, made where missing.

    Args:
        taken: the sentence where another process holds the lock.

    Raises:
        BeingWrittenError: another process holds the lock.
        StoreError: the folder cannot be made.
    """
    with (make_folder(folder) / LOCK).open("ab") as file:
        lock(file, taken)
        yield
