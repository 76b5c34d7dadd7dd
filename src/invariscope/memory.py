"""Memory that a process freed and keeps."""

import ctypes
import os
from contextlib import suppress

# glibc's mallopt: numbers of its parameters, and what they are set to, in bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Above the largest temporary of a part of a chunk (`search.measure`), below the largest weights of
# the published generators (64 MiB in float32), which go back to the system when they are freed.
LARGEST_KEPT = 60 * 2**20
MOST_KEPT = 512 * 2**20


def keep_freed_memory() -> bool:
    """Keep freed memory for the next temporary of the same process (glibc only).

    Above 32 MB glibc otherwise asks the system anew for each temporary of a network, and the
    system fills it with zeros first: a quarter of all processor time. Results stay the same bit
    for bit. The command and its workers do so at their start; in Python call this once, before
    the first network runs. A `MALLOC_…` or `GLIBC_TUNABLES` setting in the environment is left
    as it is.

    Returns:
        Whether it was set; False with another C library.

    Example:
        >>> import invariscope as iv
        >>> kept = iv.keep_freed_memory()
    """
    tuned = any(name.startswith("MALLOC_") for name in os.environ)
    if tuned or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  (only glibc has it)
        mallopt = library.mallopt
        return bool(mallopt(_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, MOST_KEPT))
    return False
