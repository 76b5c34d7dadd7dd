"""`timm:NAME`: the image networks of timm, with its data configuration."""

from importlib import import_module
from typing import Any

from invariscope import seeds
from invariscope.errors import InputError, StoreError, nearest, unknown
from invariscope.photos.transform import PhotoRule
from invariscope.subjects.sources.loaded import LoadedNetwork, WeightChoice, with_file
from invariscope.subjects.sources.preprocessing import library_preprocessing
from invariscope.zoo.vision import library

CROPS = ("center", "squash", "border")


def load(name: str, weights: WeightChoice) -> LoadedNetwork:
    """Load a network of timm.

    Args:
        name: such as `vit_tiny_patch16_224`, with a tag behind a dot for certain weights.
        weights: `pretrained`, `random` or a file.

    Raises:
        InputError: a name or weights that timm does not have, or that do not fit.
        StoreError: weights that cannot be read or downloaded.
    """
    timm: Any = library("timm")
    if not (weights.pretrained or weights.random or weights.file):
        raise weights.neither("timm")
    try:
        with seeds.torch_global(*weights.stream(f"timm:{name}")):
            model = timm.create_model(name, pretrained=weights.pretrained)
    except OSError as error:
        hub = timm.get_pretrained_cfg(name).hf_hub_id
        raise StoreError(
            f"the weights of {name} cannot be downloaded; get model.safetensors of "
            f"https://huggingface.co/{hub} elsewhere and name that file as weights, or random"
        ) from error
    except RuntimeError as error:
        names = [*timm.list_models(), *timm.list_pretrained()]
        raise InputError(f"timm has no such network ({error}){nearest(name, names)}") from error
    model.eval().requires_grad_(requires_grad=False)
    loaded = LoadedNetwork(model, _preprocessing(name, model), _classes(model, weights))
    return with_file(loaded, weights) if weights.file else loaded


def _preprocessing(name: str, model: Any) -> dict[str, Any]:
    config = import_module("timm.data").resolve_model_data_config(model)
    channels, height, width = config["input_size"]
    if (channels, height) != (3, width):
        raise InputError(
            f"{name} takes images of {channels} × {height} × {width}; expected 3 square channels"
        )
    if config["crop_mode"] not in CROPS:
        raise unknown(f"crop mode of {name}", str(config["crop_mode"]), CROPS)
    how = "bicubic" if config["interpolation"] == "bicubic" else "bilinear"
    resize, crop = int(height / config["crop_pct"]), config["crop_mode"] != "squash"
    try:
        transform = import_module("timm.data").create_transform(**config, is_training=False)
    except (KeyError, ValueError, TypeError, AssertionError) as error:
        raise InputError(f"timm's data configuration of {name} is not understood: {error!r}") from (
            error
        )
    return library_preprocessing(
        name,
        lambda photo: transform(photo).numpy(),
        repr(transform),
        PhotoRule(resize, how, crop=crop),
        (config["mean"], config["std"]),
    )


def _classes(model: Any, weights: WeightChoice) -> tuple[str, ...]:
    """Name the readout's units where the weights know ImageNet's classes."""
    data = import_module("timm.data")
    subset = None if weights.random else data.infer_imagenet_subset(model)
    if subset is None:
        return ()
    names = data.ImageNetInfo(subset)
    return tuple(names.index_to_description(i).split(",")[0] for i in range(model.num_classes))
