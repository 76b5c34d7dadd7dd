"""Study files: a person's request for runs, in TOML."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from invariscope.errors import InputError, unknown
from invariscope.experiments.plan import SearchOptions
from invariscope.experiments.taught import check_can_be_taught
from invariscope.generators.constraints import check_words
from invariscope.photos.walk import is_hidden
from invariscope.search.strategies import without_cells
from invariscope.study.file_section import (
    MOST_SEEDS,
    FileSection,
    Numbers,
    Seed,
    Seeds,
    Words,
    as_list,
    parse_section,
    study_text,
)

RANGE = re.compile(r"^(?P<site>.+):(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})$")
NAME = re.compile(r"^[\w.@-]+$")
LONGEST_ROLE = 40


class UnitSelection(FileSection):
    """Units of a site.

    Attributes:
        address: one unit `fc:3`, a range `fc:0-9` (both ends counted), or a set `fc:3+fc:7`,
            which is one target; instead of what follows.
        site: all units of this site; of a `(channels, h, w)` site the channels.
        numbers: only these of them.
        sample: only so many of them, drawn without repetition.
        seed: of the draw.
        position: `center` for the channel's middle position instead of its spatial mean.
    """

    address: str | None = None
    site: str | None = None
    numbers: Numbers | None = None
    sample: Annotated[int, Field(ge=1)] | None = None
    seed: Seed = 0
    position: Literal["center"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_address(cls, value: Any) -> Any:
        return {"address": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.address is None) == (self.site is None):
            raise ValueError("give units by an address such as 'fc:3', or a site to take them from")
        if self.address and (self.numbers or self.sample or self.position):
            raise ValueError("numbers, sample and position go with a site, not with an address")
        if self.numbers and self.sample:
            raise ValueError("give either the numbers of units or the size of a sample")
        return self


class StretchSelection(FileSection):
    """A stretch site, or a part of a site.

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
    photos: Words = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.kind == "photos") != bool(self.photos):
            raise ValueError("photos go with kind = 'photos', and are needed there")
        return self


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
        constraints: what every image keeps to: the words of `ImageConstraints`; the file of a
            display counts from the study file's folder.
        direction, population, generations, stop, sigma, tie_break, precision: see `SearchOptions`.
        taught_by: of a twin, the folder of an earlier study or of ended runs, from the study
            file's folder; those that have ended when the study is planned teach it (see
            `SearchOptions`).
    """

    subjects: Words
    units: Annotated[tuple[UnitSelection, ...], BeforeValidator(lambda v: tuple(as_list(v)))]
    stretch: Annotated[
        tuple[StretchSelection, ...], BeforeValidator(lambda v: tuple(as_list(v)))
    ] = (StretchSelection(site="pixels"),)
    tasks: Words = ("invariance",)
    seeds: Seeds = (0,)
    generators: Words = ("embedded",)
    strategies: Words = ("isotropic",)
    reference: ReferenceRule = ReferenceRule()
    constraints: Annotated[dict[str, Any], AfterValidator(check_words)] = Field(
        default_factory=dict
    )
    direction: Literal["either", "down"] = "either"
    population: int = 50
    generations: int | None = None
    stop: bool = True
    sigma: float | None = None
    tie_break: str | None = None
    precision: str = "auto"
    taught_by: str | None = None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for name in ("subjects", "units", "stretch", "tasks", "seeds", "generators", "strategies"):
            listed = getattr(self, name)
            if not listed or len(set(listed)) < len(listed):
                raise ValueError(f"{name} needs at least one entry, and each once")
        for task in self.tasks:
            if task not in ("invariance", "adversarial", "excitation"):
                raise unknown("task", task, ("invariance", "adversarial", "excitation"))
        if self.taught_by is not None and "excitation" in self.tasks:
            raise ValueError(
                "taught_by is for searches from a reference; a condition of task 'excitation' is "
                "searched untaught"
            )
        for strategy in self.strategies:
            if "excitation" in self.tasks and strategy != without_cells(strategy):
                raise ValueError(
                    f"strategy {strategy!r} fills cells, from a reference; a condition of task "
                    "'excitation' takes one without cells"
                )
            if self.taught_by is not None:
                check_can_be_taught(strategy)
            self.options(strategy)
            self.mei_options(strategy)
        return self

    def options(self, strategy: str) -> SearchOptions:
        """Give the search options of the condition's runs with a strategy, untaught."""
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
        """Give the search options of the condition's MEIs."""
        own = self.reference
        return SearchOptions(
            strategy=without_cells(strategy if own.strategy is None else own.strategy),
            population=self.population if own.population is None else own.population,
            generations=self.generations if own.generations is None else own.generations,
            precision=self.precision,
        )


class AnalysisData(FileSection):
    """Photos and observers for analyses of the study.

    Attributes:
        photos: a folder of natural images, from the study file's folder.
        observers: addresses of networks that look at the study's images.
    """

    photos: str | None = None
    observers: Words = ()


class ExtraMeasures(FileSection):
    """Measures beside the runs.

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
        roles: what each subject and observer is to the others, by address: `standard`, `robust` or
            another word; verdicts that compare roles need them.
        data, measure: see there.
    """

    title: str = ""
    serves: Words = ()
    shared: dict[str, Any] = Field(default_factory=dict)
    conditions: dict[str, StudyCondition]
    roles: dict[str, str] = Field(default_factory=dict)
    data: AnalysisData | None = None
    measure: ExtraMeasures = ExtraMeasures()

    @field_validator("roles")
    @classmethod
    def _are_words(cls, value: dict[str, str]) -> dict[str, str]:
        for address, role in value.items():
            if not role.isprintable() or not 0 < len(role.strip()) == len(role) <= LONGEST_ROLE:
                raise ValueError(
                    f"the role of {address!r} is {role[: LONGEST_ROLE + 1]!r}; expected a word "
                    f"such as 'standard' or 'robust', at most {LONGEST_ROLE} characters"
                )
        return value

    @model_validator(mode="after")
    def _have_roles(self) -> Self:
        known = {address for own in self.conditions.values() for address in own.subjects}
        known |= set(self.data.observers if self.data else ())
        for address in self.roles:
            if address not in known:
                raise unknown("subject or observer in [roles]", address, sorted(known))
        return self

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


def parse_study(text: str, name: str = "study") -> StudyFile:
    """Parse the text of a study file.

    Raises:
        InputError: see `parse_section`.
    """
    return parse_section(StudyFile, text, name)


def read_study(path: Path) -> StudyFile:
    """Read a study file.

    Raises:
        InputError: no such file, or one that is not a study.
    """
    return parse_study(study_text(path), str(path))


def _is_meant(path: Path, root: Path, pattern: Path) -> bool:
    """Check that no hidden folder lies on the way, but for names in the pattern itself."""
    parts = set(path.relative_to(root).parts) - set(pattern.parts)
    return not any(map(is_hidden, parts))


def files_of(patterns: Sequence[str], base: Path) -> list[Path]:
    """Find the files that patterns name, in order; hidden files only by their own name.

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
