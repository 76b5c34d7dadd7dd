"""One process at a time works on a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invariscope.errors import BeingWrittenError
from invariscope.store.files import make_folder

LOCK = "lock"


@contextmanager
def alone(folder: Path, taken: str) -> Iterator[None]:
    """Hold a folder's lock; it is made if it is not there.

    Args:
        taken: what is said where another process holds it.

    Raises:
        BeingWrittenError: another one does.
        StoreError: the folder cannot be made.
    """
    with (make_folder(folder) / LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BeingWrittenError(taken) from error
        yield
