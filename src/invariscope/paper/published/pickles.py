"""Pickles that hold data only: NumPy arrays and plain containers, nothing that can run."""

import codecs
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from invariscope.errors import InputError

KINDS = "biufcSUO"  # of arrays: numbers, words, and objects of the kinds allowed here
_rebuild: Callable[..., Any] = np.zeros(0).__reduce__()[0]  # type: ignore[assignment]
_scalar: Callable[..., Any] = np.float32(0).__reduce__()[0]  # type: ignore[assignment]


class _Array:
    """A stand-in for `numpy.ndarray` in a pickle that cannot be called."""

    def __init__(self) -> None:
        raise pickle.UnpicklingError("an array is made in a way that data does not need")


def _empty_array(*_: object) -> Any:
    return _rebuild(np.ndarray, (0,), b"b")


def _dtype(kind: object, *rest: object) -> np.dtype[Any]:
    if not isinstance(kind, str) or kind.lstrip("<>|=")[:1] not in KINDS:
        raise pickle.UnpicklingError(f"an array of {kind!r} is not data")
    return np.dtype(kind, *rest)  # pyright: ignore[reportArgumentType, reportCallIssue]


def _from_buffer(buffer: Any, dtype: np.dtype[Any], shape: Any, order: str) -> Any:
    return np.frombuffer(buffer, dtype).reshape(shape, order="F" if order == "F" else "C").copy()


def _encode(text: str, how: str = "utf-8") -> bytes:
    if how not in ("latin1", "utf-8"):
        raise pickle.UnpicklingError(f"{how!r} is no encoding of data")
    return codecs.encode(text, how)


def _path(*parts: str) -> str:
    return "/".join(parts).replace("//", "/")


def _counted(factory: object = None, *items: Any) -> dict[Any, Any]:
    """Make a plain dictionary in place of a `defaultdict`."""
    if factory not in (None, list, dict, int, float, tuple, set, defaultdict):
        raise pickle.UnpicklingError(f"a dictionary that makes {factory!r} is not data")
    return dict(*items)


# Every class and function that such a pickle may name, and what it becomes here.
_NUMPY = {
    "_reconstruct": _empty_array,
    "scalar": _scalar,
    "_frombuffer": _from_buffer,
    "ndarray": _Array,
    "dtype": _dtype,
}
_NAMED: dict[tuple[str, str], Any] = {
    **{
        (f"numpy{core}", name): known
        for core in ("", ".core.multiarray", "._core.multiarray", ".core.numeric", "._core.numeric")
        for name, known in _NUMPY.items()
    },
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): _counted,
    **{("pathlib", name): _path for name in ("PosixPath", "PurePosixPath", "WindowsPath")},
    **{
        (builtins, kind.__name__): kind
        for builtins in ("builtins", "__builtin__")
        for kind in (list, dict, int, float, tuple, set, frozenset, complex)
    },
}


class _DataOnly(pickle.Unpickler):
    """Refuses every class and function that is not in `_NAMED`."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not data")
        return _NAMED[module, name]

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError(f"it refers to something outside itself ({pid!r})")


def read_dictionary(path: Path) -> dict[Any, Any]:
    """Read the dictionary in a pickle of arrays and plain containers, without running any code.

    Raises:
        InputError: it names anything else, holds no dictionary, or is damaged.
    """
    try:
        with path.open("rb") as file:
            content = _DataOnly(file).load()
    except FileNotFoundError as error:
        raise InputError(f"no file {str(path)!r}") from error
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        ImportError,
        LookupError,
        MemoryError,
        OSError,
        TypeError,
        ValueError,
    ) as error:
        raise InputError(f"{str(path)!r} is refused: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{str(path)!r} holds {type(content).__name__}; expected a dictionary")
    return content
