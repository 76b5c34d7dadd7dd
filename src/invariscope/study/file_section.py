"""Tables of the files that people write in TOML: strict keys, seeds, one-sentence messages."""

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from invariscope.errors import InputError, unknown
from invariscope.store.toml_text import read_toml

MOST_SEEDS = 1_000_000


def as_list(value: Any) -> Any:
    """Turn a single entry into a list."""
    return value if isinstance(value, list | tuple) else [value]


def as_tuple(value: Any) -> Any:
    """Turn a list of TOML into a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _count(value: Any) -> Any:
    """Turn a number of seeds into the first seeds from 0."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value < 1:
            raise ValueError(f"seeds is {value}; expected how many, at least 1, or a list")
        if value > MOST_SEEDS:
            raise ValueError(f"seeds is {value}; expected at most {MOST_SEEDS:,}, or a list")
        return tuple(range(value))
    return as_tuple(value)


Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[tuple[Seed, ...], BeforeValidator(_count)]
Numbers = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(as_tuple)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
Words = Annotated[tuple[str, ...], BeforeValidator(lambda v: tuple(as_list(v)))]


# Keys of version 0.1.
RENAMED = {
    "within": "tie_break",
    "place": "position",
    "most": "max_repeats",
    "again": "max_retries",
    "missing": "on_missing",
}


class FileSection(BaseModel):
    """A table of a study file; an unknown key is an error that names the nearest key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    if key in RENAMED and RENAMED[key] in cls.model_fields:
                        raise ValueError(f"key {key!r} is now called {RENAMED[key]!r}")
                    raise unknown("key", str(key), cls.model_fields)
        return value


def error_sentence(error: ValidationError) -> str:
    """Put the first of pydantic's complaints into a sentence."""
    first = error.errors(include_url=False)[0]
    place = [str(word) for word in first["loc"]]
    where = f"[{'.'.join(place)}]: " if place else ""
    if first["type"] == "missing":
        said = "is missing"
    else:
        said = first["msg"].removeprefix("Value error, ")
        got = first.get("input")
        if first["type"] != "value_error" and isinstance(got, str | int | float):
            said += f"; got {got!r}"
    more = error.error_count() - 1
    return f"{where}{said}" + (f" (and {more} more)" if more else "")


AnySection = TypeVar("AnySection", bound=FileSection)


def parse_section(kind: type[AnySection], text: str, name: str) -> AnySection:
    """Parse the text of a study file of any kind.

    Args:
        kind: what a file may say.
        name: of the file, for messages.

    Raises:
        InputError: text that is not TOML, a key that is unknown, or a value that does not fit.
    """
    try:
        return kind.model_validate(read_toml(text, f"study file {name!r}"))
    except ValidationError as error:
        raise InputError(f"study file {name!r}, {error_sentence(error)}") from error


def study_text(path: Path) -> str:
    """Read the text of a study file.

    Raises:
        InputError: no such file, or one that is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read study file {str(path)!r}: {reason}") from error
