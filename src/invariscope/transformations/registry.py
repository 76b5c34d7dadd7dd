"""Transformations by name: the paper's, affine, light, and the user's own."""

from dataclasses import fields
from typing import Any, TypeVar

from invariscope import validate
from invariscope.errors import InputError, unknown
from invariscope.transformations.base import Transformation

_REGISTERED: dict[str, type[Transformation]] = {}
Registered = TypeVar("Registered", bound=type[Transformation])


def register(kind: Registered) -> Registered:
    """Make a transformation loadable by its `name`; a class decorator.

    Raises:
        InputError: not a `Transformation`, no name, or a name that is taken.
    """
    if not (isinstance(kind, type) and issubclass(kind, Transformation)):
        raise InputError(f"{kind!r} cannot be registered; expected a class from Transformation")
    name = getattr(kind, "name", None)
    if not isinstance(name, str) or not name:
        raise InputError(f"{kind.__name__} has no name; give it one, as in: name = 'blur'")
    there = _REGISTERED.get(name)
    if there is not None and (there.__module__, there.__qualname__) != (
        kind.__module__,
        kind.__qualname__,
    ):
        raise InputError(f"a transformation {name!r} is already there; give yours another name")
    _REGISTERED[name] = kind
    return kind


def names() -> list[str]:
    """List every registered name, the paper's twelve first."""
    return list(_REGISTERED)


def load(name: str, **parameters: Any) -> Transformation:
    """Load a transformation by its name.

    Args:
        parameters: its fields, such as `sigma=3` for `blur`; `white` and `beyond` for any.

    Raises:
        InputError: an unknown name or parameter, or a value out of range.
    """
    kind = _REGISTERED[validate.one_of("transformation", name, _REGISTERED)]
    known = [field.name for field in fields(kind)]
    for parameter in parameters:
        if parameter not in known:
            raise unknown(f"parameter of transformation {name!r}", parameter, known)
    return kind(**parameters)
