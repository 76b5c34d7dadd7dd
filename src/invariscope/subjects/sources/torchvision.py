"""`torchvision:NAME`: its classification networks, weights and preprocessing."""

import re
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import nn

from invariscope import seeds
from invariscope.errors import StoreError, unknown
from invariscope.photos.transform import PhotoRule
from invariscope.subjects.checkpoint import load_state
from invariscope.subjects.sources.loaded import LoadedNetwork, WeightChoice, with_file
from invariscope.zoo.vision import torchvision_models
from invariscope.zoo.weight_file import read_state

# Heads for training only, and an initialisation that is asked for by name.
EXTRA = {"googlenet", "inception_v3"}


def load(name: str, weights: WeightChoice) -> LoadedNetwork:
    """Load a classification network of torchvision.

    Args:
        name: such as `resnet50`.
        weights: `pretrained` (torchvision's best), one of its names (`IMAGENET1K_V1`), `random`
            or a file.

    Raises:
        InputError: a name or weights that torchvision does not have, or that do not fit.
        StoreError: weights that cannot be read or downloaded.
    """
    models = torchvision_models()
    names = models.list_models(module=models)
    if name not in names:
        raise unknown("torchvision model", name, names)
    kinds = models.get_model_weights(name)
    named = kinds.__members__.get(weights.asked)
    if not (named or weights.pretrained or weights.random or weights.file):
        raise unknown("torchvision weights", weights.asked, ["random", *kinds.__members__])
    entry = named or kinds.DEFAULT
    rule = entry.transforms()
    size = rule.crop_size[0]
    preprocessing = {
        "image_size": size,
        "mean": rule.mean,
        "std": rule.std,
        "photo": PhotoRule(rule.resize_size[0], rule.interpolation.value),
    }
    model = _build(models, name, size, weights)
    if weights.random:
        return LoadedNetwork(model, preprocessing)
    loaded = LoadedNetwork(model, preprocessing, tuple(entry.meta["categories"]))
    if named or weights.pretrained:
        load_state(model, _published(name, entry), entry.url)
        return loaded
    return with_file(loaded, weights)


def _build(models: Any, name: str, size: int, weights: WeightChoice) -> nn.Module:
    options: dict[str, Any] = {}
    if name in EXTRA:
        options = {"aux_logits": False, "init_weights": weights.random}
        # The published weights see images standardised as their training saw them.
        options["transform_input"] = not weights.random
    if name.startswith("vit_"):
        options = {"image_size": size}
    with seeds.torch_global(*weights.stream(f"torchvision:{name}")):
        model = models.get_model(name, weights=None, **options)
    return model.eval().requires_grad_(requires_grad=False)


def _published(name: str, entry: Any) -> dict[str, torch.Tensor]:
    """Find torchvision's own file of weights, downloaded where the cache lacks the file."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rpartition("/")[2]
    if not path.exists():
        digest = re.search(r"-([0-9a-f]{8,})\.", path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(entry.url, str(path), digest and digest[1])
        except (URLError, OSError, RuntimeError) as error:
            raise StoreError(
                f"the weights of {name} cannot be downloaded ({error}); get {entry.url} "
                f"elsewhere and put it at {str(path)!r}, or name a file or random as weights"
            ) from error
    # DenseNets were published before their layers had today's names.
    renamed = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
    return {renamed.sub(r"\1\2.", key): tensor for key, tensor in read_state(path).items()}
