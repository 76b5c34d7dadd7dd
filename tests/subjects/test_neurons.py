"""Subjects that are neurons: grey networks, groups of single-neuron networks, factories with
arguments; held to the raw torch networks."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import invariscope as iv
from invariscope import user_code
from invariscope.cli.app import run
from invariscope.errors import InputError
from invariscope.subjects.trust import check_repeatable

SHARED = os.environ.get("INVARISCOPE_SHARED")
NETWORKS = Path(__file__).parents[2] / "benchmarks" / "v4_networks.py"
MEAN = torch.tensor([116.222, 109.270, 100.381]).view(1, 3, 1, 1)


def state_of(channels, side, seed):
    """Random weights under the published names (a small stand-in of the same layout)."""
    stream = torch.Generator().manual_seed(seed)
    first, *rest = channels

    def draw(*shape):
        return torch.randn(shape, generator=stream) / 5

    def norm(name, wide):
        return {
            f"layers.{name}_bn.weight": 1 + draw(wide),
            f"layers.{name}_bn.bias": 1 + draw(wide),  # so that units are alive
            f"layers.{name}_bn.running_mean": draw(wide),
            f"layers.{name}_bn.running_var": draw(wide).exp(),
            f"layers.{name}_bn.num_batches_tracked": torch.tensor(3),
        }

    state = {"layers.layer0_conv.weight": draw(first, 3, 5, 5) / 50}
    state |= {"layers.layer0_conv.bias": draw(first), **norm("layer0", first)}
    for i, (a, b) in enumerate(zip((first, *rest[:-1]), rest, strict=True), 1):
        state |= {
            f"layers.layer{i}_conv_depth.weight": draw(a, 1, 5, 5),
            f"layers.layer{i}_conv_point.weight": draw(b, a, 1, 1),
            f"layers.layer{i}_conv_point.bias": draw(b),
            **norm(f"layer{i}", b),
        }
    size = (side // 4) ** 2 * channels[-1]
    return state | {"layers.Beta.weight": draw(1, size), "layers.Beta.bias": draw(1)}


def raw_answer(state, images):
    """The published network in plain functional torch, from the document of its layout."""
    F = nn.functional

    def normalised(x, name):
        keys = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (
            state[f"layers.{name}_bn.{key}"].view(1, -1, 1, 1) for key in keys
        )
        return ((x - mean) / (var + 1e-5).sqrt() * weight + bias).clamp(min=0)

    x = images * 255 - MEAN
    x = F.conv2d(x, state["layers.layer0_conv.weight"], state["layers.layer0_conv.bias"], padding=2)
    x = normalised(x, "layer0")
    for i in (1, 2, 3, 4):
        depth = state[f"layers.layer{i}_conv_depth.weight"]
        x = F.pad(x, (1, 2, 1, 2)) if i < 3 else F.pad(x, (2, 2, 2, 2))
        x = F.conv2d(x, depth, stride=2 if i < 3 else 1, groups=len(depth))
        point = [state[f"layers.layer{i}_conv_point.{key}"] for key in ("weight", "bias")]
        x = normalised(F.conv2d(x, *point), f"layer{i}")
    x = x.permute(0, 2, 3, 1).flatten(1)
    return F.linear(x, state["layers.Beta.weight"], state["layers.Beta.bias"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "twins").mkdir()
    for k, channels in ((0, (6, 5, 3, 4, 3)), (7, (4, 8, 3, 2, 2))):
        save_file(state_of(channels, 16, k), tmp_path / "twins" / f"s_neuron{k}.safetensors")
    monkeypatch.setenv("INVARISCOPE_V4", str(tmp_path))
    return tmp_path


def close(found, wanted):
    """Equal to 1e-6 of the answers' size."""
    return bool((found - wanted).abs().max() <= 1e-6 * wanted.abs().max().clamp(min=1))


def test_single_neuron_networks_of_one_file_answer_as_the_raw_ones(folder):
    images = torch.rand(5, 3, 16, 16)
    for k, channels in ((0, (6, 5, 3, 4, 3)), (7, (4, 8, 3, 2, 2))):
        subject = iv.load_subject(f"{NETWORKS}:network({k})", allow_code=True)
        check_repeatable(subject, ["readout", "layers.1"])
        answer = subject.respond(images, ["readout"])["readout"]
        assert close(answer, raw_answer(state_of(channels, 16, k), images))
        assert float(answer.std()) > 1e-3


def test_networks_of_two_sessions_are_told_apart(folder):
    save_file(state_of((6, 5, 3, 4, 3), 16, 9), folder / "twins" / "t_neuron0.safetensors")
    with pytest.raises(InputError, match="networks of s, t; say which session"):
        iv.load_subject(f"{NETWORKS}:network(0)", allow_code=True)
    images = torch.rand(5, 3, 16, 16)
    for session, seed in (("s", 0), ("t", 9)):
        subject = iv.load_subject(f"{NETWORKS}:network(0, {session!r})", allow_code=True)
        wanted = raw_answer(state_of((6, 5, 3, 4, 3), 16, seed), images)
        assert close(subject.respond(images, ["readout"])["readout"], wanted)
        group = iv.load_subject(f"{NETWORKS}:group({session!r})", allow_code=True)
        assert group.classes == {"s": ("n0", "n7"), "t": ("n0",)}[session]
    with pytest.raises(InputError, match="no networks of session u"):
        iv.load_subject(f"{NETWORKS}:network(0, 'u')", allow_code=True)


def test_a_group_answers_for_all_neurons_in_one_pass(folder):
    group = iv.load_subject(f"{NETWORKS}:group()", allow_code=True)
    assert group.classes == ("n0", "n7")
    images = torch.rand(5, 3, 16, 16)
    check_repeatable(group, ["neurons", "networks.n7.network.layers.2"])
    answers = group.respond(images, ["neurons", "networks.n7.network.layers.2"])
    alone = [iv.load_subject(f"{NETWORKS}:network({k})", allow_code=True) for k in (0, 7)]
    wanted = torch.cat([s.respond(images, ["readout"])["readout"] for s in alone], 1)
    assert close(answers["neurons"], wanted)
    inside = alone[1].respond(images, ["layers.2"])["layers.2"]
    assert close(answers["networks.n7.network.layers.2"], inside)


def test_a_groups_coefficients_are_those_of_its_members(folder, tmp_path, monkeypatch, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    stream = np.random.default_rng(0)
    for i in range(12):
        picture = stream.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(picture).save(photos / f"p{i:02d}.png")
    monkeypatch.chdir(tmp_path)
    words = [str(photos), "--allow-code", "--out", "found", "--sites", "neurons", "-q"]
    assert run(["coefficient", f"{NETWORKS}:group()", *words]) == 0
    capsys.readouterr()
    found = iv.load_invariance("found").units
    assert set(found["unit"]) == {"neurons:0", "neurons:1"}
    for column, k in enumerate((0, 7)):
        alone = iv.load_subject(f"{NETWORKS}:network({k})", allow_code=True)
        own = iv.invariance_coefficient(alone, photos, sites="readout", progress=False).units
        unit = found[found["unit"] == f"neurons:{column}"]
        assert list(unit["transformation"]) == list(own["transformation"])
        assert list(unit["active"]) == list(own["active"])
        assert own["invariance"].notna().any()
        assert np.allclose(unit["invariance"], own["invariance"], atol=1e-5, equal_nan=True)


@pytest.mark.skipif(SHARED is None, reason="INVARISCOPE_SHARED names no folder with data")
def test_the_published_networks_answer_as_raw_torch_does(tmp_path, monkeypatch):
    from safetensors.torch import load_file

    with zipfile.ZipFile(Path(str(SHARED)) / "data" / "v4.zip") as archive:
        names = [n for n in archive.namelist() if n.endswith(".safetensors")]
        archive.extractall(tmp_path, names)
    root = next(p.parent for p in tmp_path.rglob("twins"))
    monkeypatch.setenv("INVARISCOPE_V4", str(root))
    group = iv.load_subject(f"{NETWORKS}:group()", allow_code=True)
    images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    answers = group.respond(images, ["neurons"])["neurons"]
    assert answers.shape == (2, len(names)) == (2, 33)
    files = {f"n{p.stem.rpartition('neuron')[2]}": p for p in root.rglob("*.safetensors")}
    for column, name in enumerate(group.classes):
        state = {key: value.float() for key, value in load_file(files[name]).items()}
        wanted = raw_answer(state, images)[:, 0]
        assert close(answers[:, column], wanted)


def test_a_group_of_members_that_differ_in_channels_range_and_mean():
    torch.manual_seed(0)
    grey = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 1)).eval()
    colour = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 1)).eval()
    a = iv.NetworkSubject(grey, image_size=8, channels="L", mean=111.0, std=7.0, value_range=255)
    b = iv.NetworkSubject(colour, image_size=8, channels="BGR", mean=0.0, std=1.0)
    images = torch.rand(4, 3, 8, 8)
    luma = (images * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    with torch.no_grad():
        wanted = torch.cat([grey((luma * 255 - 111) / 7), colour(images.flip(1))], 1)
    found = iv.group_networks({"a": a, "b": b}).respond(images, ["neurons"])["neurons"]
    assert close(found, wanted)
    turned = iv.group_networks({"b": b, "a": a})
    assert turned.identity() != iv.group_networks({"a": a, "b": b}).identity()


def grey_subject(**words):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 1)).eval()
    return iv.NetworkSubject(
        model, **({"image_size": 8, "channels": "L", "mean": 0.0, "std": 1.0} | words)
    )


def test_grey_networks_say_so_in_their_identity():
    assert grey_subject().identity()["channels"] == "L"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"mean": (1.0, 2.0, 3.0)}, "expected one number"),
        ({"std": 0.0}, "above 0"),
        ({"mean": float("nan")}, "expected one number"),
        ({"channels": "grey"}, "channel order"),
    ],
)
def test_preprocessing_of_grey_networks_that_is_not_understood(words, says):
    with pytest.raises(InputError, match=says):
        grey_subject(**words)


def test_channels_that_do_not_fit_are_told():
    conv = nn.Conv2d(1, 1, 3).eval()
    with pytest.raises(InputError, match="mean of a network of one channel is not given"):
        iv.NetworkSubject(conv, image_size=8, channels="L")
    with pytest.raises(InputError, match="channels='L'"):
        iv.NetworkSubject(nn.Sequential(conv).eval(), image_size=8).sites()
    colour = nn.Sequential(nn.Conv2d(3, 1, 3)).eval()
    with pytest.raises(InputError, match="'RGB' or 'BGR'"):
        iv.NetworkSubject(colour, image_size=8, channels="L", mean=0.0, std=1.0).sites()


@pytest.mark.parametrize(
    ("members", "says"),
    [
        (dict, "at least one"),
        (lambda: {"a.b": grey_subject()}, "cannot be called"),
        (lambda: {"keys": grey_subject()}, "torch keeps"),
        (lambda: {"a": nn.Identity()}, "expected a NetworkSubject"),
        (
            lambda: {
                "a": iv.NetworkSubject(nn.Sequential(nn.Conv2d(3, 1, 3)).eval(), image_size=8)
            },
            "expected one number an image",
        ),
        (
            lambda: {
                "a": grey_subject(),
                "b": iv.NetworkSubject(
                    nn.Sequential(nn.Flatten(), nn.Linear(48, 1)).eval(), image_size=4
                ),
            },
            "share both",
        ),
    ],
)
def test_groups_that_cannot_be(members, says):
    with pytest.raises(InputError, match=says):
        iv.group_networks(members())


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("a.py:f", ("a.py", "f")),
        ("a.py:f(5)", ("a.py", "f(5)")),
        ("/x/b.py:g('c.py:h', k={1: 2})", ("/x/b.py", "g('c.py:h', k={1: 2})")),
        ("torchvision:resnet50", None),
        ("deepsim:fc7", None),
        ("a.py", None),
    ],
)
def test_addresses_of_python_files(address, found):
    known = user_code.python_file(address)
    assert (known and (str(known[0]), known[1])) == found


def test_literal_arguments_are_data():
    assert user_code.literal_arguments("f") == ("f", (), {})
    assert user_code.literal_arguments("f()") == ("f", (), {})
    assert user_code.literal_arguments("f(-1, [2, 'x'], a=None)") == (
        "f",
        (-1, [2, "x"]),
        {"a": None},
    )


@pytest.mark.parametrize(
    "text", ["f(open('x'))", "f(x)", "f(1+a)", "f(*[1])", "f(**{'a': 1})", "f(", "(1)", "f(1)(2)"]
)
def test_arguments_that_are_no_literals_are_refused(text):
    with pytest.raises(InputError, match="expected plain values"):
        user_code.literal_arguments(text)


def test_a_factory_gets_its_arguments_and_the_device_where_it_asks(tmp_path):
    file = tmp_path / "made.py"
    file.write_text("def f(n, device, k=0):\n    return n, k, device\ndef g(n):\n    return n\n")
    assert user_code.make(file, "f(5, k=2)", "cpu") == (5, 2, torch.device("cpu"))
    assert user_code.make(file, "g([1])", "cpu") == [1]
    with pytest.raises(InputError, match="does not fit: the function takes n"):
        user_code.make(file, "g(1, 2)", "cpu")
    with pytest.raises(InputError, match="expected plain values"):
        user_code.make(file, "g(__import__('os'))", "cpu")


def test_a_command_proposes_an_aperture_for_a_neuron_of_a_file(folder, capsys):
    from PIL import Image

    from invariscope.cli.app import run

    photos = folder / "photos"
    photos.mkdir()
    for i in range(3):
        pixels = (torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(i)) * 255).byte()
        Image.fromarray(pixels.numpy()).save(photos / f"{i}.png")
    words = [f"{NETWORKS}:network(7)", "readout:0", "--photos", str(photos), "--allow-code"]
    assert run(["field", *words]) == 0
    told = capsys.readouterr().out
    window, size = told.partition("--aperture ")[2].split(" --size ")
    # The place counts in the network's pixels, whatever the generator's are.
    small = iv.load_generator("pixels@8")
    shown = iv.constrain_generator(small, aperture=window, size=int(size))
    assert shown.image_size == 16
    x, y = (int(float(number)) for number in window.split(",")[:2])
    assert float(shown.seen[y, x]) == 1
    out = folder / "out"
    words = [f"{NETWORKS}:network(7)", "readout:0", "--allow-code", "--out", str(out)]
    words += ["--generator", "pixels@16", "--population", "8", "--generations", "2"]
    words += ["--luminance", "0.5", "--contrast", "0.3", "--aperture", window, "--no-stop"]
    words += ["--size", size.strip()]
    assert run(["sns", *words]) == 0
    page = (out / "report.html").read_text()
    assert "Every image of pixels@16 keeps to: luminance=0.5" in page
    assert "mean luminance is 0.5 to 0.5" in page or "mean luminance is 0.49" in page
    assert "generator.constraints.contrast" in page
    result = iv.load_result(out)
    levels = result.runs[0].settings.generator["constraints"]
    assert levels["luminance"] == 0.5
    assert run(["mei", *words[:-9], "--luminance", "2"]) == 2
    assert "between 0 and 1" in capsys.readouterr().err
