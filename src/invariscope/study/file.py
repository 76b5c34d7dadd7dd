"""A study file: which runs are wanted, as TOML that a person writes."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from invariscope.errors import InputError, unknown
from invariscope.experiments.plan import SearchOptions
from invariscope.photos.walk import is_hidden
from invariscope.store.toml_text import read_toml

RANGE = re.compile(r"^(?P<site>.+):(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})$")
MOST_SEEDS = 1_000_000
NAME = re.compile(r"^[\w.@-]+$")


def _several(value: Any) -> Any:
    """A single entry is a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def _count(value: Any) -> Any:
    """A number of seeds is the first so many."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value < 1:
            raise ValueError(f"seeds is {value}; expected how many, at least 1, or a list")
        if value > MOST_SEEDS:
            raise ValueError(f"seeds is {value}; expected at most {MOST_SEEDS:,}, or a list")
        return tuple(range(value))
    return tuple(value) if isinstance(value, list) else value


Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[tuple[Seed, ...], BeforeValidator(_count)]
Numbers = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v),
]


# Keys of version 0.1.
RENAMED = {
    "within": "tie_break",
    "most": "max_repeats",
    "again": "max_retries",
    "missing": "on_missing",
}


class FileSection(BaseModel):
    """A table of a study file; a key that it does not know is an error with the nearest one."""

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


class UnitSelection(FileSection):
    """Units of a site.

    Attributes:
        address: one unit `fc:3`, a range `fc:0-9` (both ends counted), or a set `fc:3+fc:7`,
            which is one target; instead of what follows.
        site: all units of this site; of a `(channels, h, w)` site the channels.
        numbers: only these of them.
        sample: only so many of them, drawn without repetition.
        seed: of the draw.
        place: `center` for the channel's middle place instead of its spatial mean.
    """

    address: str | None = None
    site: str | None = None
    numbers: Numbers | None = None
    sample: Annotated[int, Field(ge=1)] | None = None
    seed: Seed = 0
    place: Literal["center"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_address(cls, value: Any) -> Any:
        return {"address": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.address is None) == (self.site is None):
            raise ValueError("give units by an address such as 'fc:3', or a site to take them from")
        if self.address and (self.numbers or self.sample or self.place):
            raise ValueError("numbers, sample and place go with a site, not with an address")
        if self.numbers and self.sample:
            raise ValueError("give either the numbers of units or the size of a sample")
        return self


class StretchSelection(FileSection):
    """A stretch site, or a part of it.

    Attributes:
        site: a site of the subject.
        units: entries of the flattened site that count; all by default.
        sample: so many entries, drawn without repetition.
        draws: how many such draws, each a condition of its own.
    """

    site: str
    units: Numbers | None = None
    sample: Annotated[int, Field(ge=1)] | None = None
    draws: Annotated[int, Field(ge=1, le=MOST_SEEDS)] = 1

    @model_validator(mode="before")
    @classmethod
    def _from_site(cls, value: Any) -> Any:
        return {"site": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.units is not None and self.sample is not None:
            raise ValueError("give either the units of a stretch site or the size of a sample")
        if self.draws > 1 and self.sample is None:
            raise ValueError("draws go with a sample")
        return self


class ReferenceRule(FileSection):
    """The references: the images that runs depart from.

    Attributes:
        kind: `mei`, each unit's most exciting image, or `photos`.
        tries: MEI searches a unit, one of which is drawn at random (the paper's 4).
        seed: of the draw and of the searches.
        generations, population, strategy: of these searches; by default the condition's.
        photos: files or patterns, from the study file's folder; each photo goes with each unit.
    """

    kind: Literal["mei", "photos"] = "mei"
    tries: Annotated[int, Field(ge=1)] = 1
    seed: Seed = 0
    generations: int | None = None
    population: int | None = None
    strategy: str | None = None
    photos: Annotated[tuple[str, ...], BeforeValidator(lambda v: tuple(_several(v)))] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.kind == "photos") != bool(self.photos):
            raise ValueError("photos go with kind = 'photos', and are needed there")
        return self


Words = Annotated[tuple[str, ...], BeforeValidator(lambda v: tuple(_several(v)))]


class StudyCondition(FileSection):
    """Runs that differ in subject, unit, stretch site, task, seed, generator and strategy only.

    Attributes:
        subjects: addresses such as `embedded:standard`, or `file.py:factory`.
        units: see `UnitSelection`.
        stretch: see `StretchSelection`.
        tasks: `invariance`, `adversarial`, or `excitation` (the search for an MEI alone).
        seeds: how many (0, 1, …), or which.
        generators, strategies: addresses and names.
        reference: see `ReferenceRule`.
        direction, population, generations, stop, sigma, tie_break, precision: see `SearchOptions`.
    """

    subjects: Words
    units: Annotated[tuple[UnitSelection, ...], BeforeValidator(lambda v: tuple(_several(v)))]
    stretch: Annotated[
        tuple[StretchSelection, ...], BeforeValidator(lambda v: tuple(_several(v)))
    ] = (StretchSelection(site="pixels"),)
    tasks: Words = ("invariance",)
    seeds: Seeds = (0,)
    generators: Words = ("embedded",)
    strategies: Words = ("isotropic",)
    reference: ReferenceRule = ReferenceRule()
    direction: Literal["either", "down"] = "either"
    population: int = 50
    generations: int = 500
    stop: bool = True
    sigma: float | None = None
    tie_break: str | None = None
    precision: str = "auto"

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for name in ("subjects", "units", "stretch", "tasks", "seeds", "generators", "strategies"):
            listed = getattr(self, name)
            if not listed or len(set(listed)) < len(listed):
                raise ValueError(f"{name} needs at least one entry, and each once")
        for task in self.tasks:
            if task not in ("invariance", "adversarial", "excitation"):
                raise unknown("task", task, ("invariance", "adversarial", "excitation"))
        for strategy in self.strategies:
            self.options(strategy)
            self.mei_options(strategy)
        return self

    def options(self, strategy: str) -> SearchOptions:
        """What the condition's runs with that strategy share."""
        return SearchOptions(
            strategy=strategy,
            population=self.population,
            generations=self.generations,
            stop=self.stop,
            sigma=self.sigma,
            tie_break=self.tie_break,
            precision=self.precision,
        )

    def mei_options(self, strategy: str) -> SearchOptions:
        """What the searches for its MEIs share."""
        own = self.reference
        return SearchOptions(
            strategy=strategy if own.strategy is None else own.strategy,
            population=self.population if own.population is None else own.population,
            generations=self.generations if own.generations is None else own.generations,
            precision=self.precision,
        )


class AnalysisData(FileSection):
    """What analyses of the study show, and to whom.

    Attributes:
        photos: a folder of natural images, from the study file's folder.
        observers: addresses of networks that look at the study's images.
    """

    photos: str | None = None
    observers: Words = ()


class ExtraMeasures(FileSection):
    """What is measured beside the runs.

    Attributes:
        affine: affine copies of every reference (PAPERS §1, row 1), in `affine.parquet`.
    """

    affine: bool = False


class StudyFile(FileSection):
    """A whole study file.

    Attributes:
        title: what it is about.
        serves: the figures that are made from it, which say what `analyze` makes by default.
        shared: keys that every condition takes unless it has its own.
        conditions: by name.
        data, measure: see there.
    """

    title: str = ""
    serves: Words = ()
    shared: dict[str, Any] = Field(default_factory=dict)
    conditions: dict[str, StudyCondition]
    data: AnalysisData | None = None
    measure: ExtraMeasures = ExtraMeasures()

    @model_validator(mode="before")
    @classmethod
    def _share(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        shared, own = value.get("shared", {}), value.get("conditions")
        if not isinstance(own, dict) or not own:
            raise ValueError("a study needs at least one [conditions.NAME]")
        if not isinstance(shared, dict):
            return value  # pydantic says what it should be
        for key in shared:
            if key not in StudyCondition.model_fields:
                raise unknown("key in [shared]", key, StudyCondition.model_fields)
        for name, condition in own.items():
            if not NAME.match(name) or name == "references" or not isinstance(condition, dict):
                raise ValueError(
                    f"condition {name!r} cannot be used; expected a table whose name is of "
                    "letters, digits, '.', '_' and '-', and not 'references'"
                )
        return {**value, "conditions": {name: {**shared, **c} for name, c in own.items()}}


def error_sentence(error: ValidationError) -> str:
    """The first of pydantic's complaints as a part of a sentence."""
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
    """A study file of any kind from its text.

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
    """The text of a study file.

    Raises:
        InputError: no such file, or one that is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read study file {str(path)!r}: {reason}") from error


def parse_study(text: str, name: str = "study") -> StudyFile:
    """A study from the text of its file.

    Raises:
        InputError: see `parse_section`.
    """
    return parse_section(StudyFile, text, name)


def read_study(path: Path) -> StudyFile:
    """The study in a file.

    Raises:
        InputError: no such file, or one that is not a study.
    """
    return parse_study(study_text(path), str(path))


def _is_meant(path: Path, root: Path, pattern: Path) -> bool:
    """Whether nothing on the way is hidden that the pattern does not name itself."""
    parts = set(path.relative_to(root).parts) - set(pattern.parts)
    return not any(map(is_hidden, parts))


def files_of(patterns: Sequence[str], base: Path) -> list[Path]:
    """The files that patterns name, in order; hidden and system files only by their own name.

    Args:
        base: the folder from which relative patterns count.

    Raises:
        InputError: a pattern that names no file.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        root, rest = (
            (Path(path.anchor), path.relative_to(path.anchor))
            if path.is_absolute()
            else (
                base,
                path,
            )
        )
        files = sorted(p for p in root.glob(str(rest)) if p.is_file() and _is_meant(p, root, rest))
        if not files:
            raise InputError(f"photos {pattern!r} names no file (looked in {str(root)!r})")
        found += [p.resolve() for p in files if p.resolve() not in found]
    return found
