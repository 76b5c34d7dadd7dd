"""Responses to any number of images, in chunks of one shape."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.plurals import number_of
from invariscope.search.measure import pad
from invariscope.search.search import SMALLEST_CHUNK
from invariscope.subjects.base import Subject
from invariscope.units import Target


def chunks(subject: Subject, images: Tensor, sites: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Give the responses at some sites, chunk by chunk, padding taken off.

    Args:
        subject: the responding one.
        images: `(n, 3, height, width)` in [0, 1].
        sites: by name.
    """
    wanted = tuple(sites)
    for some in images.split(SMALLEST_CHUNK):
        found = subject.respond(pad(some, SMALLEST_CHUNK), wanted)
        yield {site: response[: len(some)] for site, response in found.items()}


def features(subject: Subject, images: Tensor, site: str) -> Tensor:
    """Collect one site's responses, `(n, entries)` float32 on the CPU.

    Raises:
        InputError: the subject answers an image with something that is no finite number.
    """
    found = features_at(subject, images, [site])[site]
    if bad := int((~found.isfinite()).any(1).sum()):
        raise InputError(
            f"{subject.name} answers {bad} of {number_of(len(found), 'image')} with NaN or "
            f"infinite numbers at {site!r}; nothing can be compared with such answers"
        )
    return found


def features_at(subject: Subject, images: Tensor, sites: Iterable[str]) -> dict[str, Tensor]:
    """Collect the responses of several sites in one pass, `(n, entries)` float32 on the CPU."""
    parts: dict[str, list[Tensor]] = {site: [] for site in sites}
    for responses in chunks(subject, images, parts):
        for site, own in parts.items():
            own.append(responses[site].flatten(1).float().cpu())
    return {site: torch.cat(own) for site, own in parts.items()}


def activity(subject: Subject, target: Target, images: Tensor) -> Tensor:
    """Read the target's activity for each image, `(n,)` float32: the mean over a set of units."""
    return torch.cat([target.read(r).mean(1) for r in chunks(subject, images, target.sites)])
