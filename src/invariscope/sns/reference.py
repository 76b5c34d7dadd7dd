"""The image that a search departs from: an MEI, or any image."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from invariscope import validate
from invariscope.search.measure import pad
from invariscope.search.objectives import Objective, read_site
from invariscope.search.search import SMALLEST_CHUNK
from invariscope.subjects.base import PIXELS, Subject


@dataclass(frozen=True)
class Reference:
    """An image to depart from.

    Attributes:
        image: `(3, height, width)` float32 in [0, 1], of the generator's or subject's size.
        code: `(code_dim,)`, where one is known; the adversarial search starts there.
        recipe: what makes it this image: for the name of a run.
        activity: the target's activity for it, where it was measured.
    """

    image: Tensor = field(repr=False)
    code: Tensor | None = field(repr=False, default=None)
    recipe: dict[str, Any] = field(default_factory=dict)
    activity: float | None = None


def image_reference(image: Tensor, size: int, code: Tensor | None = None) -> Reference:
    """A reference from an image's own pixels.

    Args:
        image: `(3, size, size)` in [0, 1].
        code: a code whose image is close to it, where one is known.

    Raises:
        InputError: another shape, or values outside [0, 1].
    """
    image = validate.image(image, size).detach().float().cpu().contiguous()
    recipe = {"kind": "image", "sha256": _content(image)}
    if code is not None:  # an adversarial search starts there
        recipe["code"] = _content(code.detach().double().cpu())
    return Reference(image, code, recipe)


def _content(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()


def depart_from(objective: Objective, subject: Subject, image: Tensor, chunk: int) -> Objective:
    """The objective with the reference's responses, in the chunk shape of the candidates.

    Call it in the precision in which the candidates are evaluated: a reference of another
    precision has a squeeze of its own. At a noisy site the whole chunk's answers are averaged.

    Args:
        image: `(3, height, width)` in [0, 1].
        chunk: images that pass at once.
    """
    rows = pad(image.unsqueeze(0), max(SMALLEST_CHUNK, chunk))
    responses = {
        site: response.nanmean(0, keepdim=True) if site in subject.noisy else response[:1].clone()
        for site, response in subject.respond(rows, objective.sites).items()
    }
    site = objective.site or PIXELS
    return replace(
        objective,
        site_reference=read_site(responses[site], objective.subset)[0],
        target_reference=objective.target.read(responses)[0],
    )
