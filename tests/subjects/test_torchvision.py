"""torchvision's classification networks as subjects, held to torchvision's own extraction."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from invariscope import NetworkSubject, SearchOptions, find_mei, load_subject, seeds
from invariscope.errors import InputError
from invariscope.subjects import PIXELS
from invariscope.units import Unit, find_site, parse_unit
from invariscope.zoo.vision import torchvision_models

sys.path.insert(0, str(Path(__file__).parent))
from torchvision_twin import compare, small

FAMILIES = {
    "resnet18": 64,
    "squeezenet1_1": 64,
    "mobilenet_v3_small": 64,
    "shufflenet_v2_x0_5": 64,
    "mnasnet0_5": 64,
    "regnet_y_400mf": 64,
    "swin_t": 64,
    "vit_b_32": 64,
}
LARGEST = 1e9


@pytest.fixture(scope="module", params=FAMILIES)
def subject(request):
    return small(request.param, FAMILIES[request.param])


def test_every_tap_equals_torchvisions_own_extraction(subject):
    result = compare(subject)
    assert result["sites"] > 10
    assert (result["without_twin"], result["differ"]) == ([], [])


def test_a_site_alone_equals_itself_among_all_and_in_other_company(subject):
    side = subject.image_size
    images = torch.rand(8, 3, side, side, generator=seeds.torch_stream("company"))
    sites = list(subject.sites())
    chosen = sites[1 :: len(sites) // 4]
    every = subject.respond(images, chosen)
    turned = subject.respond(images.roll(5, 0), chosen)
    for site in chosen:
        assert torch.equal(subject.respond(images, [site])[site], every[site])
        assert torch.equal(turned[site].roll(-5, 0), every[site])


def test_every_pixel_of_the_site_pixels_reaches_the_network(subject):
    """The gradient of the first module's output with respect to the image is nowhere 0."""
    side, seen = subject.image_size, []
    module = subject.model.get_submodule(next(s for s in subject.sites() if s != PIXELS))
    handle = module.register_forward_hook(lambda *arguments: seen.append(arguments[2]))
    images = torch.rand(1, 3, side, side, generator=seeds.torch_stream("gradient"))
    with torch.enable_grad():
        subject._forward(images.requires_grad_())
        seen[0].square().sum().backward()
    handle.remove()
    unseen = (images.grad[0] == 0).all(0)
    # A 3 × 3 stride of 2 without padding cannot reach the last row and column of an even side.
    reached = side - 1 if isinstance(subject.model, torchvision_models().SqueezeNet) else side
    assert not unseen[:reached, :reached].any()
    assert unseen[reached:].all()


@pytest.mark.parametrize("size", [64, 73, 128])
def test_an_image_of_any_size_arrives_whole(subject, size):
    """A change of any pixel changes what the network is given."""
    inputs = []
    handle = subject.model.register_forward_pre_hook(lambda _, args: inputs.append(args[0].clone()))
    places = [(0, 0), (0, size - 1), (size - 1, 0), (size - 1, size - 1), (size // 2, 1)]
    images = torch.full((1 + len(places), 3, size, size), 0.5)
    for image, (row, column) in zip(images[1:], places, strict=True):
        image[:, row, column] = 1.0
    first = list(subject.sites())[1]
    subject.respond(images, [first])
    handle.remove()
    assert bool(((inputs[-1][1:] - inputs[-1][:1]).flatten(1).abs().amax(1) > 1e-3).all())


def test_the_originals_names_are_found(generator, tmp_path):
    with seeds.torch_global("resnet50"):
        model = torchvision_models().resnet50(weights=None)
    subject = NetworkSubject(model.eval().requires_grad_(requires_grad=False), image_size=32)
    known = {
        "00_input_01": PIXELS,
        "01_conv2d_01": "conv1",
        "02_maxpool2d_01": "maxpool",
        "26_conv2d_25": "layer3.0.conv1",
        "52_conv2d_51": "layer4.2.conv1",
        "56_linear_01": "fc",
    }
    sites = subject.sites()
    assert {name: find_site(name, sites) for name in known} == known
    assert parse_unit("56_linear_01:7", sites) == Unit("fc", (7,))
    for wrong in ("26_conv2d_26", "27_conv2d_25", "56_linear_02"):
        with pytest.raises(InputError, match="unknown site"):
            find_site(wrong, sites)
    images = torch.rand(2, 3, 32, 32, generator=seeds.torch_stream("names"))
    answers = subject.respond(images, ["26_conv2d_25", "layer3.0.conv1", "00_input_01"])
    assert list(answers) == ["26_conv2d_25", "layer3.0.conv1", "00_input_01"]
    assert torch.equal(answers["26_conv2d_25"], answers["layer3.0.conv1"])
    assert torch.equal(answers["00_input_01"], images)
    options = SearchOptions(generations=1, population=2, precision="float32")
    find_mei(subject, generator, "26_conv2d_25:3", options=options, out=tmp_path)
    assert next(tmp_path.iterdir()).name.startswith("excitation_layer3.0.conv1-3_")


def test_preprocessing_and_classes_come_from_the_weights(monkeypatch):
    models = torchvision_models()
    entry = models.ResNet18_Weights.IMAGENET1K_V1
    with seeds.torch_global("pretrained"):
        state = models.resnet18(weights=None).state_dict()
    from invariscope.subjects.sources import torchvision

    monkeypatch.setattr(torchvision, "_published", lambda name, asked: state)
    subject = load_subject("torchvision:resnet18", weights="IMAGENET1K_V1")
    assert isinstance(subject, NetworkSubject)
    rule = entry.transforms()
    assert (subject.image_size, subject.photo.resize) == (224, 256)
    assert subject.photo.interpolation == "bilinear"
    assert subject.classes[0] == "tench"
    image = torch.rand(1, 3, 224, 224, generator=seeds.torch_stream("rule"))
    torch.testing.assert_close(
        subject._prepare(image),
        (image - torch.tensor(rule.mean).view(3, 1, 1)) / torch.tensor(rule.std).view(3, 1, 1),
    )
    efficient = load_subject("torchvision:efficientnet_b1", weights="random")
    assert (efficient.image_size, efficient.photo.resize) == (240, 255)
    assert efficient.photo.interpolation == "bilinear"
    assert efficient.classes == ()


@pytest.mark.parametrize("name", ["densenet121", "googlenet", "inception_v3"])
def test_published_files_in_old_layouts_fit(name, monkeypatch, tmp_path):
    """DenseNet's file has other names, the Inceptions' have heads for training."""
    models = torchvision_models()

    options = {"aux_logits": True, "init_weights": False} if name != "densenet121" else {}
    with seeds.torch_global("old", name):
        whole = models.get_model(name, weights=None, **options).eval()
    old = {
        k.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2.")
        if "denselayer" in k
        else k: v
        for k, v in whole.state_dict().items()
    }
    url = models.get_model_weights(name).DEFAULT.url
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(old, tmp_path / "checkpoints" / url.rpartition("/")[2])
    subject = load_subject(f"torchvision:{name}")
    assert isinstance(subject, NetworkSubject)
    theirs = whole.state_dict()
    for key, tensor in subject.model.state_dict().items():
        assert torch.equal(tensor, theirs[key]), key
    assert getattr(subject.model, "transform_input", True)


@pytest.mark.statistical
def test_every_network_below_a_gigabyte_one_process_each(tmp_path):
    models = torchvision_models()
    failed = {}
    for name in models.list_models(module=models):
        if 4 * models.get_model_weights(name).DEFAULT.meta["num_params"] >= LARGEST:
            continue
        script = Path(__file__).parent / "torchvision_twin.py"
        done = subprocess.run(
            [sys.executable, str(script), name], capture_output=True, text=True, check=False
        )
        if done.returncode:
            failed[name] = (done.stdout + done.stderr)[-500:]
    assert not failed
