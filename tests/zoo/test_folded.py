"""Folded upsampling against the two modules that it replaces."""

import pytest
import torch
from torch import nn

from invariscope.zoo.embedded import EmbeddedDecoder
from invariscope.zoo.folded import FoldedUpsampling, fold_last_upsampling


def plain(convolution, x):
    """Bilinear doubling, then the convolution, in float64."""
    doubled = nn.functional.interpolate(x.double(), scale_factor=2, mode="bilinear")
    size, bias = convolution.padding, convolution.bias
    bias = None if bias is None else bias.double()
    return nn.functional.conv2d(doubled, convolution.weight.double(), bias, padding=size)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sides", [(3, 3), (4, 9), (48, 48)])
def test_it_equals_doubling_and_convolution_at_the_border_too(size, bias, sides):
    torch.manual_seed(1)
    convolution = nn.Conv2d(6, 3, size, padding=size // 2, bias=bias)
    x = torch.randn(2, 6, *sides)
    with torch.no_grad():
        found, expected = FoldedUpsampling(convolution)(x), plain(convolution, x)
    assert float((found - expected).abs().max()) < 2e-6
    assert float(expected.abs().max()) > 0.5


def test_in_float64_only_rounding_is_left():
    torch.manual_seed(2)
    convolution = nn.Conv2d(4, 3, 5, padding=2).double()
    x = torch.randn(1, 4, 7, 7, dtype=torch.float64)
    with torch.no_grad():
        assert float((FoldedUpsampling(convolution)(x) - plain(convolution, x)).abs().max()) < 1e-13


def test_a_folded_decoder_makes_the_same_pictures_within_1e_6():
    torch.manual_seed(3)
    decoder, codes = EmbeddedDecoder(16).eval(), torch.randn(4, 16)
    with torch.no_grad():
        before = decoder(codes)
        folded = fold_last_upsampling(decoder)
        assert isinstance(folded.get_submodule("rgb"), FoldedUpsampling)
        assert float((folded(codes) - before).abs().max()) < 1e-6


def test_gradients_reach_the_code():
    torch.manual_seed(4)
    convolution, x = nn.Conv2d(4, 3, 5, padding=2), torch.randn(1, 4, 6, 6)
    grads = []
    for way in (lambda v: plain(convolution, v), FoldedUpsampling(convolution)):
        own = x.clone().requires_grad_()
        way(own).square().sum().backward()
        grads.append(own.grad)
    assert torch.allclose(*grads, atol=1e-4)


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(4, 3, 7, padding=3),
        nn.Conv2d(4, 3, 4, padding=2),
        nn.Conv2d(4, 3, 3, padding=0),
        nn.Conv2d(4, 3, 3, stride=2, padding=1),
    ],
)
def test_another_convolution_is_refused(convolution):
    with pytest.raises(ValueError, match="cannot fold"):
        FoldedUpsampling(convolution)


def test_a_decoder_that_ends_otherwise_stays_as_it_is():
    decoder = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1))
    assert fold_last_upsampling(decoder) is decoder
    assert list(decoder.state_dict()) == ["0.weight", "0.bias"]


def test_in_bf16_it_keeps_the_bits_of_a_border_repeated_in_float32(monkeypatch):
    torch.manual_seed(5)
    folded, x = FoldedUpsampling(nn.Conv2d(6, 3, 5, padding=2)), torch.randn(4, 6, 12, 12)
    x = x.bfloat16().contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = folded(x)
        pad = nn.functional.pad
        widths = []

        def in_float32(values, *args, **words):
            widths.append(values.dtype)
            return pad(values.float(), *args, **words)

        monkeypatch.setattr(nn.functional, "pad", in_float32)
        expected = folded(x)
    assert widths == [torch.bfloat16]
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)
