"""A subject's responses with gradients, as a perceptual loss for inverting generators."""

from collections.abc import Callable, Iterable

from torch import Tensor

from invariscope.errors import InputError
from invariscope.subjects.base import Subject
from invariscope.units import find_site


def perceptual(subject: Subject, sites: Iterable[str]) -> Callable[[Tensor], list[Tensor]]:
    """Make a function from images to the subject's responses at some sites, with gradients.

    For `Generator.invert(images, how="gradient", features=perceptual(subject, sites))`.

    Args:
        subject: a network, uncompiled.
        sites: names from `subject.sites()`.

    Returns:
        Images `(n, 3, h, w)` in [0, 1] → a response `(n, *shape)` a site.

    Raises:
        InputError: an unknown site, or a compiled subject, which passes no gradients.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> features = iv.perceptual(iv.load_subject("embedded:standard"), ["layer2"])
        >>> features(torch.rand(1, 3, 96, 96))[0].shape
        torch.Size([1, 64, 12, 12])
    """
    wanted = tuple(dict.fromkeys(sites))
    for site in wanted:
        find_site(site, subject.sites())
    if subject.compiled:
        raise InputError(
            f"{subject.name} is compiled and passes no gradients; load it uncompiled (without "
            "--compile)"
        )

    def responses(images: Tensor) -> list[Tensor]:
        found = subject._respond(subject.see(images), wanted)  # noqa: SLF001  (with gradients)
        return [found[site] for site in wanted]

    return responses
