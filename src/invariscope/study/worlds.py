"""Subjects and generators by address, those of a person's own file included."""

import importlib.util
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from invariscope.devices import pick_device
from invariscope.errors import InputError, unknown
from invariscope.generators import Generator, load_generator
from invariscope.subjects import Subject, load_subject


def own_code(address: str) -> tuple[Path, str] | None:
    """The file and the factory of an address `file.py:factory`; None for any other."""
    file, colon, factory = address.rpartition(":")
    return (Path(file), factory) if colon and file.endswith(".py") else None


def refuse_code(addresses: Iterable[str]) -> None:
    """Make sure that no address names a file of Python.

    Raises:
        InputError: one does.
    """
    for address in addresses:
        if own_code(address):
            raise InputError(f"{address!r} runs a file of Python; allow it with --allow-code")


def settle(address: str, base: Path, *, allow_code: bool) -> str:
    """The address with its file's whole path, where it names one.

    Args:
        base: the folder from which a relative path counts.

    Raises:
        InputError: it names code, and that was not allowed.
    """
    code = own_code(address)
    if code is None:
        return address
    if not allow_code:
        refuse_code([address])
    return f"{(base / code[0]).resolve()}:{code[1]}"


def _factory(address: str) -> Callable[..., Any] | None:
    code = own_code(address)
    if code is None:
        return None
    path, name = code
    spec = importlib.util.spec_from_file_location(f"invariscope_own_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"no file {str(path)!r}; expected Python with a function {name}(device)")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(factory := getattr(module, name, None)):
        raise unknown(f"factory in {str(path)!r}", name, [k for k in vars(module) if k[0] != "_"])
    return factory


@lru_cache(maxsize=2)
def subject_at(address: str, device: str) -> Subject:
    """The subject of a settled address; the last two are kept.

    Raises:
        InputError: an unknown address, or a factory that gives no subject.
    """
    factory = _factory(address)
    if factory is None:
        return load_subject(address, pick_device(device))
    subject = factory(pick_device(device))
    if not isinstance(subject, Subject):
        raise InputError(f"{address!r} gave {type(subject).__name__}; expected a Subject")
    return subject


@lru_cache(maxsize=2)
def generator_at(address: str, device: str) -> Generator:
    """The generator of a settled address; the last two are kept.

    Raises:
        InputError: an unknown address, or a factory that gives no generator.
    """
    factory = _factory(address)
    if factory is None:
        return load_generator(address, pick_device(device))
    generator = factory(pick_device(device))
    if not isinstance(generator, Generator):
        raise InputError(f"{address!r} gave {type(generator).__name__}; expected a Generator")
    return generator
