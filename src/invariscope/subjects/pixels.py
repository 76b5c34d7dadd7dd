"""Distances between images as a subject sees images: one definition of size and scale.

A network of 227 pixels that a generator of 96 pixels shows images to sees them enlarged: a
distance, and the largest that is possible, are both of the enlarged images. So a share of the
possible distance (`share_of_possible`) never exceeds 1.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope.generators.constraints import Aperture

ROUNDING = 1e-4  # of a distance in float32, as a share of it
EXTREME = 2 / 255  # a value this near to 0 or 1 is at the end of the range
SIZE = "image_size"  # the key of a run's labels, and of most subjects' identities


def resize_images(images: Tensor, side: int) -> Tensor:
    """Bring images to a subject's size: whole, never cropped, antialiased.

    Args:
        images: `(n, 3, height, width)` in [0, 1].
        side: height and width in pixels that the subject sees.

    Returns:
        `(n, 3, side, side)` in [0, 1].
    """
    if images.shape[-2:] == (side, side):
        return images
    resized = F.interpolate(
        images, (side, side), mode="bilinear", antialias=True, align_corners=False
    )
    return resized.clamp(0, 1)


def pixel_distance(images: Tensor, reference: Tensor) -> Tensor:
    """Measure how far images are from a reference: L2 over all values, `(n,)`.

    Args:
        images: `(n, 3, side, side)`, as the subject sees them.
        reference: `(3, side, side)` or `(1, 3, side, side)`, as it sees it.
    """
    return (images - reference).flatten(1).norm(dim=1)


def saturation(images: Tensor) -> Tensor:
    """Measure the share of values at an end of the range, black or white in a channel, `(n,)`."""
    ends = (images <= EXTREME) | (images >= 1 - EXTREME)
    return ends.flatten(1).double().mean(1)


def max_distance(seen: Tensor, open_to: Tensor | None = None) -> float:
    """Compute the largest pixel distance from an image: `‖max(ref, 1 − ref)‖₂` (PAPERS §1, ours).

    Args:
        seen: `(3, side, side)` in [0, 1], as the subject sees it (`resize_images`).
        open_to: `(side, side)`, 1 where images can differ, 0 where an aperture hides them; by
            default 1 everywhere.
    """
    most = torch.maximum(seen, 1 - seen).double()
    return float(torch.linalg.vector_norm(most if open_to is None else most * open_to))


def share_of_possible(distance: float, possible: float) -> float:
    """Express a pixel distance as a share of the largest possible distance, in [0, 1].

    Args:
        distance: of `pixel_distance`.
        possible: of `max_distance` or `farthest_seen`, from the same reference at the same size.

    Returns:
        The share; NaN where either is not known, or where the distance is beyond the possible
        one: then the two are not of the same reference, and no share can be told.

    Example:
        >>> share_of_possible(3.0, 4.0), share_of_possible(5.0, 4.0)
        (0.75, nan)
    """
    if not 0 <= distance <= possible * (1 + ROUNDING) or possible <= 0:
        return float("nan")
    return min(distance / possible, 1.0)


def size_seen(labels: Mapping[str, Any], identity: Mapping[str, Any]) -> int | None:
    """Find the size of the images that a run's subject saw, or None where the run does not say.

    Args:
        labels: of the run, which hold `image_size`.
        identity: of the run's subject: where the labels are of an older version, most
            identities hold it, and a hybrid's that of its unit.
    """
    unit = identity.get("unit")
    inside = unit if isinstance(unit, Mapping) else {}
    found = labels.get(SIZE) or identity.get(SIZE) or inside.get(SIZE)
    return None if found is None else int(found)


def farthest_seen(
    reference: Tensor,
    labels: Mapping[str, Any],
    identity: Mapping[str, Any],
    generator: Mapping[str, Any] | None = None,
) -> float:
    """Compute the largest pixel distance from a stored reference at the size the subject sees.

    Args:
        reference: `(3, height, width)` in [0, 1], of any size.
        labels, identity: see `size_seen`.
        generator: the identity of the run's generator: where its images have an aperture, what
            that hides does not count.

    Returns:
        The distance; NaN where the run does not say how large its subject's images are.
    """
    side = size_seen(labels, identity)
    if side is None:
        return float("nan")
    seen = resize_images(reference.unsqueeze(0), side)[0]
    window = (generator or {}).get("constraints", {}).get("aperture")
    if window is None:
        return max_distance(seen)
    weights = Aperture(*window).weights(reference.shape[-1])
    shown = resize_images((weights > 0).float().expand(1, 1, -1, -1), side)[0, 0]
    return max_distance(seen, (shown > 0).double())
