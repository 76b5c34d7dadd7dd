"""Settings that published networks come with: as the library itself does it, or one sentence."""

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope import NetworkSubject, load_subject, seeds
from invariscope.errors import InputError
from invariscope.photos.stream import read_image
from invariscope.subjects.sources.timm import _preprocessing
from invariscope.units import parse_target
from invariscope.zoo.vision import library

KIND = "preprocessing of published networks"
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL |= {"intermediate_size": 32, "image_size": 32, "patch_size": 8}
TEXT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXT |= {"intermediate_size": 32, "vocab_size": 99}


@pytest.fixture(scope="module", params=[(410, 300), (120, 260)], ids=["wide", "high"])
def photo(request, tmp_path_factory):
    grain = np.random.default_rng(0).integers(0, 255, (30, 41, 3)).astype(np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(grain).resize(request.param, Image.Resampling.BICUBIC).save(path)
    return path


def apart(subject, photo, expected):
    """How far the subject's input is from the library's, in grey levels."""
    image = read_image(photo, subject.image_size, subject.photo)[None]
    difference = (subject._prepare(image) - torch.as_tensor(expected)).abs()
    scale = subject.preprocessing.std / subject.preprocessing.value_range
    return float((difference * scale).max()) * 255


@pytest.fixture(scope="module")
def model():
    with seeds.torch_global("timm"):
        return library("timm").create_model("resnet10t").eval()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "nearest"])
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("share", [0.8, 1.0])
@pytest.mark.reliability(KIND, "right")
def test_every_crop_mode_of_timm_is_its_own(model, photo, mode, share, interpolation):
    timm = library("timm")
    model.pretrained_cfg = {
        **model.pretrained_cfg,
        "input_size": (3, 64, 64),
        "crop_mode": mode,
        "crop_pct": share,
        "interpolation": interpolation,
        "mean": (0.5, 0.4, 0.3) if share < 1 else (0.5,),
        "std": (0.2, 0.3, 0.4) if share < 1 else (0.2,),
        "fixed_input_size": True,
        "test_input_size": (3, 96, 96),
        "test_crop_pct": 0.9,
    }
    subject = NetworkSubject(model, **_preprocessing("net", model))
    config = timm.data.resolve_model_data_config(model)
    given = timm.data.create_transform(**config, is_training=False)(Image.open(photo))[None]
    assert given.shape[-2:] == (64, 64)
    assert apart(subject, photo, given) <= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input_size": (1, 64, 64)}, "1 × 64 × 64"),
        ({"input_size": (3, 64, 32)}, "3 × 64 × 32"),
        ({"interpolation": "random"}, "not understood|from time to time"),
        ({"interpolation": "nonsense"}, "not understood"),
        ({"crop_mode": "nonsense"}, "unknown crop mode"),
    ],
)
@pytest.mark.reliability(KIND, "refused")
def test_what_timm_s_configuration_cannot_mean_here_is_refused(model, change, words):
    model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (3, 64, 64), **change}
    before = dict(model.pretrained_cfg)
    try:
        with pytest.raises(InputError, match=words) as refused:
            _preprocessing("net", model)
    finally:
        model.pretrained_cfg = {**before, "crop_mode": "center", "interpolation": "bilinear"}
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize("offset", [True, False])
@pytest.mark.reliability(KIND, "right")
def test_efficientnet_s_processor_is_its_own(photo, tmp_path, include_top, offset):
    """`include_top` standardises a second time, `rescale_offset` brings photos to -1 … 1."""
    transformers = library("transformers")
    config = transformers.EfficientNetConfig(
        width_coefficient=0.1, depth_coefficient=0.1, image_size=64, hidden_dim=64
    )
    with seeds.torch_global("efficientnet"):
        transformers.EfficientNetForImageClassification(config).save_pretrained(tmp_path)
    size = {"height": 64, "width": 64}
    factor = 1 / 127.5 if offset else 1 / 255
    processor = transformers.EfficientNetImageProcessor(
        size=size, include_top=include_top, rescale_offset=offset, rescale_factor=factor
    )
    processor.save_pretrained(tmp_path)
    subject = load_subject(f"hf:{tmp_path}")
    own = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    given = own(images=Image.open(photo), return_tensors="np")["pixel_values"]
    assert apart(subject, photo, given) <= 1


@pytest.mark.parametrize("family", ["CLIP", "Siglip"])
@pytest.mark.reliability(KIND, "right")
def test_an_image_tower_answers_as_the_saved_network(family, photo, tmp_path):
    """Saved whole, text tower included; its image tower loaded from the folder."""
    transformers = library("transformers")
    config = getattr(transformers, f"{family}Config")(vision_config=SMALL, text_config=TEXT)
    with seeds.torch_global("tower", family):
        whole = getattr(transformers, f"{family}Model")(config).eval()
    whole.save_pretrained(tmp_path)
    square = {"height": 32, "width": 32}
    size = {"shortest_edge": 32} if family == "CLIP" else square
    crop = {"crop_size": square} if family == "CLIP" else {}
    getattr(transformers, f"{family}ImageProcessor")(size=size, **crop).save_pretrained(tmp_path)
    subject = load_subject(f"hf:{tmp_path}")
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    given = processor(images=Image.open(photo), return_tensors="pt")["pixel_values"]
    assert apart(subject, photo, given) <= 1
    site = next(name for name in subject.sites() if "post_layernorm" in name)
    image = read_image(photo, 32, subject.photo)[None]
    with torch.no_grad():
        truth = whole.vision_model(subject._prepare(image)).last_hidden_state
        if family == "CLIP":  # its last normalisation sees the class token alone
            truth = whole.vision_model(subject._prepare(image)).pooler_output
    answer = subject.respond(image, [site])[site]
    assert torch.allclose(answer.reshape(truth.shape), truth, atol=1e-5)
    first = f"{site}:0" if answer.ndim == 2 else f"{site}:0,0"
    assert parse_target(first, subject.sites()).units
