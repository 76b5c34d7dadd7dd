"""A subject's responses with gradients, as a perceptual loss for inverting generators."""

from collections.abc import Callable, Iterable

from torch import Tensor

from invariscope.errors import InputError
from invariscope.subjects.base import Subject
from invariscope.units import find_site


def perceptual(subject: Subject, sites: Iterable[str]) -> Callable[[Tensor], list[Tensor]]:
    """Images → the subject's responses at some sites, through which gradients pass.

    For `Generator.invert(images, how="gradient", features=perceptual(subject, sites))`.

    Raises:
        InputError: an unknown site, or a compiled subject, which passes no gradients.
    """
    wanted = tuple(dict.fromkeys(sites))
    for site in wanted:
        find_site(site, subject.sites())
    if subject.compiled:
        raise InputError(f"{subject.name} is compiled and passes no gradients; load it uncompiled")

    def responses(images: Tensor) -> list[Tensor]:
        found = subject._respond(subject.see(images), wanted)  # noqa: SLF001  (with gradients)
        return [found[site] for site in wanted]

    return responses
