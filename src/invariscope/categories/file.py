"""Study files of the across-category paradigm: images, network, recipe, transformations."""

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from invariscope import validate
from invariscope.categories.data import DataRule
from invariscope.categories.plan import (
    RECIPES,
    Paradigm,
    Recipe,
    count_list,
    read_transformation,
)
from invariscope.errors import InputError, unknown
from invariscope.study.file_section import FileSection, Seeds, Words, as_tuple, parse_section
from invariscope.transformations import Transformation


def _each_once(value: Any) -> Any:
    if isinstance(value, tuple) and len(set(value)) < len(value):
        raise ValueError(f"{list(value)} names one twice; expected each once")
    return value


Numbers = Annotated[tuple[int, ...], BeforeValidator(as_tuple)]
Rates = Annotated[
    tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1), BeforeValidator(as_tuple)
]
Decays = Annotated[
    tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1), BeforeValidator(as_tuple)
]
Transformed = Annotated[tuple[Any, ...], BeforeValidator(as_tuple)]


class CategoryCounts(FileSection):
    """How many categories are seen transformed: `number` counts in equal steps or ratios.

    Attributes:
        first, last, number: both ends count.
        scale: `linear` or `log`.
    """

    first: int
    last: int
    number: int
    scale: Literal["linear", "log"] = "linear"


class GridSettings(FileSection):
    """Learning rates and weight decays to choose from, on held-out training images.

    Attributes:
        rates, decays: every pair is tried on a network that sees no image transformed.
        held_out: share of each category's training images.
    """

    rates: Rates
    decays: Decays
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1

    _once = field_validator("rates", "decays")(_each_once)


class ParadigmFile(FileSection):
    """A whole study file.

    Attributes:
        title: what it is about.
        serves: the figures that are made from it.
        data: see `categories.data.DataRule`.
        network: see `zoo.classifiers.make_classifier`.
        options: of that network.
        recipe: keys of `categories.plan.Recipe`; `like` names the recipe that they change.
        transformations: each a name, a table `{name = "blur", sigma = 3}`, or a list of those,
            which are applied one after the other.
        tested: further ones that accuracy is measured under.
        counts: a list, or `CategoryCounts`.
        seeds: how many (0, 1, …), or which.
        tau: an image activates a unit above this share of its maximum; or `search`.
        grid: see `GridSettings`.
    """

    title: str = ""
    serves: Words = ()
    data: DataRule
    network: str = "small"
    options: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    transformations: Transformed
    tested: Transformed = ()
    counts: Numbers | CategoryCounts
    seeds: Seeds = (0,)
    tau: float | Literal["search"] = "search"
    grid: GridSettings | None = None

    _once = field_validator("counts", "seeds")(_each_once)

    @field_validator("options")
    @classmethod
    def _finite(cls, value: dict[str, Any]) -> dict[str, Any]:
        left: list[Any] = [value]
        while left:
            part = left.pop()
            if isinstance(part, float) and not math.isfinite(part):
                raise ValueError(f"an option is {part}; expected finite numbers")
            left += list(part.values()) if isinstance(part, dict) else []
            left += part if isinstance(part, list) else []
        return value

    @model_validator(mode="before")
    @classmethod
    def _recipe_keys(cls, value: Any) -> Any:
        known = ["like", *(field.name for field in fields(Recipe))]
        recipe = value.get("recipe") if isinstance(value, dict) else None
        for key in recipe if isinstance(recipe, dict) else ():
            if key not in known:
                raise unknown("key in [recipe]", key, known)
        return value


@dataclass(frozen=True)
class ParadigmRequest:
    """The request of a study file, before its images are known.

    Attributes:
        title, serves: see `ParadigmFile`.
        rule, base: where the images come from; relative paths count from `base`.
        tested: further transformations.
        tau: a number, or None to search it.
        grid: see `GridSettings`.
    """

    title: str
    serves: tuple[str, ...]
    rule: DataRule
    base: Path
    paradigm: Paradigm
    tested: tuple[Transformation, ...]
    tau: float | None
    grid: GridSettings | None


def _recipe(given: dict[str, Any]) -> Recipe:
    own = dict(given)
    like = own.pop("like", "small")
    if like not in RECIPES:
        raise unknown("recipe", str(like), RECIPES)
    for key, value in own.items():
        if isinstance(value, list):
            own[key] = tuple(value)
    try:
        return replace(RECIPES[like], **own)
    except TypeError as error:
        raise InputError(f"a value in [recipe] cannot be used: {error}") from error


def parse_paradigm(text: str, name: str, base: Path) -> ParadigmRequest:
    """Parse the text of a study file.

    Args:
        name: of the file, for messages.
        base: the folder from which its paths count.

    Raises:
        InputError: text that is not such a study.
    """
    file = parse_section(ParadigmFile, text, name)
    counts = file.counts
    if isinstance(counts, CategoryCounts):
        counts = count_list(counts.first, counts.last, counts.number, counts.scale)
    paradigm = Paradigm(
        network=file.network,
        options=file.options,
        recipe=_recipe(file.recipe),
        transformations=tuple(read_transformation(t) for t in file.transformations),
        counts=tuple(sorted(set(counts))),
        seeds=file.seeds,
    )
    if isinstance(file.tau, float):
        validate.between("tau", file.tau, 0, 1)
    return ParadigmRequest(
        title=file.title,
        serves=file.serves,
        rule=file.data,
        base=base,
        paradigm=paradigm,
        tested=tuple(read_transformation(t) for t in file.tested),
        tau=file.tau if isinstance(file.tau, float) else None,
        grid=file.grid,
    )
