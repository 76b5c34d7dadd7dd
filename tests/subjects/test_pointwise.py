"""A folded 1 × 1 convolution as a product that adds its bias, as on a GPU in bf16."""

from collections import Counter

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from invariscope import NetworkSubject, seeds
from invariscope.subjects import batch_norm
from invariscope.subjects.batch_norm import adds_bias_apart

SIDE = 5


class Operations(TorchDispatchMode):
    """Counts the operations that read or write numbers."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.counts[func.overloadpacket.__name__] += 1
        return found


class Placed:
    """What is asked of a tensor on some device."""

    def __init__(self, device, layout=torch.channels_last):
        self.device, self.layout = torch.device(device), layout

    def is_contiguous(self, memory_format):
        return memory_format == self.layout


def fold(**settings):
    """A convolution of 6 to 8 channels with its norm, both as training may leave them."""
    draws = seeds.torch_stream("pointwise", str(settings))
    convolution = nn.Conv2d(6, 8, **{"kernel_size": 1, "bias": False, **settings})
    norm = nn.BatchNorm2d(8).eval()
    with torch.no_grad():
        for tensor in [*convolution.parameters(), *norm.parameters(), norm.running_mean]:
            tensor.normal_(generator=draws)
        norm.running_var.uniform_(0.5, 2, generator=draws)
    return convolution, norm, batch_norm._Fold(convolution, norm, "norm")


def maps():
    drawn = torch.randn(3, 6, SIDE, SIDE, generator=seeds.torch_stream("maps"))
    return drawn.contiguous(memory_format=torch.channels_last)


@pytest.fixture
def on_a_gpu(monkeypatch):
    monkeypatch.setattr(batch_norm, "adds_bias_apart", lambda x: True)


@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, {"bias": True}, {"padding": "same"}])
def test_the_product_is_convolution_and_norm_in_one_operation_and_the_same_layout(
    settings, on_a_gpu
):
    convolution, norm, folded = fold(**settings)
    seen = maps()
    expected = norm(convolution(seen))
    folded.convolve(seen)  # makes the matrix, once
    folded.made = None
    with Operations() as operations:
        found = folded.convolve(seen)
    assert dict(operations.counts) == {"addmm": 1}
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert folded.pass_on(found) is found


@torch.no_grad()
def test_in_bf16_weights_are_cast_once_for_many_chunks(on_a_gpu):
    convolution, norm, folded = fold()
    expected = norm(convolution(maps()))
    seen = maps().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        folded.convolve(seen)
        folded.made = None
        with Operations() as operations:
            found = folded.convolve(seen)
    assert dict(operations.counts) == {"addmm": 1}
    assert found.dtype == torch.bfloat16
    assert float((found - expected).abs().max() / expected.abs().max()) < 0.02


@torch.no_grad()
@pytest.mark.parametrize(
    "settings", [{"kernel_size": 3}, {"stride": 2}, {"groups": 2}, {"padding": 1}]
)
def test_other_convolutions_stay_convolutions(settings, on_a_gpu):
    convolution, norm, folded = fold(**settings)
    expected = norm(convolution(maps()))
    with Operations() as operations:
        found = folded.convolve(maps())
    assert operations.counts["addmm"] == 0
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_on_a_cpu_in_float32_and_in_another_layout_convolutions_stay(monkeypatch):
    _, _, folded = fold()
    with Operations() as operations, torch.autocast("cpu", torch.bfloat16):
        folded.convolve(maps())
    assert operations.counts["addmm"] == 0
    assert not adds_bias_apart(Placed("cuda"))
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: device == "cuda")
    assert adds_bias_apart(Placed("cuda"))
    assert not adds_bias_apart(Placed("cuda", torch.contiguous_format))
    assert not adds_bias_apart(Placed("cpu"))


def test_a_bottleneck_network_answers_alike(on_a_gpu):
    from invariscope.zoo.vision import torchvision_models

    resnet = torchvision_models().resnet
    torch.manual_seed(0)
    model = resnet.ResNet(resnet.Bottleneck, [1, 2, 1, 1], num_classes=7).eval()
    subject = NetworkSubject(model, image_size=32)
    images = torch.rand(3, 3, 32, 32, generator=seeds.torch_stream("images"))
    sites = ["layer2.1.conv1", "layer4", "fc"]
    plain = subject.respond(images, sites)
    with subject.folding(), Operations() as operations:
        assert subject.folded_norms(sites) == 19
        found = subject.respond(images, sites)
    # The readout, two in each of five blocks, the first block's shortcut; but not the tapped one.
    assert operations.counts["addmm"] == 1 + 2 * 5 + 1 - 1
    for site, expected in plain.items():
        assert torch.allclose(found[site], expected, rtol=1e-4, atol=1e-5), site
