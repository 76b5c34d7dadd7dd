"""Subjects by address."""

import torch

from invariscope.errors import unknown
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.embedded import PREFIX, embedded_subject
from invariscope.subjects.network import NetworkSubject
from invariscope.zoo import registry


def load_subject(
    address: str, device: torch.device | str = "cpu", *, compiled: bool = False
) -> NetworkSubject:
    """A subject from its address.

    Args:
        address: `embedded:NAME`.
        compiled: see `NetworkSubject`.

    Raises:
        InputError: an unknown address.
    """
    shipped = [k for k, e in registry.entries().items() if e.kind == "classifier"]
    if address not in shipped:
        raise unknown("model", address, shipped)
    return embedded_subject(address.removeprefix(PREFIX), device, compiled=compiled)


__all__ = ["PIXELS", "NetworkSubject", "Subject", "load_subject"]
