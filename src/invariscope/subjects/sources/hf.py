"""`hf:NAME`: vision transformers and image towers through Hugging Face transformers."""

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from invariscope import seeds
from invariscope.errors import InputError, StoreError, unknown
from invariscope.subjects.base import PhotoRule
from invariscope.subjects.sources.loaded import Loaded, Weights, with_file
from invariscope.zoo.vision import library

# The image tower of networks that also read text.
TOWERS = {"clip": "CLIPVisionModelWithProjection", "siglip": "SiglipVisionModel"}
PROCESSOR = "preprocessor_config.json"
INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}


def load(name: str, weights: Weights) -> Loaded:
    """A vision network of the Hugging Face hub, or of a folder with a copy of its files.

    Args:
        name: such as `facebook/dino-vits16`, or a folder with `config.json`,
            `preprocessor_config.json` and, for pretrained weights, `model.safetensors`.
        weights: `pretrained`, `random` or a file.

    Raises:
        InputError: no vision network, or weights that do not fit.
        StoreError: files that are missing or cannot be downloaded.
    """
    transformers: Any = library("transformers")
    if not (weights.pretrained or weights.random or weights.file):
        raise weights.neither("Hugging Face")
    try:
        kind, config = _kind(transformers, name)
        with _quiet(transformers), seeds.torch_global(*weights.stream(f"hf:{name}")):
            model = _model(kind, config, name, weights)
        processor = _processor(transformers, name)
    except OSError as error:
        where = f"the folder {name!r}" if Path(name).exists() else f"https://huggingface.co/{name}"
        raise StoreError(
            f"{where} lacks files or cannot be reached; put config.json, {PROCESSOR} and "
            "model.safetensors of the network into a folder and give hf:FOLDER"
        ) from error
    model.eval().requires_grad_(requires_grad=False)
    known = hasattr(model, "classifier") and not weights.random
    labels = config.id2label if known else {}
    classes = tuple(str(labels[key]).split(",")[0] for key in sorted(labels, key=int))
    loaded = Loaded(model, _preprocessing(name, processor), classes)
    return with_file(loaded, weights) if weights.file else loaded


def _kind(transformers: Any, name: str) -> tuple[Any, Any]:
    """The class of the network, or of its image tower, and its configuration."""
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    except ValueError as error:
        raise InputError(f"transformers knows no network for {name!r} ({error})") from error
    if hasattr(config, "vision_config"):
        if config.model_type not in TOWERS:
            raise unknown("network with an image tower", config.model_type, TOWERS)
        tower = config.vision_config
        if hasattr(config, "projection_dim"):
            tower.projection_dim = config.projection_dim
        return getattr(transformers, TOWERS[config.model_type]), tower
    architecture = (config.architectures or ["none"])[0]
    kind = getattr(transformers, architecture, None)
    if getattr(kind, "main_input_name", "") != "pixel_values":
        raise InputError(f"{name!r} is no network for images (its architecture is {architecture})")
    return kind, config


def _model(kind: Any, config: Any, name: str, weights: Weights) -> Any:
    # A pooler that a backbone's weights lack would be a random layer among trained ones.
    has_pooler = "add_pooling_layer" in inspect.signature(kind.__init__).parameters
    options = {"add_pooling_layer": False} if has_pooler else {}
    if not weights.pretrained:
        return kind(config, **options)
    try:
        model, report = kind.from_pretrained(
            name, config=config, dtype=torch.float32, output_loading_info=True, **options
        )
    except RuntimeError as error:
        raise InputError(f"the weights of {name} have other shapes than its config.json") from error
    if missing := sorted(report["missing_keys"]):
        raise InputError(f"the weights of {name} lack {missing[0]!r} ({len(missing)} such)")
    return model


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without the library's table of weights that were not needed, as a text tower's."""
    log = transformers.utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()


def _processor(transformers: Any, name: str) -> Mapping[str, Any]:
    """How the network wants its images, as its files say."""
    file = transformers.utils.cached_file(name, PROCESSOR)
    return json.loads(Path(file).read_text())


def _side(size: Any) -> int:
    """The number of pixels in `224`, `{"height": 224, …}` or `{"shortest_edge": 224}`."""
    return int(next(iter(size.values())) if isinstance(size, Mapping) else size)


def _preprocessing(name: str, processor: Mapping[str, Any]) -> dict[str, Any]:
    try:
        size, crop = processor["size"], processor.get("do_center_crop", "crop_size" in processor)
        resize = _side(size)
        mean, std = processor["image_mean"], processor["image_std"]
        scale = processor.get("rescale_factor", 1 / 255)
        how = INTERPOLATIONS.get(processor.get("resample", 2), "bicubic")
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise InputError(f"{PROCESSOR} of {name} is not understood: {error!r}") from error
    shortest = isinstance(size, Mapping) and "shortest_edge" in size
    return {
        "image_size": _side(processor["crop_size"]) if crop else resize,
        "mean": mean if processor.get("do_normalize", True) else 0.0,
        "std": std if processor.get("do_normalize", True) else 1.0,
        "value_range": round(255 * scale, 6),
        "photo": PhotoRule(resize, how, crop=crop or shortest),
    }
