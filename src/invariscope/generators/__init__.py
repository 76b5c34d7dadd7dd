"""Generators by address."""

import torch

from invariscope.errors import unknown
from invariscope.generators.base import CodeStatistics, Generator
from invariscope.generators.embedded import EmbeddedGenerator
from invariscope.zoo import registry


def load_generator(address: str = "embedded", device: torch.device | str = "cpu") -> Generator:
    """A generator from its address.

    Args:
        address: `embedded`.

    Raises:
        InputError: an unknown address.
    """
    shipped = {k: e for k, e in registry.entries().items() if e.kind == "generator"}
    if address not in shipped:
        raise unknown("generator", address, shipped)
    return EmbeddedGenerator(shipped[address], device)


__all__ = ["CodeStatistics", "EmbeddedGenerator", "Generator", "load_generator"]
