"""Errors with a cause that a person can mend."""

import difflib
from collections.abc import Iterable

BEHIND = 0.15  # how much less alike than the closest name a suggestion may be


class InvariscopeError(Exception):
    """A sentence for a person: arrived value, expected values, way out."""


class InputError(InvariscopeError, ValueError):
    """A value that cannot be used: unknown names, wrong shapes, wrong ranges."""


class StoreError(InvariscopeError, OSError):
    """A folder or file that cannot be read, written or trusted."""


class BeingWrittenError(StoreError):
    """A folder or file that another process writes now."""


class SubjectError(InvariscopeError, RuntimeError):
    """A subject with an answer that is no response."""


def nearest(arrived: str, valid: Iterable[str], *, most: int = 5) -> str:
    """Suggest the valid names closest to `arrived`, as the end of a sentence.

    Returns:
        `"; did you mean 'a' or 'b'?"` where something is close, else
        `"; choose from 'a', 'b', …"`, or `""` where there is nothing to choose.
    """
    names = [str(name) for name in valid]
    close = difflib.get_close_matches(arrived, names, n=3, cutoff=0.6)
    near = [difflib.SequenceMatcher(None, name, arrived).ratio() for name in close]
    # Names that are alike for what all of them begin with are no suggestion beside a close one.
    close = [name for name, ratio in zip(close, near, strict=True) if ratio > near[0] - BEHIND]
    if close:
        return "; did you mean " + " or ".join(repr(name) for name in close) + "?"
    if not names:
        return ""
    more = ", …" if len(names) > most else ""
    return "; choose from " + ", ".join(repr(name) for name in names[:most]) + more


def unknown(kind: str, arrived: str, valid: Iterable[str]) -> InputError:
    """Make an `InputError` for a name that is not valid."""
    return InputError(f"unknown {kind} {arrived!r}{nearest(arrived, valid)}")
