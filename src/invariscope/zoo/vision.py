"""torchvision's models, also beside a torch that torchvision's compiled operators do not fit."""

import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch

from invariscope.errors import InputError
from invariscope.optional import missing

# What torchvision describes to torch while it is imported, whether its operators loaded or not.
DESCRIBED = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[torch.library.Library] = []  # a declaration lasts as long as its library


def _own_operators_load(folder: Path) -> bool:
    for path in sorted([*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]):
        try:
            torch.ops.load_library(path)
        except OSError:
            return False
        return True
    return False


def _declare_missing() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in DESCRIBED:
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            library.define(schema)
    _declared.append(library)


def torchvision_models() -> ModuleType:
    """Import the module `torchvision.models`.

    torchvision's wheels on the package index are built against CUDA. Beside a CPU-only torch
    their operators (for detection; no classifier uses one) cannot be loaded, and torchvision
    fails to import, since it describes two that do not exist. Only there the two are declared,
    without an implementation, so that calling one fails as torchvision means it to; where its
    own operators load, nothing is declared.

    Raises:
        InputError: torchvision is not installed.
    """
    spec = find_spec("torchvision") if "torchvision" not in sys.modules else None
    if spec and spec.submodule_search_locations:
        if not _own_operators_load(Path(spec.submodule_search_locations[0])):
            _declare_missing()
    elif "torchvision" not in sys.modules:
        raise missing("torchvision", "models")
    return import_module("torchvision.models")


def library(name: str) -> ModuleType:
    """Import another library of networks at the first use.

    Raises:
        InputError: it is not installed.
    """
    if name not in sys.modules and find_spec(name) is None:
        raise missing(name, "models")
    with suppress(InputError):  # timm and transformers import torchvision where it is there
        torchvision_models()
    return import_module(name)
