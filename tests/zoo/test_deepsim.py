"""The DeePSiM architectures have the layers of the published weights, under both sets of names."""

import pytest
import torch
import torch.nn.functional as F

from invariscope.errors import InputError
from invariscope.zoo.deepsim import VARIANTS, XDREAM, DeepsimNetwork, deepsim_network, own_names

# Of the published states: weight shapes, transposed convolutions (in, out, k, k), in order.
CONNECTED = {"defc7": (4096, 4096), "defc6": (4096, 4096), "defc5": (4096, 4096)}
UPWARD = {
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
POOL = {"Rconv6": (512, 256, 3, 3), "Rconv7": (512, 512, 3, 3), "Rconv8": (512, 512, 3, 3)}
CONV = {
    "conv6": (384, 384, 3, 3),
    "conv7": (512, 384, 3, 3),
    "conv8": (512, 512, 2, 2),
    "tconv5_0": (512, 256, 4, 4),
    "tconv5_1": (256, 256, 3, 3),
    "tconv4_0": (256, 128, 4, 4),
    "tconv4_1": (128, 128, 3, 3),
    "tconv3_0": (128, 128, 4, 4),
    "tconv3_1": (128, 128, 3, 3),
    "tconv2_0": (128, 64, 4, 4),
    "conv2_1": (32, 64, 3, 3),
    "tconv1_0": (32, 16, 4, 4),
    "conv1_1": (3, 16, 3, 3),
}
NORM = {
    "conv7": (128, 128, 3, 3),
    "conv8": (128, 128, 3, 3),
    "tconv4_0": (128, 128, 4, 4),
    "conv4_1": (128, 128, 3, 3),
    "tconv3_0": (128, 64, 4, 4),
    "conv3_1": (64, 64, 3, 3),
    "tconv2_0": (64, 32, 4, 4),
    "conv2_1": (32, 32, 3, 3),
    "tconv1_0": (32, 16, 4, 4),
    "conv1_1": (3, 16, 3, 3),
}
PUBLISHED = {
    "fc6": CONNECTED | UPWARD,
    "fc7": CONNECTED | UPWARD,
    "fc8": CONNECTED | {"defc7": (4096, 1000)} | UPWARD,
    "pool5": POOL | UPWARD | {"deconv5": (512, 256, 4, 4)},
    "conv3": CONV,
    "conv4": CONV,
    "norm1": {"conv6": (128, 96, 3, 3)} | NORM,
    "norm2": {"conv6": (256, 256, 3, 3)} | NORM | {"conv7": (128, 256, 3, 3)},
}
SIDE = dict.fromkeys(PUBLISHED, 256) | {"norm1": 240, "norm2": 240}
BIASED = ("conv6", "conv7", "conv8")  # of the conv… and norm… variants


def published(variant, *, xdream=False, device="meta"):
    """A state as it is published, with random weights."""
    theirs = {own: name for name, own in XDREAM.items()} if xdream else {}
    state, stream = {}, torch.Generator().manual_seed(0)
    for layer, shape in PUBLISHED[variant].items():
        back = layer.startswith(("deconv", "tconv")) or layer in ("conv5_1", "conv4_1", "conv3_1")
        back &= not (variant.startswith(("norm", "conv")) and not layer.startswith("tconv"))
        name = theirs.get(layer, layer)
        weight = torch.empty(shape, device=device)
        state[f"{name}.weight"] = weight
        if device == "cpu":
            weight.normal_(0, shape[0 if back else 1] ** -0.5 / shape[-1], generator=stream)
        bounded = variant.startswith(("norm", "conv"))
        if (layer in BIASED) if bounded else not (xdream and back):
            state[f"{name}.bias"] = torch.zeros(shape[1] if back else shape[0], device=device)
    return state


@pytest.mark.parametrize("variant", PUBLISHED)
def test_names_shapes_and_code_are_the_published_ones(variant):
    with torch.device("meta"):
        network = DeepsimNetwork(variant)
    found = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert found == {name: tuple(t.shape) for name, t in published(variant).items()}
    code = torch.empty(2, network.code_dim, device="meta")
    assert code.shape[1] == torch.Size(VARIANTS[variant].code).numel()
    assert network(code).shape == (2, 3, SIDE[variant], SIDE[variant])


@pytest.mark.parametrize("variant", ["fc6", "fc7", "fc8", "pool5"])
def test_xdreams_names_are_read_and_their_missing_biases_are_0(variant):
    state = published(variant, xdream=True)
    assert not any("deconv" in name for name in state)
    found = own_names(state, variant)
    assert {k: v.shape for k, v in found.items()} == {
        k: v.shape for k, v in published(variant).items()
    }
    biases = own_names({"tconv0.weight": torch.ones(32, 3, 4, 4)}, variant)["deconv0.bias"]
    assert biases.tolist() == [0, 0, 0]


@pytest.mark.parametrize("copy", ["G.{}", "{}"])
def test_copies_inside_another_network_or_behind_a_padding_are_read(copy):
    state = {copy.format(k.replace(".", ".1.")): v for k, v in published("pool5").items()}
    assert own_names(state, "pool5").keys() == published("pool5").keys()


def norm1_by_hand(state, code):
    """The network as its authors describe it, in one line a layer."""
    x = code.unflatten(1, (96, 27, 27))
    for layer in PUBLISHED["norm1"]:
        weight, bias = state[f"{layer}.weight"], state.get(f"{layer}.bias")
        if layer.startswith("tconv"):
            x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1)
        else:
            stride, padding = (2, 2) if layer == "conv6" else (1, 1)
            x = F.conv2d(x, weight, bias, stride, padding)
        if layer not in ("tconv1_0", "conv1_1"):
            x = torch.where(x > 0, x, 0.3 * x)
    return torch.tanh(x) * 255


def test_published_weights_give_the_published_function():
    state = published("norm1", device="cpu")
    network = deepsim_network("norm1", state, "'x.pt'").eval()
    code = torch.randn(2, network.code_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = network(code), norm1_by_hand(state, code)
    assert expected.std() > 0.5
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


def test_weights_of_another_architecture_are_refused_by_name_and_shape():
    state = published("norm1", device="cpu")
    state["extra.weight"] = torch.zeros(1)
    state["conv8.weight"] = torch.zeros(1, 2)
    state["conv7.bias"][3] = torch.nan
    del state["conv6.bias"]
    with pytest.raises(InputError) as caught:
        deepsim_network("norm1", state, "'x.pt'")
    said = str(caught.value)
    assert said.startswith("'x.pt' does not hold the weights of this architecture")
    assert "1 missing: conv6.bias" in said
    assert "1 unexpected: extra.weight" in said
    assert "1 of another shape: conv8.weight (1, 2), expected (128, 128, 3, 3)" in said
    assert "1 not finite: conv7.bias" in said


def test_an_unknown_variant_names_the_nearest():
    with pytest.raises(InputError, match="unknown DeePSiM variant 'fc9'; did you mean 'fc8'"):
        DeepsimNetwork("fc9")


@pytest.mark.parametrize("variant", ["fc7", "pool5"])
def test_each_layer_but_the_last_is_followed_by_a_leaky_relu(variant):
    with torch.device("meta"):
        network = DeepsimNetwork(variant)
    slopes = [m.negative_slope for m in network if isinstance(m, torch.nn.LeakyReLU)]
    assert slopes == [0.3] * (len(PUBLISHED[variant]) - 1)
    assert isinstance(network[-1], torch.nn.ConvTranspose2d)


def test_a_narrow_copy_makes_pictures():
    network = DeepsimNetwork("fc8", width=64, narrow=16)
    assert network(torch.zeros(1, network.code_dim)).shape == (1, 3, 256, 256)
