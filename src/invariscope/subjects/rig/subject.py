"""A rig as a subject: units that are recorded, images of 8 bits."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError, SubjectError
from invariscope.subjects.base import Subject
from invariscope.subjects.rig.pixels import as_shown
from invariscope.units import Sites

SITE = "rig"


@final
class RigSubject(Subject):
    """Recorded units at the site `rig`: `rig:0` is the first unit.

    What it sees is what a rig shows: images of 8 bits. NaN is "not recorded".

    Args:
        name: of the session, for a person and for the names of runs.
        units: what is recorded, in words; they are its `classes`.
        image_size: height and width in pixels that are shown.
        practice: how responses come about (windows, repeats), for the names of runs.
        answer: gives the responses `(n, units)` to images; by default it cannot be asked.
        natural: a table of its natural statistics, from the range block.

    Raises:
        InputError: no units, or one named twice.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> def rates(images):
        ...     return images.mean((2, 3))[:, :2]
        >>> rig = iv.RigSubject("monday", ["V4 12", "V4 30"], 96, answer=rates)
        >>> rig.respond(torch.ones(1, 3, 96, 96), ["rig"])["rig"]
        tensor([[1., 1.]])
    """

    incomplete = True

    def __init__(
        self,
        name: str,
        units: Sequence[str],
        image_size: int,
        *,
        practice: Mapping[str, Any] | None = None,
        answer: Callable[[Tensor], Tensor] | None = None,
        natural: Path | None = None,
    ) -> None:
        if not units or len(set(units)) < len(units):
            raise InputError(f"recorded units are {list(units)}; expected some, each once")
        validate.at_least("image_size", image_size, 1)
        self.name, self.classes, self.image_size = name, tuple(units), image_size
        self.device, self.natural = torch.device("cpu"), natural
        self._practice, self._answer = dict(practice or {}), answer

    @property
    def noisy(self) -> frozenset[str]:
        return frozenset({SITE})

    def identity(self) -> dict[str, Any]:
        return {
            "rig": self.name,
            "units": list(self.classes),
            "image_size": self.image_size,
            "practice": self._practice,
        }

    def see(self, images: Tensor) -> Tensor:
        return as_shown(super().see(images))

    def _sites(self) -> Sites:
        return {SITE: (len(self.classes),)}

    def _respond(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
        if self._answer is None:
            raise SubjectError(f"{self.name} answers in a session; start `invariscope rig serve`")
        return dict.fromkeys(sites, self._answer(images).float())
