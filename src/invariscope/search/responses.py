"""Responses that are told from outside: by site, or plain numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from invariscope.errors import InputError
from invariscope.subjects.base import PIXELS


def normalize_responses(
    responses: Mapping[str, Tensor] | ArrayLike, sites: Sequence[str]
) -> dict[str, Tensor]:
    """Responses as a mapping by site.

    Args:
        responses: such a mapping, or the numbers of the only site beside `pixels`: `(n,)` or
            `(n, units)`.

    Raises:
        InputError: plain numbers, and several sites they could be of.
    """
    if isinstance(responses, Mapping):
        return dict(responses)
    others = [site for site in sites if site != PIXELS]
    if len(others) != 1:
        raise InputError(f"this search reads {others}; give responses as a mapping by site")
    numbers = responses if isinstance(responses, Tensor) else np.asarray(responses)
    plain = torch.as_tensor(numbers).float()
    return {others[0]: plain.unsqueeze(1) if plain.ndim == 1 else plain}


def validate_responses(
    given: dict[str, Tensor], sites: Sequence[str], expected: int
) -> dict[str, Tensor]:
    """The responses, if each site has one for every image.

    Raises:
        InputError: a missing site, or another number of responses.
    """
    for site in sites:
        if site not in given or len(given[site]) != expected:
            got = len(given[site]) if site in given else "none"
            raise InputError(f"expected {expected} responses at site {site!r}; got {got}")
    return given
