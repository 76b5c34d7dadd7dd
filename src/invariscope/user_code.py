"""`file.py:factory`: a user's Python file that makes a network, subject or generator."""

import hashlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from invariscope.errors import InputError, InvariscopeError, unknown


def python_file(address: str) -> tuple[Path, str] | None:
    """Split an address `file.py:factory` into file and factory; None for other addresses."""
    file, colon, factory = address.rpartition(":")
    return (Path(file), factory) if colon and file.endswith(".py") else None


def allow(address: str, *, allow_code: bool) -> None:
    """Make sure that an address names no Python file, or that running code is allowed.

    Raises:
        InputError: a Python file that may not be run.
    """
    if python_file(address) and not allow_code:
        raise InputError(
            f"{address!r} would run the code of a Python file; allow it with --allow-code "
            "(allow_code=True) if you trust it"
        )


def make(path: Path, factory: str, device: torch.device | str) -> Any:
    """Call a function of a Python file that the user allowed to run, and give its result.

    Args:
        path: of the file, which may import its neighbours.
        factory: a function without arguments, or of the device.
        device: the argument in the second case.

    Raises:
        InputError: no such file or function, or one that fails.
    """
    if not path.is_file():
        raise InputError(f"no Python file {str(path)!r}; expected file.py:factory")
    module = _run(path)
    function = getattr(module, factory, None)
    if not callable(function):
        names = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        raise unknown(f"function of {path.name}", factory, names)
    takes = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    try:
        return function(torch.device(device)) if takes else function()
    except InvariscopeError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{factory} of {path.name} fails: {_message(error)}") from error


def _message(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _run(path: Path) -> ModuleType:
    whole = path.resolve()
    name = f"user_{whole.stem}_{hashlib.sha256(str(whole).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, whole)
    if spec is None or spec.loader is None:
        raise InputError(f"{str(path)!r} is no Python file; expected file.py:factory")
    module = module_from_spec(spec)
    sys.modules[name] = module  # classes find their source through it
    with _neighbours(whole.parent):
        try:
            spec.loader.exec_module(module)
        except InvariscopeError:
            raise
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise InputError(f"{path.name} cannot be run: {_message(error)}") from error
    return module


@contextmanager
def _neighbours(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
