"""Names of the published files, and our names."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from invariscope.errors import InputError

# A layer is `number_kind_number-of-its-kind`; the original itself compares what follows the first
# number, which changed between its versions. Shapes: of a 224 px image.
LAYERS = {
    "resnet50": {
        "input_01": ("pixels", (3, 224, 224)),
        "conv_25": ("layer3.0.conv1", (256, 28, 28)),
        "conv2d_25": ("layer3.0.conv1", (256, 28, 28)),
        "conv_51": ("layer4.2.conv1", (512, 7, 7)),
        "conv2d_51": ("layer4.2.conv1", (512, 7, 7)),
        "linear_01": ("fc", (1000,)),
    }
}


def site_of(network: str, layer: str) -> tuple[str, tuple[int, ...]]:
    """Our name of a layer of a published network, and its shape.

    Raises:
        InputError: a layer or network that is not known here; it is not guessed.
    """
    known = LAYERS.get(network, {})
    kind = layer.partition("_")[2]
    if kind not in known:
        raise InputError(f"layer {layer!r} of {network!r} is not known")
    return known[kind]


def subject_name(network: str, *, robust: bool) -> str:
    """Give a published network's name."""
    return f"published:{network}{'-l2' if robust else ''}"


def address_of(network: str, layer: str, target: Any) -> str:
    """Give the address of the unit that a search aimed at.

    Args:
        target: one array of indices for each dimension of the layer.

    Raises:
        InputError: an unknown layer, or indices that do not fit it.
    """
    site, shape = site_of(network, layer)
    places = np.stack([np.asarray(axis).reshape(-1) for axis in target], 1)
    inside = places.shape[1] == len(shape) and np.all((places >= 0) & (places < shape))
    if not inside or len(places) == 0:
        raise InputError(f"target {target!r} does not fit layer {layer!r} of shape {shape}")
    return "+".join(f"{site}:{','.join(map(str, place))}" for place in places.tolist())


def subset_of(network: str, layer: str, target: Any) -> tuple[int, ...] | None:
    """List the entries of a flattened stretch layer that counted; None for all.

    Raises:
        InputError: indices that do not fit the layer.
    """
    _, shape = site_of(network, layer)
    if target is None or len(target) == 0:
        return None
    try:
        flat = np.ravel_multi_index([np.asarray(axis).reshape(-1) for axis in target], shape)
    except (ValueError, TypeError) as error:
        raise InputError(f"units of layer {layer!r} do not fit its shape {shape}") from error
    entries = tuple(sorted({int(i) for i in flat}))
    return None if len(entries) == int(np.prod(shape)) else entries


def task_of(signature: Mapping[str, float]) -> str:
    """Tell `invariance` from `adversarial` by the sign of the first layer's weight.

    Raises:
        InputError: another signature.
    """
    weights = [float(w) for w in signature.values()]
    for task, first in (("invariance", -1.0), ("adversarial", 1.0)):
        if len(weights) >= 2 and weights[:2] == [first, -first]:
            return task
    raise InputError(f"signature {dict(signature)!r} is neither invariance nor adversarial")
