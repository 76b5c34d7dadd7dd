"""Networks by address: random weights for real, files, and plain words where nothing is there."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file

from invariscope import FunctionSubject, NetworkSubject, load_subject, seeds
from invariscope.errors import InputError, StoreError
from invariscope.subjects import PIXELS
from invariscope.subjects.sources import cifar
from invariscope.subjects.sources import torchvision as torchvision_source


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path_factory):
    """No network, and no cache of this machine's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder))

    def refuse(*_arguments, **_options):
        raise OSError("no network in tests")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


def save(model, path):
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)


ADDRESSES = ["torchvision:squeezenet1_1", "timm:vit_tiny_patch16_224", "cifar:resnet20"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_random_weights_follow_from_their_seed_and_leave_the_global_stream(address):
    state = torch.get_rng_state()
    first, again, other = (
        load_subject(address, weights=weights) for weights in ("random", "random:0", "random:1")
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert first.identity() == again.identity() != other.identity()
    side = first.image_size
    assert len(first.sites()) > 10
    images = torch.rand(2, 3, side, side, generator=seeds.torch_stream("images"))
    readout = list(first.sites())[-1]
    answers = [s.respond(images, [readout])[readout] for s in (first, again, other)]
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])
    assert first.classes == ()


def test_timms_data_configuration_is_taken():
    subject = load_subject("timm:vit_tiny_patch16_224", weights="random")
    assert isinstance(subject, NetworkSubject)
    image = torch.rand(1, 3, 224, 224, generator=seeds.torch_stream("timm"))
    torch.testing.assert_close(subject._prepare(image), (image - 0.5) / 0.5)
    assert (subject.photo.resize, subject.photo.interpolation) == (248, "bicubic")
    assert subject.sites()["blocks.3"] == (197, 192)
    assert subject.sites()["head"] == (1000,)


def test_a_local_file_of_timm_weights(tmp_path):
    whole = load_subject("timm:vit_tiny_patch16_224", weights="random:3")
    assert isinstance(whole, NetworkSubject)
    save(whole.model, tmp_path / "vit.safetensors")
    subject = load_subject("timm:vit_tiny_patch16_224", weights=str(tmp_path / "vit.safetensors"))
    assert subject.identity() == whole.identity()
    assert subject.classes[:2] == ("tench", "goldfish")
    assert subject.name == "timm:vit_tiny_patch16_224 (vit.safetensors)"


def hf_folder(folder, kind):
    """A small network as `save_pretrained` leaves it, with the processor file of its family."""
    import transformers

    small = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    small |= {"intermediate_size": 32, "image_size": 32, "patch_size": 8}
    processor = {"do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.4, 0.2]}
    processor |= {"do_rescale": True, "rescale_factor": 1 / 255, "resample": 2}
    with seeds.torch_global("hf", kind):
        if kind == "vit":
            model = transformers.ViTForImageClassification(
                transformers.ViTConfig(**small, id2label={0: "cat, tabby", 1: "dog"})
            )
            processor |= {"size": {"height": 32, "width": 32}}
        elif kind == "dino":
            model = transformers.ViTModel(transformers.ViTConfig(**small))
            processor |= {"size": 32}
        elif kind == "dinov2":
            model = transformers.Dinov2Model(transformers.Dinov2Config(**small))
            processor |= {"size": {"shortest_edge": 40}, "do_center_crop": True, "resample": 3}
            processor |= {"crop_size": {"height": 32, "width": 32}}
        else:
            text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
            text |= {"intermediate_size": 16, "vocab_size": 30}
            model = transformers.CLIPModel(
                transformers.CLIPConfig(text_config=text, vision_config=small, projection_dim=12)
            )
            processor |= {"size": {"shortest_edge": 32}, "crop_size": 32, "resample": 3}
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return model.eval()


@pytest.mark.parametrize(
    ("kind", "readout", "photo"),
    [
        ("vit", "classifier", (32, "bilinear", False)),
        ("dino", "layernorm", (32, "bilinear", False)),
        ("dinov2", "layernorm", (40, "bicubic", True)),
        ("clip", "visual_projection", (32, "bicubic", True)),
    ],
)
def test_transformers_networks_answer_as_the_library_does(kind, readout, photo, tmp_path):
    theirs = hf_folder(tmp_path, kind)
    subject = load_subject(f"hf:{tmp_path}")
    assert isinstance(subject, NetworkSubject)
    assert subject.image_size == 32
    assert (subject.photo.resize, subject.photo.interpolation, subject.photo.crop) == photo
    images = torch.rand(2, 3, 32, 32, generator=seeds.torch_stream("hf"))
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.5, 0.4, 0.2])
    given = (images - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    with torch.no_grad():
        if kind == "vit":
            expected = theirs(given).logits
        elif kind == "clip":
            expected = theirs.visual_projection(theirs.vision_model(given).pooler_output)
        else:
            expected = theirs(given).last_hidden_state
    response = subject.respond(images, [readout])[readout]
    torch.testing.assert_close(response, expected, atol=1e-5, rtol=1e-4)
    tokens = [site for site, shape in subject.sites().items() if shape == (17, 24)]
    assert len(tokens) > 4
    assert subject.classes == (("cat", "dog") if kind == "vit" else ())
    assert "pooler" not in subject.sites()
    every = subject.respond(images, list(subject.sites()))
    for site in tokens[::3]:
        assert torch.equal(subject.respond(images, [site])[site], every[site])


def test_a_hugging_face_folder_with_random_weights_or_a_file(tmp_path):
    theirs = hf_folder(tmp_path, "vit")
    random = load_subject(f"hf:{tmp_path}", weights="random:2")
    assert random.identity() == load_subject(f"hf:{tmp_path}", weights="random:2").identity()
    save(theirs, tmp_path / "mine.safetensors")
    file = load_subject(f"hf:{tmp_path}", weights=str(tmp_path / "mine.safetensors"))
    assert file.identity() == load_subject(f"hf:{tmp_path}").identity() != random.identity()


def test_a_network_of_the_hub_that_lacks_weights_or_reads_text_is_refused(tmp_path):
    import transformers

    hf_folder(tmp_path / "vit", "vit")
    (tmp_path / "vit/model.safetensors").unlink()
    with pytest.raises(StoreError, match=r"the folder .* lacks files .* hf:FOLDER"):
        load_subject(f"hf:{tmp_path / 'vit'}")
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(InputError, match="no network for images"):
        load_subject(f"hf:{tmp_path / 'bert'}")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("torchvision:resnet18", r"resnet18-\w+\.pth elsewhere and put it at .*checkpoints"),
        ("timm:resnet18.a1_in1k", r"model\.safetensors of .*timm/resnet18\.a1_in1k elsewhere"),
        ("hf:facebook/dino-vits16", r"huggingface\.co/facebook/dino-vits16 .* hf:FOLDER"),
    ],
)
def test_without_a_network_the_sentence_says_where_to_put_a_file(address, says):
    with pytest.raises(StoreError, match=says):
        load_subject(address)


@pytest.mark.parametrize(
    ("address", "weights", "says"),
    [
        ("torchvision:resnt50", "random", "did you mean 'resnet50'"),
        ("torchvison:resnet50", "random", "did you mean 'torchvision:resnet50'"),
        ("torchvision:", "random", "unknown model 'torchvision:'"),
        ("torchvision:resnet18", "IMAGENET1K_V9", "did you mean 'IMAGENET1K_V1'"),
        ("torchvision:resnet18", "random:first", "expected random or random:7"),
        ("timm:resnt18", "random", "did you mean 'resnet18'"),
        ("timm:resnet18", "best", "expected pretrained, random"),
        ("cifar:resnet21", "random", "did you mean 'resnet20'"),
        ("cifar:resnet20", "pretrained", "akamaster.* name the file as weights"),
        ("embedded:standard", "random", "not known to embedded:standard"),
        ("nets.py:make", "pretrained", "allow it with --allow-code"),
    ],
)
def test_a_mistake_names_what_would_be_right(address, weights, says):
    with pytest.raises(InputError, match=says):
        load_subject(address, weights=weights)


FILE = """
import torch
from torch import nn
from neighbour import WIDTH
import invariscope as iv

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, WIDTH, 8, 8), nn.Linear(WIDTH, 2)
    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))

def net():
    torch.manual_seed
    with iv.seeds.torch_global("file"):
        return Net().eval()

def training():
    return Net()

def subject():
    return iv.NetworkSubject(net(), image_size=16, channels="BGR", value_range=255, name="mine")

def answers():
    return iv.FunctionSubject(lambda x: x.mean((1, 2, 3)), name="mean", image_size=8)

def words():
    return "net"
"""


@pytest.fixture
def python_file(tmp_path):
    (tmp_path / "neighbour.py").write_text("WIDTH = 4\n")
    (tmp_path / "nets.py").write_text(FILE)
    return tmp_path / "nets.py"


def test_a_python_file_gives_a_model_or_a_subject(python_file, tmp_path):
    path = list(sys.path)
    model = load_subject(f"{python_file}:net", allow_code=True)
    assert (model.image_size, model.name) == (224, f"{python_file}:net")
    assert list(model.sites()) == [PIXELS, "conv", "fc"]
    mine = load_subject(f"{python_file}:subject", allow_code=True)
    assert (mine.name, mine.image_size) == ("mine", 16)
    answers = load_subject(f"{python_file}:answers", allow_code=True)
    assert isinstance(answers, FunctionSubject)
    assert sys.path == path
    assert isinstance(model, NetworkSubject)
    model.model.get_parameter("fc.bias").data.add_(1)
    save(model.model, tmp_path / "net.safetensors")
    model = load_subject(f"{python_file}:net", allow_code=True)
    file = load_subject(
        f"{python_file}:net", allow_code=True, weights=str(tmp_path / "net.safetensors")
    )
    assert file.identity() != model.identity()


@pytest.mark.parametrize(
    ("factory", "weights", "says"),
    [
        ("nett", "pretrained", "did you mean 'net'"),
        ("training", "pretrained", "training mode"),
        ("words", "pretrained", "gives a str; expected a torch.nn.Module"),
        ("subject", "random", "leave the weights to it"),
        ("net", "random", "not known to nets.py:net"),
    ],
)
def test_what_a_python_file_gives_wrongly(factory, weights, says, python_file):
    with pytest.raises(InputError, match=says):
        load_subject(f"{python_file}:{factory}", allow_code=True, weights=weights)


def test_a_subject_that_a_file_makes_on_another_device_is_refused(python_file):
    with pytest.raises(InputError, match="gives a subject on cpu; ask for that device"):
        load_subject(f"{python_file}:subject", "meta", allow_code=True)


def test_a_change_of_a_files_code_is_another_subject(python_file):
    before = load_subject(f"{python_file}:net", allow_code=True).identity()
    assert before == load_subject(f"{python_file}:net", allow_code=True).identity()
    python_file.write_text(FILE.replace("mean((2, 3))", "amax((2, 3))"))
    import linecache

    linecache.checkcache()
    after = load_subject(f"{python_file}:net", allow_code=True).identity()
    assert {k for k in before if before[k] != after[k]} == {"code"}


def test_a_robust_checkpoint_brings_its_normaliser(tmp_path):
    with seeds.torch_global("robust"):
        model = torchvision_source.torchvision_models().resnet18(weights=None)
    state = {f"module.model.{k}": v for k, v in model.state_dict().items()}
    state |= {f"module.attacker.model.{k}": v for k, v in model.state_dict().items()}
    values = {"new_mean": (0.4, 0.41, 0.42), "new_std": (0.2, 0.21, 0.22)}
    for name, three in values.items():
        state[f"module.normalizer.{name}"] = torch.tensor(three).view(3, 1, 1)
        state[f"module.attacker.normalize.{name}"] = torch.tensor(three).view(3, 1, 1)
    torch.save({"model": state, "epoch": 105}, tmp_path / "imagenet_l2_3_0.pt")
    subject = load_subject("torchvision:resnet18", weights=str(tmp_path / "imagenet_l2_3_0.pt"))
    identity = subject.identity()
    assert identity["mean"] == [0.4, 0.41, 0.42]
    assert identity["std"] == [0.2, 0.21, 0.22]
    assert isinstance(subject, NetworkSubject)
    assert torch.equal(subject.model.get_parameter("fc.bias"), model.fc.bias)


def structure(name):
    """A network's modules in words; without weights it is made at once."""
    with torch.device("meta"):
        return repr(cifar.NETWORKS[name].make())


# Several publications have the same network: the first one of each stands for the others.
DIFFERENT = list({structure(name): name for name in reversed(cifar.NETWORKS)}.values())


@pytest.mark.parametrize("name", DIFFERENT)
def test_every_published_cifar_network_can_be_tapped(name):
    subject = load_subject(f"cifar:{name}", weights="random")
    shape = subject.sites()[list(subject.sites())[-1]]
    assert shape == (10,)
    assert subject.image_size == 32
