"""The networks that the package ships, as subjects."""

import torch

from invariscope.photos.transform import PhotoRule
from invariscope.subjects.network import NetworkSubject
from invariscope.zoo import registry
from invariscope.zoo.embedded import build_network
from invariscope.zoo.weight_file import load_weights

PREFIX = "embedded:"
PHOTO_SIDE = 104  # of the photos whose middle it was trained on


def embedded_subject(
    name: str, device: torch.device | str = "cpu", *, compiled: bool = False
) -> NetworkSubject:
    """Load a shipped classifier by the name behind `embedded:`.

    Raises:
        InputError: there is none of that name.
    """
    entry = registry.find(f"{PREFIX}{name}", "classifier")
    tensors, metadata = load_weights(entry)
    natural = registry.entries().get(f"{entry.name} natural")  # not while it is being packaged
    network = build_network(metadata)
    network.load_state_dict(tensors)
    return NetworkSubject(
        network.eval().requires_grad_(requires_grad=False),
        image_size=metadata["image_size"],
        mean=metadata["mean"],
        std=metadata["std"],
        name=entry.name,
        classes=metadata["classes"],
        natural=registry.shipped(natural) if natural else None,
        photo=PhotoRule(PHOTO_SIDE),
        device=device,
        compiled=compiled,
    )
