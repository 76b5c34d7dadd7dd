"""Subjects by address."""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from invariscope import user_code
from invariscope.errors import InputError, nearest
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.embedded import PREFIX, embedded_subject
from invariscope.subjects.function import FunctionSubject
from invariscope.subjects.group import group_networks
from invariscope.subjects.hybrid import HybridSubject
from invariscope.subjects.network import NetworkSubject
from invariscope.subjects.rig.subject import RigSubject
from invariscope.subjects.sources.loaded import PRETRAINED, LoadedNetwork, WeightChoice, with_file
from invariscope.zoo import registry

# Each is a file of `sources`; its library is imported when it is asked for, as is that of tables.
SOURCES = ("torchvision", "timm", "hf", "cifar", "categories")
RECORDED = "recorded"


def load_subject(
    address: str,
    device: torch.device | str = "cpu",
    *,
    weights: str = PRETRAINED,
    allow_code: bool = False,
    compiled: bool = False,
    image_size: int | None = None,
) -> Subject:
    """Load a subject from its address; `NetworkSubject` wraps a network of your own.

    Args:
        address: `embedded:NAME`, `torchvision:NAME`, `timm:NAME`, `hf:NAME` (or `hf:FOLDER`),
            `cifar:NAME`, `categories:FOLDER`, `recorded:FOLDER` (a session of a rig), or
            `file.py:factory`, a function without arguments or of the device; `file.py:factory(5)`
            passes it plain literals.
        weights: `pretrained`, as the source has them; `random` or `random:SEED`; a local file
            (.safetensors, or a torch file, of which only tensors are read; `FILE#PART` where it
            holds several state dicts, such as `net.pth#state_dict_ema`); for torchvision
            also the name of its weights, such as `IMAGENET1K_V1`.
        allow_code: whether a Python file may be run.
        compiled: see `NetworkSubject`.
        image_size: pixels a side that the network of `file.py:factory` sees, by default 224; all
            other addresses have their own.

    Raises:
        InputError: an unknown address, something else than an address, or weights that do not fit.
        StoreError: weights that cannot be read or downloaded.

    Example:
        >>> import invariscope as iv
        >>> subject = iv.load_subject("embedded:standard")
        >>> subject.classes[5], subject.sites()["fc"]
        ('French horn', (10,))
    """
    _check_address(address)
    asked, settings = WeightChoice(weights), {"device": device, "compiled": compiled}
    user_code.allow(address, allow_code=allow_code)
    if python_file := user_code.python_file(address):
        return _from_file(address, *python_file, asked, settings, image_size)
    if image_size is not None:
        raise InputError(
            f"{address!r} has an image size of its own; image_size is for the network of a "
            "file.py:factory"
        )
    source, _, name = address.partition(":")
    shipped = [k for k, e in registry.entries().items() if e.kind == "classifier"]
    if address in shipped:
        if not asked.pretrained:
            raise asked.neither(address)
        return embedded_subject(address.removeprefix(PREFIX), device, compiled=compiled)
    if source == RECORDED and name:
        if not asked.pretrained:
            raise asked.neither(address)
        return import_module("invariscope.subjects.rig.recorded").recorded(name)
    if source not in SOURCES or not name:
        forms = [
            *shipped,
            *(f"{s}:{name or 'NAME'}" for s in SOURCES),
            "recorded:FOLDER",
            "file.py:factory",
        ]
        raise InputError(f"unknown model {address!r}{nearest(address, forms, most=len(forms))}")
    loaded = import_module(f"invariscope.subjects.sources.{source}").load(name, asked)
    return _subject(loaded, address, asked, settings)


def _check_address(address: Any) -> None:
    """Refuse a network or a function in an address's place, and name the class for such a thing."""
    if isinstance(address, str):
        return
    kind = type(address).__name__
    if isinstance(address, nn.Module):
        raise InputError(
            f"load_subject takes an address, not a {kind}; wrap a network of your own: "
            "iv.NetworkSubject(network, image_size=224)"
        )
    if callable(address):
        raise InputError(
            f"load_subject takes an address, not a {kind}; wrap a function of images: "
            'iv.FunctionSubject(function, name="mine", image_size=224)'
        )
    raise InputError(f"load_subject takes an address such as 'embedded:standard', not a {kind}")


def _from_file(  # noqa: PLR0917
    address: str,
    path: Path,
    factory: str,
    weights: WeightChoice,
    settings: dict[str, Any],
    image_size: int | None,
) -> Subject:
    made, device = user_code.make(path, factory, settings["device"]), settings["device"]
    if isinstance(made, Subject):
        if not weights.pretrained:
            raise InputError(f"{factory} gives a whole subject; leave the weights to it")
        if image_size is not None:
            raise InputError(f"{factory} gives a whole subject; leave the image size to it")
        if made.device.type != torch.device(device).type:
            raise InputError(
                f"{factory} gives a subject on {made.device}; ask for that device, or make it on "
                f"{device}"
            )
        return made
    if not isinstance(made, nn.Module):
        raise InputError(
            f"{factory} gives a {type(made).__name__}; expected a torch.nn.Module in eval mode, "
            "or an invariscope subject"
        )
    if not (weights.pretrained or weights.file):
        raise weights.neither(f"{path.name}:{factory}")
    loaded = LoadedNetwork(made, {"image_size": image_size or 224})
    loaded = loaded if weights.pretrained else with_file(loaded, weights)
    return _subject(loaded, address, weights, settings)


def _subject(
    loaded: LoadedNetwork, address: str, weights: WeightChoice, settings: dict[str, Any]
) -> NetworkSubject:
    name = address if weights.pretrained else f"{address} ({Path(weights.asked).name})"
    return NetworkSubject(
        loaded.model,
        name=name,
        classes=loaded.classes,
        older_names=loaded.older_names,
        **loaded.preprocessing,
        **settings,
    )


__all__ = [
    "PIXELS",
    "FunctionSubject",
    "HybridSubject",
    "NetworkSubject",
    "RigSubject",
    "Subject",
    "group_networks",
    "load_subject",
]
