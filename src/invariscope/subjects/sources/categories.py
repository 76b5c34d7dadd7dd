"""`categories:FOLDER`: a network that `invariscope categories train` trained."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from invariscope.errors import InputError, StoreError
from invariscope.photos.transform import PhotoRule
from invariscope.subjects.checkpoint import load_state
from invariscope.subjects.sources.loaded import LoadedNetwork, WeightChoice
from invariscope.zoo.classifiers import Standardised, make_classifier

FILE = "weights.safetensors"


def load(name: str, weights: WeightChoice) -> LoadedNetwork:
    """Load a trained network with its classes and the per-image standardisation of its training.

    Args:
        name: its folder.
        weights: `pretrained`, its own; there are no others.

    Raises:
        InputError: other weights are asked for.
        StoreError: the folder holds no trained network, or a damaged one.
    """
    if not weights.pretrained:
        raise InputError(f"{name!r} holds the weights that were trained; ask for no others")
    path = Path(name) / FILE
    if not path.is_file():
        raise StoreError(
            f"{name!r} holds no trained network ({FILE}); expected a folder of "
            "`invariscope categories train`, such as STORE/networks/blur_10_seed0_0123456789ab"
        )
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["network"])
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        side, classes = int(about["image_size"]), tuple(about["classes"])
        network = make_classifier(about["network"], len(classes), side, about["options"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise StoreError(f"{str(path)!r} is damaged ({error}); train it again") from error
    load_state(network, state, str(path))
    model = Standardised(network).eval().requires_grad_(requires_grad=False)
    rule = {"image_size": side, "mean": 0.0, "std": 1.0, "photo": PhotoRule(side)}
    return LoadedNetwork(model, rule, classes)
