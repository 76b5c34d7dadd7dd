"""The DeePSiM architecture has the layers of the published weights."""

import pytest
import torch

from invariscope.zoo.deepsim import DeepsimNetwork

# Of the published state for fc6 and fc7: weight shapes (transposed convolutions: in, out, k, k).
PUBLISHED = {
    "defc7": (4096, 4096),
    "defc6": (4096, 4096),
    "defc5": (4096, 4096),
    "deconv5": (256, 256, 4, 4),
    "conv5_1": (256, 512, 3, 3),
    "deconv4": (512, 256, 4, 4),
    "conv4_1": (256, 256, 3, 3),
    "deconv3": (256, 128, 4, 4),
    "conv3_1": (128, 128, 3, 3),
    "deconv2": (128, 64, 4, 4),
    "deconv1": (64, 32, 4, 4),
    "deconv0": (32, 3, 4, 4),
}


@pytest.fixture(scope="module")
def full():
    with torch.device("meta"):
        return DeepsimNetwork()


def test_names_and_shapes_are_the_published_ones(full):
    state = full.state_dict()
    expected = [f"{name}.{kind}" for name in PUBLISHED for kind in ("weight", "bias")]
    assert list(state) == expected
    for name, shape in PUBLISHED.items():
        assert tuple(state[f"{name}.weight"].shape) == shape
        out = shape[0] if len(shape) == 2 else shape[1]
        assert tuple(state[f"{name}.bias"].shape) == (out,)


def test_a_code_becomes_a_picture(full):
    codes = torch.empty(5, 4096, device="meta")
    assert full(codes).shape == (5, 3, 256, 256)
    assert DeepsimNetwork(1000, 64, narrow=16)(torch.zeros(1, 1000)).shape == (1, 3, 256, 256)


def test_each_layer_but_the_last_is_followed_by_a_leaky_relu(full):
    slopes = [m.negative_slope for m in full if isinstance(m, torch.nn.LeakyReLU)]
    assert slopes == [0.3] * (len(PUBLISHED) - 1)
    assert isinstance(full[-1], torch.nn.ConvTranspose2d)
