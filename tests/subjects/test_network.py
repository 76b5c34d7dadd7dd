"""A PyTorch network as a subject."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from invariscope import NetworkSubject, load_subject, seeds
from invariscope.errors import InputError
from invariscope.natural.statistics import unit_activities, unit_names
from invariscope.subjects import PIXELS, Subject
from invariscope.units import channels_first

SIDE = 8
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


class Pair(nn.Module):
    """Gives a tuple, as attention layers do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.conv(x)
        return x, x.mean()


class Counted(nn.Linear):
    calls = 0
    broken = False

    def forward(self, x):
        self.calls += 1
        if self.broken:
            raise RuntimeError("broken")
        return super().forward(x)


class Residual(nn.Module):
    """In-place operations, a module called twice, tuple outputs, and a flattened readout."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 4, 3, 1, 1)
        self.pair = Pair()
        self.fc = Counted(4 * SIDE * SIDE, 5)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        y = self.conv2(x)
        y += x
        y, _ = self.pair(self.relu(y))
        y *= 2
        return self.fc(y.flatten(1))


def slow_twin(model, seen):
    """Every site by hand, out of place."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    bn = model.bn1
    sites = {PIXELS: seen, "conv1": F.conv2d((seen - mean) / std, model.conv1.weight, padding=1)}
    sites["bn1"] = F.batch_norm(
        sites["conv1"], bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps
    )
    sites["relu"] = sites["bn1"].clamp(min=0)
    sites["conv2"] = F.conv2d(sites["relu"], model.conv2.weight, model.conv2.bias, padding=1)
    sites["relu@2"] = (sites["conv2"] + sites["relu"]).clamp(min=0)
    sites["pair.conv"] = F.conv2d(sites["relu@2"], model.pair.conv.weight, model.pair.conv.bias)
    sites["pair"] = sites["pair.conv"]
    sites["fc"] = (sites["pair"] * 2).flatten(1) @ model.fc.weight.T + model.fc.bias
    return sites


SITES = (PIXELS, "conv1", "bn1", "relu", "conv2", "relu@2", "pair.conv", "pair", "fc")


@pytest.fixture
def model(fixed_weights):
    model = fixed_weights(Residual())
    model.bn1.running_mean += 0.1
    model.bn1.running_var *= 1.5
    return model


@pytest.fixture
def subject(model):
    return NetworkSubject(model, image_size=SIDE, mean=MEAN, std=STD)


@pytest.fixture
def images():
    return torch.rand(5, 3, SIDE, SIDE, generator=seeds.torch_stream("images"))


def hooks(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return sum(len(getattr(m, kind)) for m in model.modules() for kind in kinds)


def test_sites_run_from_shallow_to_deep_with_their_shapes(subject):
    shapes = dict.fromkeys(SITES, (4, SIDE, SIDE)) | {PIXELS: (3, SIDE, SIDE), "fc": (5,)}
    assert list(subject.sites()) == list(SITES)
    assert subject.sites() == shapes


@pytest.mark.parametrize("site", SITES)
def test_a_site_alone_equals_the_slow_twin(model, subject, images, site):
    torch.testing.assert_close(
        subject.respond(images, [site])[site], slow_twin(model, images)[site]
    )


def test_all_sites_of_one_pass_equal_the_slow_twin(model, subject, images):
    responses = subject.respond(images, reversed(SITES))
    assert list(responses) == list(reversed(SITES))
    torch.testing.assert_close(responses, slow_twin(model, images), check_dtype=True)


@pytest.mark.parametrize(
    ("site", "rectified"), [("bn1", False), ("conv2", False), ("relu", True), ("relu@2", True)]
)
def test_a_tap_is_read_before_an_operation_in_place_overwrites_it(subject, images, site, rectified):
    response = subject.respond(images, [site, "fc"])[site]
    assert bool((response < 0).any()) is not rectified


def test_the_pass_stops_after_the_deepest_site(model, subject, images):
    subject.sites()
    model.fc.calls = 0
    subject.respond(images, ["relu", "pair"])
    assert model.fc.calls == 0
    subject.respond(images, ["relu", "fc"])
    assert model.fc.calls == 1


def test_pixels_alone_need_no_pass(model, subject, images):
    subject.sites()
    model.fc.broken = True
    assert torch.equal(subject.respond(images, [PIXELS])[PIXELS], images)


def test_the_model_is_unchanged(model, subject, images):
    before, output = copy.deepcopy(model.state_dict()), model(images)
    subject.respond(images, SITES)
    subject.identity()
    assert hooks(model) == 0
    assert torch.equal(model(images), output)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_hooks_are_removed_when_the_model_fails(model, subject, images):
    subject.sites()
    model.fc.broken = True
    with pytest.raises(InputError, match="broken"):
        subject.respond(images, ["relu", "fc"])
    assert hooks(model) == 0


@pytest.mark.parametrize("part", ["", "bn1"])
def test_training_mode_is_refused(model, part):
    model.get_submodule(part).training = True
    with pytest.raises(InputError, match="training mode"):
        NetworkSubject(model, image_size=SIDE)


@pytest.mark.parametrize("asked", ["sites", "respond"])
def test_training_mode_is_refused_when_it_comes_later(model, subject, images, asked):
    if asked == "respond":
        subject.sites()
    model.train()
    before = model.bn1.running_mean.clone()
    with pytest.raises(InputError, match="training mode"):
        subject.respond(images, ["fc"]) if asked == "respond" else subject.sites()
    assert torch.equal(model.bn1.running_mean, before)


def test_an_image_size_that_the_model_cannot_take_is_refused_plainly(model):
    with pytest.raises(InputError, match=r"fails on images of 10 × 10 px .* image_size"):
        NetworkSubject(model, image_size=10, name="residual").sites()
    assert hooks(model) == 0


@pytest.mark.parametrize("kind", [AssertionError, ValueError, RuntimeError])
def test_a_model_may_refuse_a_size_by_any_usual_error(kind):
    class Picky(nn.Module):
        def forward(self, x):
            raise kind("wrong image height")

    with pytest.raises(InputError, match="wrong image height"):
        NetworkSubject(Picky().eval(), image_size=SIDE).sites()


@pytest.mark.parametrize("size", [SIDE, 2 * SIDE, 3 * SIDE - 1, SIDE - 2])
def test_pixels_are_exactly_what_the_model_sees(model, subject, size):
    images = torch.rand(3, 3, size, size, generator=seeds.torch_stream("sizes", size))
    responses = subject.respond(images, [PIXELS, "conv1"])
    seen = responses[PIXELS]
    assert seen.shape == (3, 3, SIDE, SIDE)
    assert 0 <= float(seen.min()) <= float(seen.max()) <= 1
    torch.testing.assert_close(responses["conv1"], slow_twin(model, seen)["conv1"])
    assert (size == SIDE) is (seen.shape == images.shape and torch.equal(seen, images))


@pytest.mark.parametrize("size", [SIDE, 2 * SIDE, 2 * SIDE + 3])
def test_fault_a_border_that_the_network_never_sees_counts_as_stretch(subject, size):
    """Every pixel of a larger image reaches both the pixels site and the network."""
    gray = torch.full((1, 3, size, size), 0.5)
    places = [(row, column) for row in range(size) for column in range(size)]
    changed = gray.repeat(len(places), 1, 1, 1)
    for image, (row, column) in zip(changed, places, strict=True):
        image[:, row, column] = 1.0
    before = subject.respond(gray, [PIXELS, "conv1"])
    after = subject.respond(changed, [PIXELS, "conv1"])
    for site in (PIXELS, "conv1"):
        moved = (after[site] - before[site]).flatten(1).norm(dim=1)
        assert float(moved.min()) > 1e-3


@pytest.mark.parametrize(
    "batch",
    [
        torch.rand(2, 1, SIDE, SIDE),
        torch.rand(3, SIDE, SIDE),
        torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8),
    ],
    ids=["grey", "one image", "uint8"],
)
def test_images_that_are_not_float_rgb_are_refused(subject, batch):
    with pytest.raises(InputError, match=r"expected \(n, 3, height, width\)|divide by 255"):
        subject.respond(batch, ["fc"])


def test_an_unknown_site_names_the_nearest(subject, images):
    with pytest.raises(InputError, match=r"unknown site 'conv3'; did you mean 'conv\d'"):
        subject.respond(images, ["fc", "conv3"])


def test_an_image_does_not_depend_on_its_neighbours_in_a_batch(subject, images):
    rolled = subject.respond(images.roll(2, 0), SITES)
    for site, response in subject.respond(images, SITES).items():
        assert torch.equal(rolled[site].roll(-2, 0), response)


def test_identity_is_the_same_for_a_copy_and_another_name(model, subject):
    twin = copy.deepcopy(model)
    assert (
        subject.identity()
        == NetworkSubject(
            twin, image_size=SIDE, mean=MEAN, std=STD, name="twin", classes=tuple("abcde")
        ).identity()
    )


def flip_a_weight(model):
    model.conv2.weight.data[0, 0, 0, 0] += 1e-6


def move_a_buffer(model):
    model.bn1.running_mean[2] += 1e-3


def change_the_architecture(model):
    model.relu = nn.ReLU6(inplace=True).eval()


@pytest.mark.parametrize("change", [flip_a_weight, move_a_buffer, change_the_architecture])
def test_identity_changes_with_the_model(model, subject, change):
    twin = copy.deepcopy(model)
    change(twin)
    other = NetworkSubject(twin, image_size=SIDE, mean=MEAN, std=STD)
    assert other.identity() != subject.identity()


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", ["RGB", "BGR", "L"])
def test_preprocessing_keeps_the_bits_of_its_formula_in_any_order_in_memory(order, channels):
    grey = channels == "L"
    mean, std = (0.45, 0.22) if grey else (MEAN, STD)
    net = nn.Conv2d(1 if grey else 3, 4, 3).eval()
    subject = NetworkSubject(net, image_size=SIDE, mean=mean, std=std, channels=channels)
    seen = torch.rand(5, 3, SIDE, SIDE).contiguous(memory_format=order)
    expected = seen.flip(1) if channels == "BGR" else seen
    if grey:
        expected = 0.299 * seen[:, :1] + 0.587 * seen[:, 1:2] + 0.114 * seen[:, 2:]
    expected = (expected - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(std).view(
        1, -1, 1, 1
    )
    assert torch.equal(subject.preprocessing.apply(seen), expected)


@pytest.mark.parametrize(
    "settings", [{"mean": (0.4, 0.5, 0.61)}, {"std": (0.2, 0.25, 0.31)}, {"image_size": SIDE + 1}]
)
def test_identity_changes_with_the_preprocessing(model, subject, settings):
    other = NetworkSubject(model, **({"image_size": SIDE, "mean": MEAN, "std": STD} | settings))
    assert other.identity() != subject.identity()


@pytest.mark.parametrize("site", ["conv2", "pair.conv", "fc"])
def test_under_bf16_a_tapped_layer_is_float32_on_its_bf16_input(model, subject, images, site):
    layer, inputs = model.get_submodule(site), []
    subject.sites()
    handle = layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0].clone()))
    with torch.autocast("cpu", torch.bfloat16):
        responses = subject.respond(images, [site, PIXELS])
    handle.remove()
    assert inputs[0].dtype == torch.bfloat16
    assert responses[site].dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(responses[site], layer(inputs[0].float()))
    assert torch.equal(responses[PIXELS], images)
    exact = subject.respond(images, [site])[site]
    assert not torch.equal(responses[site], exact)
    torch.testing.assert_close(responses[site], exact, rtol=0.05, atol=0.05)


def test_a_layer_that_is_not_tapped_stays_in_bf16(subject, images):
    with torch.autocast("cpu", torch.bfloat16):
        alone = subject.respond(images, ["fc"])["fc"]
        beside = subject.respond(images, ["conv2", "fc"])["fc"]
    assert torch.equal(alone, beside)


@pytest.mark.parametrize(
    ("address", "says"),
    [("embedded:standrd", "did you mean 'embedded:standard'"), ("vgg", "choose from 'embedded:")],
)
def test_an_unknown_model_names_the_nearest(address, says):
    with pytest.raises(InputError, match=says):
        load_subject(address)


@pytest.mark.parametrize("kind", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(model, kind):
    model.conv2.weight.data[1, 0, 0, 0] = kind
    model.fc.bias.data[0] = kind
    with pytest.raises(InputError, match=r"NaN or infinity in 'conv2\.weight' and 1 more"):
        NetworkSubject(model, image_size=SIDE)


def test_half_precision_weights_are_refused(model):
    with pytest.raises(InputError, match=r"not float32 \(conv1\.weight .* call model\.float\(\)"):
        NetworkSubject(model.half(), image_size=SIDE)


def test_a_model_of_something_else_is_refused(fixed_weights):
    class Text(nn.Module):
        def forward(self, words, mask):
            return words

    with pytest.raises(InputError, match="missing 1 required positional argument"):
        NetworkSubject(Text().eval(), image_size=SIDE).sites()


def test_range_and_channel_order_are_the_networks_own(model, images):
    caffe = {"mean": (104, 117, 123), "std": (1, 2, 4), "value_range": 255, "channels": "BGR"}
    subject = NetworkSubject(model, image_size=SIDE, **caffe)
    given = images.flip(1) * 255
    given = (given - torch.tensor([104.0, 117, 123]).view(3, 1, 1)) / torch.tensor(
        [1.0, 2, 4]
    ).view(3, 1, 1)
    with torch.no_grad():
        expected = model.conv1(given)
    torch.testing.assert_close(subject.respond(images, ["conv1"])["conv1"], expected)
    assert torch.equal(subject.respond(images, [PIXELS])[PIXELS], images)
    identity = subject.identity()
    assert (identity["mean"], identity["std"]) == ([104, 117, 123], [1, 2, 4])
    assert (identity["value_range"], identity["channels"]) == (255, "BGR")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"channels": "bgr"}, "unknown channel order 'bgr'"),
        ({"mean": (0.5, 0.5)}, r"mean is \(0.5, 0.5\); expected one number, or three"),
        ({"mean": float("nan")}, "expected one number, or three"),
        ({"std": (0.2, 0, 0.2)}, "expected numbers above 0"),
        ({"value_range": 0}, "value_range is 0"),
        ({"image_size": 0}, "image_size is 0"),
    ],
)
def test_preprocessing_that_makes_no_sense_is_refused(model, settings, says):
    with pytest.raises(InputError, match=says):
        NetworkSubject(model, **({"image_size": SIDE} | settings))


def test_a_mapping_gives_its_first_tensor(fixed_weights, images):
    class Mapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Conv2d(3, 2, 1)
            self.outer = nn.ModuleDict({"a": nn.Identity()})

        def forward(self, x):
            return {"first": self.inner(x), "second": x}

    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = Mapped()

        def forward(self, x):
            return self.body(x)["first"]

    subject = NetworkSubject(fixed_weights(Around()), image_size=SIDE)
    found = subject.respond(images, ["body", "body.inner"])
    assert torch.equal(found["body"], found["body.inner"])


def test_identity_changes_with_the_code_of_an_own_class(fixed_weights):
    def kind(source):
        space = {"nn": nn, "__name__": "own"}
        exec(source, space)
        return space["Net"]

    first = NetworkSubject(fixed_weights(Residual()), image_size=SIDE).identity()["code"]
    assert first is not None
    assert NetworkSubject(fixed_weights(Pair()), image_size=SIDE).identity()["code"] != first
    plain = nn.Sequential(nn.Conv2d(3, 2, 1))
    assert NetworkSubject(fixed_weights(plain), image_size=SIDE).identity()["code"] is None
    prompt = kind("class Net(nn.Sequential):\n    pass")
    unseen = NetworkSubject(fixed_weights(prompt(nn.Conv2d(3, 2, 1))), image_size=SIDE)
    assert unseen.identity()["code"] is None


def test_the_layers_with_channels_last_have_channel_units():
    assert channels_first(torch.zeros(2, 7, 7, 12)).shape == (2, 12, 7, 7)
    assert channels_first(torch.zeros(2, 12, 7, 7)).shape == (2, 12, 7, 7)
    assert channels_first(torch.zeros(2, 7, 7, 7)).shape == (2, 7, 7, 7)
    response = torch.rand(2, 7, 7, 3, generator=seeds.torch_stream("last"))
    assert unit_names("block", (7, 7, 3)) == ["block:0", "block:1", "block:2"]

    class Last(Subject):
        name, image_size, device = "last", 4, torch.device("cpu")

        def identity(self):
            return {}

        def _sites(self):
            return {"block": (7, 7, 3)}

        def _respond(self, images, sites):
            return {"block": response}

    found = unit_activities(Last(), torch.zeros(2, 3, 4, 4), ["block"])["block"]
    torch.testing.assert_close(found, response.mean((1, 2)))
    assert Last().photo.resize == 4


def test_a_size_that_is_no_number_is_told():
    with pytest.raises(InputError, match=r"image_size is \(48, 80\); expected one whole number"):
        NetworkSubject(nn.Conv2d(3, 2, 3).eval(), image_size=(48, 80))
