"""Networks of transformers and timm: photos as their own processors give them, names, files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope import load_subject, seeds
from invariscope.errors import InputError
from invariscope.photos.stream import read_image
from invariscope.units import find_site, parse_unit
from invariscope.zoo.vision import library
from invariscope.zoo.weight_file import read_state

WIDTHS = {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}
TOKENS = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
TOKENS |= {"intermediate_size": 32}
FAMILIES = {
    "ViT": ("ViTForImageClassification", TOKENS),
    "DeiT": ("DeiTForImageClassification", TOKENS),
    "Beit": ("BeitForImageClassification", TOKENS),
    "Dinov2": ("Dinov2Model", TOKENS),
    "DINOv3ViT": ("DINOv3ViTModel", TOKENS),
    "ConvNext": ("ConvNextForImageClassification", WIDTHS),
    "ResNet": ("ResNetForImageClassification", {**WIDTHS, "embedding_size": 8}),
    "RegNet": ("RegNetForImageClassification", {**WIDTHS, "embedding_size": 8, "groups_width": 4}),
    "PoolFormer": ("PoolFormerForImageClassification", WIDTHS),
    "MobileViT": ("MobileViTForImageClassification", {}),
    "Levit": ("LevitForImageClassification", {}),
    "Pvt": ("PvtForImageClassification", {}),
}


@pytest.fixture
def photo(tmp_path):
    grain = np.random.default_rng(0).integers(0, 255, (30, 41, 3)).astype(np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(grain).resize((410, 300), Image.Resampling.BICUBIC).save(path)
    return path


def hf_folder(folder, family, **settings):
    transformers = library("transformers")
    architecture, options = FAMILIES[family]
    config = getattr(transformers, f"{family}Config")(**options)
    with seeds.torch_global("family", family):
        model = getattr(transformers, architecture)(config).eval()
    model.save_pretrained(folder)
    name = "BitImageProcessor" if family == "Dinov2" else None
    kinds = transformers.models.auto.image_processing_auto.IMAGE_PROCESSOR_MAPPING
    kind = getattr(transformers, name) if name else kinds[type(config)]["torchvision"]
    kind(**settings).save_pretrained(folder)
    return model


def apart(subject, photo, expected):
    """How far the subject's input is from the library's, in grey levels."""
    side = subject.image_size
    image = read_image(photo, side, subject.photo)[None]
    difference = (subject._prepare(image) - torch.as_tensor(expected)).abs()
    return (
        float((difference * subject.preprocessing.std / subject.preprocessing.value_range).max())
        * 255
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_photo_arrives_as_the_processor_of_transformers_gives_it(family, photo, tmp_path):
    hf_folder(tmp_path / "net", family)
    subject = load_subject(f"hf:{tmp_path / 'net'}")
    processor = library("transformers").AutoImageProcessor.from_pretrained(tmp_path / "net")
    given = processor(images=Image.open(photo), return_tensors="np")["pixel_values"]
    assert apart(subject, photo, given) <= 1


@pytest.mark.parametrize(
    "settings",
    [
        {"do_normalize": False},
        {"do_rescale": False},
        {"do_rescale": False, "do_normalize": False},
        {"rescale_factor": 1 / 127.5},
        {"resample": 0},
        {"size": {"height": 64, "width": 64}},
        {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.3, 0.2, 0.1]},
    ],
)
def test_every_setting_of_a_processor_counts(settings, photo, tmp_path):
    hf_folder(tmp_path / "net", "ViT", **settings)
    subject = load_subject(f"hf:{tmp_path / 'net'}")
    processor = library("transformers").AutoImageProcessor.from_pretrained(tmp_path / "net")
    given = processor(images=Image.open(photo), return_tensors="np")["pixel_values"]
    assert apart(subject, photo, given) <= 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"crop_percent": 0.9}, "sets 'crop_percent'"),
        ({"size": {"shortest_edge": 64}}, "one square size"),
        ({"size": {"height": 64, "width": 32}}, "one square size"),
    ],
)
def test_a_processor_that_is_not_understood_is_refused(change, says, tmp_path):
    hf_folder(tmp_path, "ViT")
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=says):
        load_subject(f"hf:{tmp_path}")


NAMES = ["resnet18", "regnety_002", "mobilenetv3_small_050", "vit_tiny_patch16_224"]
NAMES += ["efficientnet_b1", "deit_tiny_patch16_224"]


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_arrives_as_the_transform_of_timm_gives_it(name, photo):
    timm = library("timm")
    subject = load_subject(f"timm:{name}", weights="random")
    config = timm.data.resolve_model_data_config(subject.model)
    given = timm.data.create_transform(**config, is_training=False)(Image.open(photo))[None]
    assert apart(subject, photo, given) <= 1


def test_registers_are_no_class_token():
    subject = load_subject("timm:vit_wee_patch16_reg1_gap_256", weights="random")
    with pytest.raises(InputError, match="no class token"):
        parse_unit("blocks.3:cls,5", subject.sites())


@pytest.mark.parametrize("family", ["ViT", "Dinov2", "DINOv3ViT"])
def test_a_saved_file_of_weights_is_loaded_as_from_pretrained_does(family, tmp_path):
    theirs = hf_folder(tmp_path, family)
    subject = load_subject(f"hf:{tmp_path}", weights=str(tmp_path / "model.safetensors"))
    ours = subject.model.state_dict()
    assert all(torch.equal(ours[k], v) for k, v in theirs.state_dict().items() if k in ours)


def test_the_older_name_of_a_site_is_found_with_a_note(tmp_path):
    hf_folder(tmp_path, "ViT")
    sites = load_subject(f"hf:{tmp_path}").sites()
    if "vit.encoder.layer.1" in sites:
        pytest.skip("this transformers still uses the older names")
    with pytest.warns(UserWarning, match=r"today it is 'vit\.layers\.1'"):
        assert find_site("vit.encoder.layer.1", sites) == "vit.layers.1"


@pytest.mark.parametrize(
    ("plain", "averaged"),
    [("state_dict", "state_dict_ema"), ("model", "model_ema"), ("params", "params_ema")],
)
def test_of_two_state_dicts_that_differ_one_must_be_named(plain, averaged, tmp_path):
    path = tmp_path / "net.pth"
    torch.save({plain: {"w": torch.zeros(2)}, averaged: {"w": torch.ones(2)}}, path)
    with pytest.raises(InputError, match=rf"several networks' weights .*net\.pth#{plain}"):
        read_state(path)
    assert read_state(path, averaged)["w"].sum() == 2
    with pytest.raises(InputError, match="unknown part"):
        read_state(path, "best")


@pytest.mark.parametrize("source", ["timm:resnet18", "torchvision:resnet18", "hf:{folder}"])
def test_each_source_loads_in_a_process_of_its_own(source, tmp_path, forked):
    hf_folder(tmp_path, "ViT")
    address = source.format(folder=tmp_path)
    process = forked.Process(target=load_subject, args=(address,), kwargs={"weights": "random"})
    process.start()
    process.join()
    assert process.exitcode == 0


BAD = """
import torch
from torch import nn
class Grey(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
    def forward(self, x):
        return self.conv(x)
class Two(Grey):
    def forward(self, x, y):
        return x
class Words(Grey):
    def forward(self, x):
        return self.conv(x["image"])
def grey(): return Grey().eval()
def two(): return Two().eval()
def words(): return Words().eval()
def script(): return torch.jit.script(Grey()).eval()
def meta(): return Grey().to("meta").eval()
def fails(): raise KeyError("x")
def leaves(): raise SystemExit(3)
"""


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("grey", "images of one channel"),
        ("two", "other arguments than one batch"),
        ("words", "something else than one tensor"),
        ("script", r"torch\.jit script"),
        ("meta", "meta device"),
        ("fails", "fails: KeyError"),
        ("leaves", "fails: SystemExit"),
    ],
)
def test_what_a_users_file_does_wrongly_is_said_in_a_sentence(factory, says, tmp_path):
    (tmp_path / "nets.py").write_text(BAD)
    with pytest.raises(InputError, match=says):
        load_subject(f"{tmp_path / 'nets.py'}:{factory}", allow_code=True).sites()


def test_a_users_file_with_a_syntax_error_is_refused(tmp_path):
    (tmp_path / "nets.py").write_text("def make(:\n")
    with pytest.raises(InputError, match=r"nets\.py cannot be run: SyntaxError"):
        load_subject(f"{tmp_path / 'nets.py'}:make", allow_code=True)
