"""The unit from one subject, the stretch site from a network that sees the same images."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.photos.transform import PhotoRule
from invariscope.subjects.base import PIXELS, Subject
from invariscope.units import Sites, find_site


@final
class HybridSubject(Subject):
    """Two subjects as a single subject: a brain's or a function's answers, stretched in a network.

    Each resizes the images whole to its own size. `pixels` and the unit's own sites are those
    of `unit`; the network's sites stand before them.

    Args:
        unit: whose units are the targets: a function, a recording, a rig, another network.
        network: whose sites are stretched.
        prefix: put before the names of the network's sites, where both have one of that name.

    Raises:
        InputError: a site of both has the same name.

    Example:
        >>> import invariscope as iv
        >>> def brightness(images):
        ...     return images.mean((1, 2, 3))
        >>> unit = iv.FunctionSubject(brightness, name="brightness", image_size=16)
        >>> subject = iv.HybridSubject(unit, iv.load_subject("embedded:standard"))
        >>> subject.sites()["output"], subject.sites()["layer4"]
        ((1,), (256, 3, 3))
    """

    def __init__(self, unit: Subject, network: Subject, *, prefix: str = "") -> None:
        self.unit, self.network, self.prefix = unit, network, prefix
        self.name = f"{unit.name} in {network.name}"
        self.image_size = unit.image_size
        self.device = network.device
        self.incomplete = unit.incomplete or network.incomplete
        self.classes, self.natural = unit.classes, unit.natural
        self.compiled = unit.compiled or network.compiled
        self.repeats = max(unit.repeats, network.repeats)
        both = sorted(self._inside(network, prefix).keys() & unit.sites().keys())
        if both:
            raise InputError(
                f"{unit.name} and {network.name} both have a site {both[0]!r}; tell the "
                "network's apart with a prefix such as 'network.'"
            )

    @staticmethod
    def _inside(subject: Subject, prefix: str = "") -> dict[str, tuple[int, ...]]:
        return {prefix + k: v for k, v in subject.sites().items() if k != PIXELS}

    @property
    def photo(self) -> PhotoRule:
        return self.unit.photo

    @property
    def noisy(self) -> frozenset[str]:
        return self.unit.noisy | {self.prefix + site for site in self.network.noisy}

    @property
    def cuts_short(self) -> bool:
        return self.unit.cuts_short and self.network.cuts_short

    @cuts_short.setter
    def cuts_short(self, value: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.unit.cuts_short = self.network.cuts_short = value

    @contextmanager
    def folding(self) -> Iterator[None]:
        with self.unit.folding(), self.network.folding():
            yield

    def folded_norms(self, sites: Iterable[str]) -> int:
        own, theirs = self._split(sites)
        return self.unit.folded_norms(own) + self.network.folded_norms(theirs)

    def _split(self, sites: Iterable[str]) -> tuple[list[str], list[str]]:
        """Tell the unit's sites from the network's, these under their own names there."""
        known, inside = self.sites(), self._inside(self.network, self.prefix)
        asked = [(site, find_site(site, known) and site in inside) for site in sites]
        theirs = [site.removeprefix(self.prefix) for site, there in asked if there]
        return [site for site, there in asked if not there], theirs

    def identity(self) -> dict[str, Any]:
        return {"unit": self.unit.identity(), "network": self.network.identity()}

    def natural_identity(self) -> dict[str, Any]:
        return self.unit.natural_identity()

    def _sites(self) -> Sites:
        return {**self._inside(self.network, self.prefix), **self._inside(self.unit)}

    def _respond(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
        raise NotImplementedError("each subject sees the images as they arrive: see respond")

    @torch.no_grad()
    def respond(self, images: Tensor, sites: Iterable[str]) -> dict[str, Tensor]:
        asked = tuple(dict.fromkeys(sites))
        own, theirs = self._split(asked)
        found = self.unit.respond(images, own) if own else {}
        if theirs:
            answers = self.network.respond(images, theirs)
            found |= {self.prefix + site: response for site, response in answers.items()}
        return {site: found[site].to(self.device) for site in asked}
