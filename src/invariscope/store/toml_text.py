"""TOML that a person wrote: any text in, a document or a sentence out."""

import tomllib
from typing import Any

from invariscope.errors import InputError
from invariscope.plurals import number_of


def read_toml(text: str, what: str) -> dict[str, Any]:
    """Read any text as TOML.

    Args:
        what: the file in words, for messages.

    Raises:
        InputError: text that is not TOML, nested too deep, or with integers beyond 64 bits.
    """
    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise InputError(f"{what} is nested too deep to be read; expected a few levels") from error
    except ValueError as error:  # TOMLDecodeError, and integers of thousands of digits
        raise InputError(f"{what} is not TOML: {error}") from error
    _check_integers(found, what)
    return found


def _check_integers(document: dict[str, Any], what: str) -> None:
    """Refuse integers beyond TOML's own 64 bits, at any depth."""
    left: list[Any] = [document]
    while left:
        value = left.pop()
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InputError(
                f"{what} holds an integer of {number_of(value.bit_length(), 'bit')}; TOML has 64"
            )
        left += (
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        )
