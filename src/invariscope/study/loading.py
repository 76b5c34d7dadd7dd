"""Subjects and generators by address, a person's own Python file included."""

from functools import lru_cache
from pathlib import Path

from invariscope import user_code
from invariscope.devices import pick_device
from invariscope.generators import Generator, load_generator
from invariscope.generators.constraints import MARK
from invariscope.subjects import Subject, load_subject


def resolve_address(address: str, base: Path, *, allow_code: bool) -> str:
    """Complete the path of an address that names a Python file.

    Args:
        base: the folder from which a relative path counts.

    Raises:
        InputError: it names code, and that was not allowed.
    """
    plain, mark, constraints = address.partition(MARK)
    user_code.allow(plain, allow_code=allow_code)
    file = user_code.python_file(plain)
    plain = f"{(base / file[0]).resolve()}:{file[1]}" if file else plain
    return plain + mark + constraints


@lru_cache(maxsize=2)
def load_subject_cached(address: str, device: str, *, compiled: bool = False) -> Subject:
    """Load the subject of a settled address; the last two are kept.

    Args:
        compiled: see `NetworkSubject`.

    Raises:
        InputError: an unknown address, or a factory that gives no subject.
    """
    return load_subject(address, pick_device(device), allow_code=True, compiled=compiled)


@lru_cache(maxsize=2)
def load_generator_cached(address: str, device: str) -> Generator:
    """Load the generator of a settled address; the last two are kept.

    Raises:
        InputError: an unknown address, or a factory that gives no generator.
    """
    return load_generator(address, pick_device(device), allow_code=True)
