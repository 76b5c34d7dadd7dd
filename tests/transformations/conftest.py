"""Small pictures, and a registry that a test may add to."""

import pytest
import torch

from invariscope import seeds
from invariscope.transformations import registry


@pytest.fixture
def photos():
    """Four square colour images that hold no two equal pixels."""
    return torch.rand(4, 3, 20, 20, generator=seeds.torch_stream("photos"), dtype=torch.float64)


@pytest.fixture
def own_names(monkeypatch):
    """The registry, as it was before once the test is over."""
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
