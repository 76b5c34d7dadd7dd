"""The settings of a run and the name that follows from them."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict

SCHEMA = 1


class RunSettings(BaseModel):
    """Everything that a run's result depends on, apart from its numeric context.

    Attributes:
        subject, generator: their identities (weights, architecture, preprocessing).
        unit: the target's address.
        site: the stretch site; None in a search for an MEI.
        subset: entries of the flattened site that count; None for all.
        task, direction, within: see `Objective`.
        reference: the image's content, or the recipe of an MEI; None in a search for an MEI.
        natural: the natural statistics that the stop rule stands on, where there are any.
        strategy: its name and parameters.
        start: how the first mean code is drawn, and the first step size.
        population, generations, stop, milestone, seed: of the search.
        precision: as asked.
        schema_version: of this list; changed when a name would mean something else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA
    subject: dict[str, Any]
    generator: dict[str, Any]
    unit: str
    site: str | None = None
    subset: tuple[int, ...] | None = None
    task: str
    direction: str = "either"
    within: str = "squeeze"
    reference: dict[str, Any] | None = None
    natural: dict[str, Any] | None = None
    strategy: dict[str, Any]
    start: dict[str, Any]
    population: int = 50
    generations: int = 500
    stop: dict[str, Any]
    milestone: dict[str, Any]
    seed: int = 0
    precision: str = "float32"

    @property
    def name(self) -> str:
        """Hex sha256 of the settings as canonical JSON."""
        text = json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """A readable folder name that ends in the first 12 digits of `name`."""
        parts = [self.task, self.unit.replace(":", "-").replace("+", "_").replace(",", ".")]
        if self.site:
            parts.append(self.site)
        return "_".join([*parts, f"seed{self.seed}", self.name[:12]])[-200:]
