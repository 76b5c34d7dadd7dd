"""Numbers in options: whole numbers stay whole, and each option has its bounds.

Without these a number that is not whole would be rounded, and one beyond what torch and NumPy
hold would end in an error of theirs.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

MOST = 1_000_000_000
LAST_SEED = 2**63 - 1
WHOLE = re.compile(r"[+-]?[0-9]+")


def _whole(_type: Any, tokens: Sequence[Token]) -> int:
    """Read a whole number.

    Raises:
        ValueError: other text.
    """
    text = tokens[0].value
    if not WHOLE.fullmatch(text) or len(text) > 100:  # Python refuses thousands of digits
        raise ValueError(f"{text[:40]!r} is not understood; expected a whole number")
    return int(text)


def _bounded(expected: str, fits: Callable[[float], bool]) -> Callable[[Any, Any], None]:
    """Make a validator that names the expected range."""

    def check(_type: Any, value: Any) -> None:
        numbers = value if isinstance(value, list | tuple) else [value]
        for number in numbers:
            if number is not None and not fits(number):
                raise ValueError(f"expected {expected}")

    return check


def _whole_from(first: int, last: int) -> Parameter:
    check = _bounded(f"at least {first}, at most {last:,}", lambda n: first <= n <= last)
    return Parameter(converter=_whole, validator=check)


def _number(expected: str, fits: Callable[[float], bool]) -> Parameter:
    return Parameter(validator=_bounded(expected, lambda n: math.isfinite(n) and fits(n)))


Count = Annotated[int, _whole_from(1, MOST)]
Natural = Annotated[int, _whole_from(0, MOST)]
Seed = Annotated[int, _whole_from(0, LAST_SEED)]
Port = Annotated[int, _whole_from(0, 65_535)]
Number = Annotated[float, _number("a finite number", lambda _: True)]
Positive = Annotated[float, _number("a number above 0", lambda n: n > 0)]
NotNegative = Annotated[float, _number("a finite number, at least 0", lambda n: n >= 0)]
Share = Annotated[float, _number("a number from 0 to 1", lambda n: 0 <= n <= 1)]
Percentile = Annotated[float, _number("a number above 0, at most 100", lambda n: 0 < n <= 100)]
