"""Options for the constraints of every image of a search."""

import shlex
from dataclasses import dataclass, fields
from typing import Annotated, Any

from cyclopts import Parameter

from invariscope.cli.numbers import Count, Percentile, Positive
from invariscope.generators import constrained_address


@Parameter(name="*")
@dataclass(frozen=True)
class ConstraintOptions:
    """Constraints of every image of a search, as an addition to its generator."""

    luminance: Annotated[
        Positive | None,
        Parameter(help="Mean luminance: of values in [0, 1], or in the display's units."),
    ] = None
    contrast: Annotated[
        Positive | None, Parameter(help="RMS contrast: SD of luminance over its mean.")
    ] = None
    aperture: Annotated[
        str | None,
        Parameter(help="A round window on grey: X,Y,RADIUS,EDGE in pixels, such as 48,48,20,4."),
    ] = None
    grey: Annotated[bool, Parameter(negative="", help="Grey images.")] = False
    code_percentile: Annotated[
        Percentile | None,
        Parameter(help="Codes stay within this percentile of natural codes, such as 95."),
    ] = None
    display: Annotated[
        str | None,
        Parameter(help="How values become light: gamma:2.2, or a CSV of values and luminance."),
    ] = None
    size: Annotated[
        Count | None, Parameter(help="Height and width of the images; the generator's by default.")
    ] = None

    def _constraints(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(ConstraintOptions)}

    def constrained(self, generator: str) -> str:
        """Add these constraints to a generator's address."""
        return constrained_address(generator, self._constraints())

    def constraint_words(self) -> list[str]:
        """Write the options for a command that can be repeated."""
        words = []
        for name, value in self._constraints().items():
            if value not in (None, False):
                option = "--" + name.replace("_", "-")
                words.append(option if value is True else f"{option} {shlex.quote(str(value))}")
        return words
