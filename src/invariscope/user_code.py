"""`file.py:factory`: a user's Python file that makes a network, subject or generator.

`file.py:factory(5, layers=[1, 2])` passes plain literals to it: one file for many networks.
"""

import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from invariscope.errors import InputError, InvariscopeError, unknown

ADDRESS = re.compile(r"(?P<file>.+?\.py):(?P<factory>[^:()/\\]*(\(.*\))?)", re.DOTALL)


def python_file(address: str) -> tuple[Path, str] | None:
    """Split an address into file and factory, arguments in brackets; None for other addresses.

    Example:
        >>> python_file("neurons.py:network(5)")
        (PosixPath('neurons.py'), 'network(5)')
    """
    found = ADDRESS.fullmatch(address)
    return (Path(found["file"]), found["factory"]) if found else None


def literal_arguments(factory: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Split `name(5, key="a")` into the name and plain literals, its arguments.

    Numbers, texts, True, False, None, and lists, tuples, sets and dicts of these are literals;
    nothing is computed and no name is looked up.

    Raises:
        InputError: brackets that hold anything else.

    Example:
        >>> literal_arguments("network(5, layer='deep')")
        ('network', (5,), {'layer': 'deep'})
    """
    name, bracket, _ = factory.partition("(")
    if not bracket:
        return factory, (), {}
    try:
        call = ast.parse(factory, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError("no call")  # noqa: TRY301, TRY004  (one sentence for all)
        values = tuple(ast.literal_eval(value) for value in call.args)
        named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords if k.arg}
        if len(named) < len(call.keywords):
            raise ValueError("a starred argument")  # noqa: TRY301
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise InputError(
            f"the arguments of {factory!r} are not understood; expected plain values in brackets, "
            f"such as {name or 'factory'}(5) or {name or 'factory'}('a', layers=[1, 2])"
        ) from error
    return name, values, named


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
        factory: a function without arguments, or of the device; or `name(5)`, a function that
            is called with these literals, and with the device as `device=` where it needs that.
        device: the argument in the second case.

    Raises:
        InputError: no such file or function, arguments that are no literals or that it does not
            take, or a function that fails.
    """
    if not path.is_file():
        raise InputError(f"no Python file {str(path)!r}; expected file.py:factory")
    name, values, named = literal_arguments(factory)
    module = _run(path)
    function = getattr(module, name, None)
    if not callable(function):
        names = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        raise unknown(f"function of {path.name}", name, names)
    if "(" not in factory:
        takes = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        values = (torch.device(device),) if takes else ()
    else:
        named = _bound(function, factory, values, named, torch.device(device))
    try:
        return function(*values, **named)
    except InvariscopeError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{factory} of {path.name} fails: {_message(error)}") from error


def _bound(
    function: Any,
    factory: str,
    values: tuple[Any, ...],
    named: dict[str, Any],
    device: torch.device,
) -> dict[str, Any]:
    """Name the arguments of a call with literals, with the device where needed."""
    parameters = inspect.signature(function).parameters
    device_parameter = parameters.get("device")
    if (
        device_parameter is not None
        and device_parameter.default is device_parameter.empty
        and "device" not in named
    ):
        named = {**named, "device": device}
    try:
        inspect.signature(function).bind(*values, **named)
    except TypeError as error:
        takes = ", ".join(parameters) or "nothing"
        raise InputError(f"{factory} does not fit: the function takes {takes} ({error})") from error
    return named


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
