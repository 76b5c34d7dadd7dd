"""Checks that a subject's answer is a function of the image, and its answers to probe images.

A search, an invariance coefficient or a table of natural statistics takes for granted that one
image has one answer. Networks break that by dropout that stays on, by state that they keep
between passes, by statistics of the batch, or because a pass that is cut short at the deepest
site leaves something behind.
"""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope import seeds
from invariscope.errors import SubjectError
from invariscope.subjects.base import PIXELS, Subject
from invariscope.units import find_site

IMAGES = 8
NUMBERS = 8  # numbers that stand for a site's response to an image
ROUNDING = 1e-3  # largest difference of two answers, as a share of the site's largest answer
ANSWERS = 0.01  # the same for answers of another machine or version of torch

Responses = Mapping[str, Tensor]


def probe_images(side: int) -> Tensor:
    """Make images of coarse and fine noise that are the same everywhere.

    Args:
        side: height and width in pixels.

    Returns:
        `(IMAGES, 3, side, side)` float32 in [0, 1].
    """
    coarse = seeds.normal([("probe", "coarse")], (IMAGES, 3, 4, 4))[0].float()
    fine = seeds.normal([("probe", "fine", side)], (IMAGES, 3, side, side))[0].float()
    wide = F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)
    return (0.5 + 0.2 * wide + 0.05 * fine).clamp(0, 1)


def check_repeatable(subject: Subject, sites: Iterable[str]) -> None:
    """Make sure that answers at `sites` depend on the image alone.

    The same eight images are shown twice, in another order, beside black and beside white images,
    by whole passes and by passes that are cut short at the deepest of the sites. Where only
    cutting short changes an answer, the subject passes images through the whole network from then
    on. Noisy sites are left out: their answers are expected to differ. A site is checked once.

    Args:
        subject: 72 images are shown to it.
        sites: names from `subject.sites()`.

    Raises:
        SubjectError: an answer changes with something else than the image.

    Example:
        >>> import invariscope as iv
        >>> from invariscope.subjects.trust import check_repeatable
        >>> check_repeatable(iv.load_subject("embedded:standard"), ["fc"])
    """
    known = subject.sites()
    found = {find_site(site, known) for site in sites}
    left = sorted(found - {PIXELS} - subject.noisy - subject.checked)
    if not left:
        return
    images = probe_images(subject.image_size).to(subject.device)
    subject.cuts_short = False
    first = subject.respond(images, left)
    _compare(
        subject,
        first,
        subject.respond(images, left),
        "the second time: something in it is random (dropout that stays on), or keeps state from "
        "one pass to the next; make it repeatable, or, where noise is meant, load it as a "
        "function with repeats",
    )
    turned = subject.respond(images.flip(0), left)
    _compare(subject, first, {s: r.flip(0) for s, r in turned.items()}, _NEIGHBOURS)
    half = IMAGES // 2
    for grey in (0.0, 1.0):  # what a batch holds in all differs most beside black and white
        others = torch.full_like(images[half:], grey)
        mixed = subject.respond(torch.cat([images[:half], others]), left)
        _compare(
            subject,
            {site: r[:half] for site, r in first.items()},
            {site: r[:half] for site, r in mixed.items()},
            _NEIGHBOURS,
        )
    subject.cuts_short = _cutting_is_harmless(subject, images, first)
    subject.checked |= frozenset(left)


_NEIGHBOURS = (
    "beside other images: they depend on the rest of the batch (batch statistics, or a place "
    "in the batch); make each answer depend on its image alone"
)


def _cutting_is_harmless(subject: Subject, images: Tensor, whole: Responses) -> bool:
    """Tell whether passes that end at the deepest site answer as whole passes do."""
    subject.cuts_short = True
    cut = [subject.respond(images, list(whole)) for _ in range(2)]
    subject.cuts_short = False
    after = [subject.respond(images, list(whole)) for _ in range(2)]
    _compare(
        subject,
        whole,
        after[1],
        "after a pass that was cut short at the deepest site: it keeps state that a whole pass "
        "does not put back; clear the state at the start of its forward",
    )
    return all(_worst(whole, again) is None for again in (*cut, after[0]))


def _compare(subject: Subject, before: Responses, now: Responses, why: str) -> None:
    worst = _worst(before, now)
    if worst:
        site, share = worst
        raise SubjectError(
            f"{subject.name} answers the same images otherwise at site {site!r} (by "
            f"{min(share, 9.99):.1%} of its largest answer) {why}"
        )


def _worst(before: Responses, now: Responses, most: float = ROUNDING) -> tuple[str, float] | None:
    """Find the site with the largest difference and the share, where the share is above `most`."""
    shares = {site: _share(before[site].double(), now[site].double()) for site in before}
    site = max(shares, key=lambda name: shares[name])
    return (site, shares[site]) if shares[site] > most else None


def _share(before: Tensor, now: Tensor) -> float:
    """Return the largest difference as a share of the largest answer.

    Answers that are no numbers are left to whoever measures them, who names the image.
    """
    if before.shape != now.shape:
        return torch.inf
    both = before.isfinite() & now.isfinite()
    largest = torch.stack([before, now])[:, both].abs()
    if not largest.numel() or not largest.any():
        return 0.0
    return float((now - before)[both].abs().max() / largest.max())


def answers(subject: Subject, sites: Iterable[str]) -> dict[str, list[list[float]]]:
    """Give the numbers that tell a subject's answers from another's.

    Each site's response to `probe_images` is multiplied with fixed random signs and added up in
    `NUMBERS` ways, so that every unit counts.

    Args:
        sites: names from `subject.sites()`; noisy ones and `pixels` are left out.

    Returns:
        For each site `IMAGES` rows of `NUMBERS` numbers, in units of the response.
    """
    known = subject.sites()
    left = sorted({find_site(site, known) for site in sites} - {PIXELS} - subject.noisy)
    if not left:
        return {}
    responses = subject.respond(probe_images(subject.image_size).to(subject.device), left)
    found = {}
    for site, response in responses.items():
        flat = response.flatten(1).double().cpu()
        signs = seeds.normal([("answers", NUMBERS)], (NUMBERS, flat.shape[1]))[0].sign()
        found[site] = [[float((row * sign).sum()) for sign in signs] for row in flat]
    return found


def changed_answer(
    before: Mapping[str, list[list[float]]], now: Mapping[str, list[list[float]]]
) -> str | None:
    """Name the site with answers unlike the stored answers, or None.

    Args:
        before, now: as `answers` gives them; sites that only one of them has are not compared.
    """
    both = [site for site in before if site in now]
    if not both:
        return None
    worst = _worst(
        {site: torch.tensor(before[site]) for site in both},
        {site: torch.tensor(now[site]) for site in both},
        ANSWERS,
    )
    return worst[0] if worst else None
