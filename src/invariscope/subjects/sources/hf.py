"""`hf:NAME`: vision transformers and image towers through Hugging Face transformers."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from invariscope import seeds
from invariscope.errors import InputError, StoreError, unknown
from invariscope.photos.transform import PhotoRule
from invariscope.subjects.sources.loaded import LoadedNetwork, WeightChoice, with_file
from invariscope.subjects.sources.preprocessing import library_preprocessing
from invariscope.zoo.vision import library

# The image tower of networks that also read text.
TOWERS = {"clip": "CLIPVisionModelWithProjection", "siglip": "SiglipVisionModel"}
PROCESSOR = "preprocessor_config.json"
# What a file says besides settings.
ABOUT = {
    *("image_processor_type", "feature_extractor_type", "processor_class", "auto_map"),
    *("_valid_processor_keys", "transformers_version", "backend"),
}
INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}


def load(name: str, weights: WeightChoice) -> LoadedNetwork:
    """Load a vision network of the Hugging Face hub, or of a folder with a copy of its files.

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
    labels = (config.id2label or {}) if known else {}
    classes = tuple(str(labels[key]).split(",")[0] for key in sorted(labels, key=int))
    loaded = LoadedNetwork(model, _preprocessing(name, processor), classes, _older_names(model))
    if not weights.file:
        return loaded
    with _quiet(transformers):
        return _from_file(model, kind, loaded, weights)


def _kind(transformers: Any, name: str) -> tuple[Any, Any]:
    """Find the class of the network, or of its image tower, and its configuration."""
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


def _model(kind: Any, config: Any, name: str, weights: WeightChoice) -> Any:
    options = _options(kind)
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


def _processor(transformers: Any, name: str) -> Any:
    """Load the library's own processor of images.

    Raises:
        InputError: it is not understood, or the file has a setting that it does not know.
    """
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    except (ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        raise InputError(f"{PROCESSOR} of {name} is not understood: {error!r}") from error
    kind = type(processor)
    written, _ = kind.get_image_processor_dict(name)
    options = getattr(kind, "valid_kwargs", None)
    known = {*getattr(options, "__optional_keys__", ()), *getattr(options, "__required_keys__", ())}
    if strange := sorted(k for k in written if not (k in known | ABOUT or hasattr(kind, k))):
        raise InputError(
            f"{PROCESSOR} of {name} sets {strange[0]!r} ({len(strange)} such), which "
            f"{kind.__name__} does not know; remove it or correct its name"
        )
    return processor


def _preprocessing(name: str, processor: Any) -> dict[str, Any]:
    size = getattr(processor, "size", None) or {}
    resize = next((int(v) for v in dict(size).values() if v), 1)
    how = INTERPOLATIONS.get(int(getattr(processor, "resample", None) or 2), "bicubic")
    crop = bool(getattr(processor, "do_center_crop", False)) or "shortest_edge" in size
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)

    def process(photo: Image.Image) -> NDArray[np.float32]:
        return processor(images=photo, return_tensors="np")["pixel_values"][0]

    settings = type(processor).__name__ + processor.to_json_string()
    rule = PhotoRule(resize, how, crop=crop)
    return library_preprocessing(name, process, settings, rule, (mean, std) if mean and std else ())


def _from_file(
    model: Any, kind: Any, loaded: LoadedNetwork, weights: WeightChoice
) -> LoadedNetwork:
    """Load the network with a file's weights, as `from_pretrained` reads or in other layouts."""
    state = weights.read()
    try:
        made, report = kind.from_pretrained(
            None,
            config=model.config,
            state_dict=dict(state),
            dtype=torch.float32,
            output_loading_info=True,
            **_options(kind),
        )
    except (RuntimeError, ValueError):
        return with_file(loaded, weights)  # whose sentence says what does not fit
    if report["missing_keys"] or report.get("mismatched_keys"):
        return with_file(loaded, weights)
    made.eval().requires_grad_(requires_grad=False)
    return replace(loaded, model=made)


def _options(kind: Any) -> dict[str, Any]:
    # A pooler that a backbone's weights lack would be a random layer among trained ones.
    has_pooler = "add_pooling_layer" in inspect.signature(kind.__init__).parameters
    return {"add_pooling_layer": False} if has_pooler else {}


def _older_names(model: Any) -> dict[str, str]:
    """Map the names of older versions, as files of weights still have such names, to modules."""
    now = model.state_dict()
    try:
        saving = import_module("transformers.core_model_loading")
        written = saving.revert_weight_conversion(model, dict(now))
    except (ImportError, AttributeError, RuntimeError, ValueError, TypeError, KeyError):
        return {}
    places = {(t.data_ptr(), t.shape): name for name, t in now.items() if t.numel()}
    modules, found = dict(model.named_modules()), {}
    for key, tensor in written.items():
        old, new = key, places.get((tensor.data_ptr(), tensor.shape), key)
        while old != new and old.rpartition(".")[2] == new.rpartition(".")[2]:
            old, new = old.rpartition(".")[0], new.rpartition(".")[0]
            if old and new in modules and old not in modules and old != new:
                found.setdefault(old, new)
    return found
