"""The settings of a run, and the name that follows."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

SCHEMA = 1


def without_none(value: Any) -> Any:
    """Remove the Nones that TOML cannot hold."""
    if isinstance(value, Mapping):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [without_none(v) for v in value]
    return value


def _leaves(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{above}{key}.")
        else:
            yield above + key, inner


# What a file cannot hold must not count for a name either.
Plain = Annotated[dict[str, Any], AfterValidator(without_none)]


class RunSettings(BaseModel):
    """Everything that a run's result depends on, apart from its numeric context.

    Attributes:
        subject, generator: their identities (weights, architecture, preprocessing).
        unit: the target's address.
        site: the stretch site; None in a search for an MEI.
        subset: entries of the flattened site that count; None for all.
        task, direction, tie_break: see `Objective`.
        reference: the image's content, or the recipe of an MEI; None in a search for an MEI.
        natural: the natural statistics behind the stop rule, where there are any.
        strategy: its name and parameters.
        start: how the first mean code is drawn, and the first step size.
        population, generations, stop, milestone, seed: of the search.
        precision: as asked.
        schema_version: of this list; changed when a name would mean something else.
    """

    # NaN and infinity must not turn into null, under which different settings share a name.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    schema_version: int = SCHEMA
    subject: Plain
    generator: Plain
    unit: str
    site: str | None = None
    subset: tuple[int, ...] | None = None
    task: str
    direction: str = "either"
    # Names of runs were made with `within`, and stay.
    tie_break: str = Field("squeeze", validation_alias=AliasChoices("tie_break", "within"))
    reference: Plain | None = None
    natural: Plain | None = None
    strategy: Plain
    start: Plain
    population: int = 50
    generations: int = 500
    stop: Plain
    milestone: Plain
    seed: int = 0
    precision: str = "float32"

    @property
    def name(self) -> str:
        """Hex sha256 of the settings as canonical JSON."""
        settings = self.model_dump(mode="json")
        settings["within"] = settings.pop("tie_break")
        text = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def leaves(self) -> dict[str, Any]:
        """Each single setting by its dotted name, such as `subject.weights`."""
        return dict(_leaves(self.model_dump(mode="json")))

    @property
    def folder_name(self) -> str:
        """A readable folder name that ends in the first 12 digits of `name`."""
        parts = [self.task, self.unit.replace("+", "_").replace(",", ".")]
        if self.site:
            parts.append(self.site)
        parts = [re.sub(r"[^\w.@-]", "-", part) for part in parts]
        return "_".join([*parts, f"seed{self.seed}", self.name[:12]])[-200:]
