import shutil

import pytest
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.subjects import NetworkSubject
from invariscope.subjects.compiled import compile_module

needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("g++", "clang++", "c++")),
    reason="no C++ compiler on this machine",
)


class Net(nn.Module):
    """In-place ReLUs, batch norm with statistics of its own, a residual, a module called twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8))
        self.fc = nn.Linear(8, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.relu(self.bn(self.conv(x)))
        x = self.relu(self.deep(x) + x)
        return self.head(self.fc(x.mean((2, 3))))


@pytest.fixture(scope="module")
def subjects():
    torch.manual_seed(0)
    net = Net()
    net(torch.randn(16, 3, 16, 16))  # batch statistics that are not those of a fresh layer
    net.eval().requires_grad_(requires_grad=False)
    return [NetworkSubject(net, image_size=16, compiled=compiled) for compiled in (False, True)]


@needs_compiler
def test_the_compiled_path_equals_the_plain_one_at_every_tap(subjects):
    plain, compiled = subjects
    sites = [site for site in plain.sites() if site != "pixels"]
    assert {"conv", "bn", "relu", "relu@2", "deep", "deep.0", "fc", "head"} <= set(sites)
    images = torch.rand(4, 3, 16, 16)
    expected, got = plain.respond(images, sites), compiled.respond(images, sites)
    assert list(got) == list(expected)
    for site in sites:
        torch.testing.assert_close(got[site], expected[site], atol=1e-5, rtol=1e-4)
    assert not any(module._forward_hooks for module in plain.model.modules())


@needs_compiler
def test_under_autocast_a_tapped_layer_is_float32_in_both(subjects):
    plain, compiled = subjects
    images = torch.rand(4, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        expected, got = plain.respond(images, ["fc"]), compiled.respond(images, ["fc"])
    assert got["fc"].dtype == expected["fc"].dtype == torch.float32
    torch.testing.assert_close(got["fc"], expected["fc"], atol=2e-2, rtol=2e-2)


def test_a_missing_compiler_is_one_sentence(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(InputError, match=r"C\+\+ compiler.*install"):
        compile_module(nn.Linear(2, 2))
