"""Compositions of transformations, in their order."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.transformations.base import Parameters, Transformation


def _own_keys(keys: Tensor, place: int) -> Tensor:
    """Make keys for one part, so that equal parts draw different numbers."""
    own = [seeds.integer("part", place, key) for key in keys.tolist()]
    return torch.tensor(own, dtype=torch.int64, device=keys.device)


@dataclass(frozen=True, kw_only=True)
class Composition(Transformation):
    """The first part's images go to the second, and so on; each part keeps its own `beyond`.

    Attributes:
        parts: the transformations in their order, at least one, of one `white`.
    """

    name = "composition"
    group = "composed"

    parts: tuple[Transformation, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.parts:
            raise InputError("a composition of no transformation; give at least one")
        whites = sorted({part.white for part in self.parts} | {self.white})
        if len(whites) > 1:
            raise InputError(f"the parts of a composition have whites {whites}; expected one")

    @property
    def random(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return any(part.random for part in self.parts)

    @property
    def identity_for_grey(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return all(part.identity_for_grey for part in self.parts)

    @property
    def label(self) -> str:
        return " + ".join(part.label for part in self.parts)

    def describe(self) -> dict[str, Any]:
        parts = [part.describe() for part in self.parts]
        return {"name": self.name, "white": self.white, "beyond": self.beyond, "parts": parts}

    def draw(self, shape: torch.Size, keys: Tensor) -> Parameters:
        return {
            f"{place}.{word}": drawn
            for place, part in enumerate(self.parts)
            if part.random
            for word, drawn in part.draw(shape, _own_keys(keys, place)).items()
        }

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        for place, part in enumerate(self.parts):
            own = {
                word.removeprefix(f"{place}."): drawn
                for word, drawn in parameters.items()
                if word.startswith(f"{place}.")
            }
            images = part.clipped(part.apply(images, own))
        return images


def compose(*parts: Transformation, beyond: str = "keep") -> Composition:
    """Compose transformations, applied in their order.

    Raises:
        InputError: none given, or parts that expect another white.
    """
    return Composition(parts=parts, white=parts[0].white if parts else 1.0, beyond=beyond)
