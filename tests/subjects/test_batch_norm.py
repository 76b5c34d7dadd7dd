"""Folded batch norms against the network as it is, at every site."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from invariscope import FunctionSubject, HybridSubject, NetworkSubject, load_subject, seeds
from invariscope.errors import InputError
from invariscope.search.precision import SMALLEST_TAU, rank_correlation
from invariscope.subjects import PIXELS

SIDE = 8


def natural_norms(model):
    """The model in eval mode with statistics and factors as training leaves them."""
    for name, module in model.named_modules():
        for key, tensor in [*module.named_parameters(recurse=False), *module.named_buffers()]:
            if "." in key or not tensor.is_floating_point():
                continue
            draws = torch.rand(tensor.shape, generator=seeds.torch_stream(name, key))
            if isinstance(module, nn.BatchNorm2d):
                tensor.data = 0.3 + draws if key in ("weight", "running_var") else draws - 0.5
            elif tensor.ndim > 1:
                tensor.data = (draws - 0.5) * (12 / tensor[0].numel()) ** 0.5
    return model.eval()


class Net(nn.Module):
    """A convolution, its batch norm and a readout, wired by `way`."""

    def __init__(self, way, convolution=None, norm=None):
        super().__init__()
        self.way = way
        self.conv = convolution or nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.inner = nn.Sequential(self.conv) if way == "wrapped" else nn.Identity()
        self.norm = norm or nn.BatchNorm2d(self.conv.out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.LazyLinear(4)
        self(torch.zeros(2, 3, SIDE, SIDE))
        natural_norms(self)

    def forward(self, x):
        way = self.way
        y = self.inner(x) if way == "wrapped" else self.inner(self.conv(x))
        made = y
        if way == "viewed":
            y = y.flatten(2).unflatten(2, y.shape[2:])
        if way == "changed in place":
            y += 0.1
        if way == "after another module":
            self.relu(x)
        if way == "dropout":
            y = F.dropout(y, 0.5, self.training)
        z = self.norm(y)
        if way == "read twice":
            z = z + made
        if way == "convolved twice":
            z = z + self.norm(self.conv(x.flip(3)))
        if way == "normed twice":
            z = z + self.norm(made)
        if way == "norm of another":
            z = z + self.norm(x.repeat(1, 2, 1, 1))
        if way == "read by its own shape":
            z = z * made.shape[1]
        return self.fc(torch.flatten(self.relu(z), 1))


def subject_of(model, side=SIDE):
    return NetworkSubject(model, image_size=side, mean=0.5, std=0.25, name="net")


def images(side=SIDE, n=6):
    return torch.rand(n, 3, side, side, generator=seeds.torch_stream("images", side))


def both(subject, sites, side=SIDE):
    """Answers as the network is, folded, and how many norms were folded."""
    plain = subject.respond(images(side), sites)
    with subject.folding():
        count, folded = subject.folded_norms(sites), subject.respond(images(side), sites)
    return plain, folded, count


def assert_close(plain, folded):
    for site, expected in plain.items():
        apart = float((folded[site] - expected).abs().max() / expected.abs().max())
        assert apart <= 1e-5, (site, apart)


CONVOLUTIONS = [
    {"bias": True},
    {"stride": 2, "padding_mode": "reflect"},
    {"groups": 3, "dilation": 2},
    {"padding": "same"},
]


@pytest.mark.parametrize("settings", CONVOLUTIONS)
@pytest.mark.parametrize("affine", [True, False])
def test_folded_answers_are_those_of_the_network_but_for_rounding(settings, affine):
    convolution = nn.Conv2d(3, 6, 3, **{"padding": 1, "bias": False, **settings})
    subject = subject_of(Net("plain", convolution, nn.BatchNorm2d(6, affine=affine)))
    plain, folded, count = both(subject, ["relu", "fc"])
    assert count == 1
    assert_close(plain, folded)
    assert not torch.equal(plain["fc"], folded["fc"])


FOLDED = ["plain", "dropout", "read by its own shape", "wrapped"]
LEFT = [
    "read twice",
    "after another module",
    "convolved twice",
    "normed twice",
    "norm of another",
    "viewed",
]


@pytest.mark.parametrize("way", [*FOLDED, *LEFT, "changed in place"])
def test_only_a_norm_that_alone_reads_a_convolution_is_folded(way):
    plain, folded, count = both(subject_of(Net(way)), ["fc"])
    assert count == (way in FOLDED)
    assert_close(plain, folded)
    assert torch.equal(plain["fc"], folded["fc"]) == (way not in FOLDED)


@pytest.mark.parametrize("site", ["conv", "inner", "norm"])
def test_nothing_is_folded_where_a_tap_lies_between(site):
    subject = subject_of(Net("wrapped"))
    plain, folded, count = both(subject, [site, "fc"])
    assert count == 0
    assert all(torch.equal(plain[name], folded[name]) for name in plain)


def own_forward(module):
    class Own(type(module)):
        def forward(self, x):
            return 2 * super().forward(x)

    module.__class__ = Own


def kept_hook(module):
    module.register_forward_hook(lambda _module, _inputs, output: output + 1)


def changed_input(module):
    module.register_forward_pre_hook(lambda _module, inputs: (inputs[0] + 1,))


def patched_forward(module):
    forward = type(module).forward
    module.forward = lambda x: 2 * forward(module, x)


@pytest.mark.parametrize("change", [own_forward, kept_hook, changed_input, patched_forward])
@pytest.mark.parametrize("name", ["conv", "norm"])
def test_a_module_that_computes_more_than_its_class_is_left(change, name):
    model = Net("plain")
    change(model.get_submodule(name))
    before = model.get_submodule(name).__dict__.get("forward")
    plain, folded, count = both(subject_of(model), ["fc"])
    assert count == 0
    assert torch.equal(plain["fc"], folded["fc"])
    assert model.get_submodule(name).__dict__.get("forward") is before


@pytest.mark.parametrize("network", ["standard", "plain-robust"])
def test_every_site_of_a_shipped_network_is_right_with_its_norms_folded(network):
    subject = load_subject(f"embedded:{network}")
    sites = [site for site in subject.sites() if site != PIXELS]
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in subject.model.modules())
    seen = images(96, 3)
    plain = subject.respond(seen, sites)
    with subject.folding():
        assert subject.folded_norms(sites) == 0
        for site in sites:
            between = isinstance(subject.module(site), nn.Conv2d | nn.BatchNorm2d)
            assert subject.folded_norms([site, "fc"]) == norms - between, site
            assert_close({k: plain[k] for k in (site, "fc")}, subject.respond(seen, [site, "fc"]))


def test_a_torchvision_network_folds_all_of_its_norms():
    from invariscope.zoo.vision import torchvision_models

    model = natural_norms(torchvision_models().mobilenet_v2(weights=None, num_classes=7))
    plain, folded, count = both(subject_of(model, 32), ["features.7", "classifier"], 32)
    assert count == 52
    assert_close(plain, folded)


def test_in_bf16_taps_stay_in_float32_and_candidates_keep_their_order():
    subject = load_subject("embedded:standard")
    seen = (images(96, 60) * torch.linspace(0.3, 1, 60).view(-1, 1, 1, 1)).clamp(0, 1)
    for site in ("layer3.0.conv1", "layer3.0.bn1"):
        exact = subject.respond(seen, [site, "fc"])
        with subject.folding(), torch.autocast("cpu", torch.bfloat16):
            assert subject.folded_norms([site, "fc"]) == 19
            found = subject.respond(seen, [site, "fc"])
        assert all(response.dtype == torch.float32 for response in found.values())
        scores = [
            torch.stack([(r[site] - r[site][:1]).flatten(1).norm(dim=1), r["fc"][:, 3]], 1)
            for r in (exact, found)
        ]
        assert rank_correlation(*scores) >= SMALLEST_TAU


class Breaks(nn.Module):
    def forward(self, x):
        if getattr(self, "broken", False):
            raise RuntimeError("broken")
        return x


def test_the_model_is_as_before_also_after_a_pass_that_fails():
    model = Net("plain")
    model.relu = Breaks().eval()
    subject = subject_of(model)
    before = subject.respond(images(), ["fc"])["fc"]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.relu.broken = True
    with subject.folding(), pytest.raises(InputError, match="broken"):
        subject.respond(images(), ["fc"])
    model.relu.broken = False
    assert not any("forward" in vars(module) for module in model.modules())
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(subject.respond(images(), ["fc"])["fc"], before)
    assert subject.folded_norms(["fc"]) == 0


def test_edits_and_gradients_see_the_network_as_it_is():
    subject = subject_of(Net("plain"))

    def edited():
        with subject.edited("conv", lambda output: output * 0):
            return subject.respond(images(), ["fc"])["fc"]

    def slope():
        seen = images().requires_grad_()
        subject._respond(seen, ("fc",))["fc"].sum().backward()
        return seen.grad

    plain = edited(), slope()
    with subject.folding():
        assert subject.folded_norms(["fc"]) == 1
        assert all(torch.equal(a, b) for a, b in zip(plain, (edited(), slope()), strict=True))
        assert subject.folded_norms(["fc"]) == 1


class Forks(nn.Module):
    """Leaves its norm out for dark images, or reads the convolution in its place."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 4)
        natural_norms(self)

    def forward(self, x):
        y = self.conv(x)
        return self.fc((self.norm(y) if float(x.mean()) > -1 else y).mean((2, 3)))


def test_a_path_that_depends_on_the_images_is_refused_not_answered_wrongly():
    subject = subject_of(Forks())
    with subject.folding():
        subject.respond(images(), ["fc"])
        with pytest.raises(InputError, match=r"'norm' did not follow its convolution this time"):
            subject.respond(images() * 0.1, ["fc"])
        subject.respond(images(), ["fc"])


def test_a_hybrid_folds_in_both_of_its_subjects():
    def brightness(seen):
        return seen.mean((1, 2, 3))

    unit = FunctionSubject(brightness, name="brightness", image_size=SIDE)
    hybrid = HybridSubject(unit, subject_of(Net("plain")), prefix="net.")
    sites = ["net.relu", "output"]
    plain, folded, count = both(hybrid, sites)
    assert count == 1
    assert_close(plain, folded)
    two = HybridSubject(subject_of(Net("plain")), subject_of(Net("dropout")), prefix="other.")
    with two.folding():
        assert two.folded_norms(["other.fc", "fc"]) == 2
        assert two.folded_norms(["other.conv", "fc"]) == 1


def test_a_compiled_network_is_left_to_its_compiler():
    subject = NetworkSubject(Net("plain"), image_size=SIDE, mean=0.5, std=0.25, compiled=True)
    with subject.folding():
        assert subject.folded_norms(["fc"]) == 0
