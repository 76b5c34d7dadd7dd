"""Files that are whole or absent, and folders that are ours to write."""

import os
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from invariscope.errors import StoreError


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write `path` through a temporary file, so that a reader sees the old or the new one.

    Args:
        write: writes the whole content to the path it is given.

    Raises:
        StoreError: the file cannot be written (disk full, no permission).
    """
    part = path.with_name(f"{path.name}.part")
    try:
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o644)  # some writers leave files that only their owner can read
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"cannot write {str(path)!r}: {reason}") from error


def make_folder(path: Path) -> Path:
    """Make a folder, or take the one that is there, and make sure that it can be written.

    Raises:
        StoreError: it is a file, or cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        file = next(p for p in (path, *path.parents) if p.exists())
        raise StoreError(f"{str(file)!r} is a file; expected a folder to write to") from error
    except OSError as error:
        raise StoreError(
            f"cannot write to folder {str(path)!r}: {error.strerror}; choose another --out"
        ) from error
    return path
