"""Autoencoders: images to latents and back, by address, and as generators."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from invariscope import validate
from invariscope.devices import place
from invariscope.errors import InputError, StoreError, nearest
from invariscope.generators.base import Generator
from invariscope.optional import missing
from invariscope.zoo.taesd import tiny_autoencoder
from invariscope.zoo.vision import torchvision_models
from invariscope.zoo.weight_file import read_state, weights_hash

PREFIXES = ("diffusers:", "taesd:")
SIZE = 128
CLASSES = ("AutoencoderTiny", "AutoencoderKL")


@dataclass(frozen=True)
class Autoencoder:
    """A pair of functions between images and latents.

    Attributes:
        name: its address, or how a person calls it.
        encode: images `(n, 3, s, s)` float32 in [0, 1] → latents `(n, …)`.
        decode: latents → images, about in [0, 1].
        identity: what makes it what it is: a hash of its weights, or the like.
        device: where both work.

    Example:
        >>> import torch
        >>> import torch.nn.functional as F
        >>> import invariscope as iv
        >>> halves = iv.Autoencoder(
        ...     name="halves",
        ...     encode=lambda images: F.avg_pool2d(images, 2),
        ...     decode=lambda latents: F.interpolate(latents, scale_factor=2.0),
        ...     identity={"kind": "halves"},
        ...     device=torch.device("cpu"),
        ... )
        >>> halves.decode(halves.encode(torch.rand(1, 3, 8, 8))).shape
        torch.Size([1, 3, 8, 8])
    """

    name: str
    encode: Callable[[Tensor], Tensor] = field(repr=False)
    decode: Callable[[Tensor], Tensor] = field(repr=False)
    identity: dict[str, Any]
    device: torch.device

    @torch.no_grad()
    def latent_shape(self, size: int) -> tuple[int, ...]:
        """Give the shape of a latent of images of `size` × `size` pixels.

        Raises:
            InputError: it does not take images of that size, or gives back another.
        """
        image = torch.full((1, 3, size, size), 0.5, device=self.device)
        try:
            latents = self.encode(image)
            made = self.decode(latents)
        except RuntimeError as error:
            raise InputError(
                f"{self.name} fails on images of {size} × {size} px ({error})"
            ) from error
        if tuple(made.shape) != tuple(image.shape):
            raise InputError(
                f"{self.name} makes images of {made.shape[-1]} × {made.shape[-2]} px from ones of "
                f"{size} × {size}; choose a size that it keeps, such as {size - size % 8 or 8}"
            )
        return tuple(latents.shape[1:])


@final
class AutoencoderGenerator(Generator):
    """An autoencoder's decoder, with a whole latent as code and no known natural statistics.

    Random codes give texture: a code space fitted to photos (`fit_code_space`) gives more.

    Args:
        autoencoder: it is used where it is.
        image_size: of its images, in pixels.
    """

    encodes = True

    def __init__(self, autoencoder: Autoencoder, image_size: int = SIZE) -> None:
        self.autoencoder = autoencoder
        self.name = f"{autoencoder.name}@{image_size}"
        self.device = autoencoder.device
        self.image_size = image_size
        self._shape = autoencoder.latent_shape(image_size)
        self.code_dim = int(torch.tensor(self._shape).prod())

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "autoencoder",
            "autoencoder": self.autoencoder.identity,
            "size": self.image_size,
        }

    def _generate(self, codes: Tensor) -> Tensor:
        return self.autoencoder.decode(codes.unflatten(1, self._shape))

    def _encode(self, images: Tensor) -> Tensor:
        return self.autoencoder.encode(images).flatten(1)


def load_autoencoder(address: str, device: torch.device | str = "cpu") -> Autoencoder:
    """Load an autoencoder from its address.

    Args:
        address: `diffusers:NAME_OR_FOLDER`, an `AutoencoderTiny` or `AutoencoderKL` of the
            library diffusers, from a folder or by its name on the Hugging Face hub; or
            `taesd:PATH`, for the files `PATH_encoder.safetensors` and
            `PATH_decoder.safetensors` under the names of taesd's authors.
        device: where both halves work.

    Returns:
        The two halves and their identity.

    Raises:
        InputError: another address, or weights of another architecture.
        StoreError: files that are missing or damaged, or a name that cannot be fetched.

    Example:
        >>> import invariscope as iv
        >>> iv.load_autoencoder("taesd:weights/taesd")
        Traceback (most recent call last):
        ...
        invariscope.errors.StoreError: ...
    """
    kind = next((prefix for prefix in PREFIXES if address.startswith(prefix)), None)
    if kind is None:
        raise InputError(f"unknown autoencoder {address!r}{nearest(address, PREFIXES)}")
    where = address.removeprefix(kind)
    if kind == "taesd:" or Path(where).is_dir():  # a code space finds it from any folder
        where = str(Path(where).resolve())
    make = _taesd if kind == "taesd:" else _diffusers
    return make(f"{kind}{where}", where, torch.device(device))


def _taesd(address: str, where: str, device: torch.device) -> Autoencoder:
    files = [Path(f"{where}_{part}.safetensors") for part in ("encoder", "decoder")]
    states = [read_state(file) for file in files]
    encoder, decoder = tiny_autoencoder(states[0], states[1], repr(address))
    encoder, decoder = _placed(encoder, device), _placed(decoder, device)
    both = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
    identity = {"kind": "taesd", "weights": weights_hash(both)}
    return Autoencoder(address, encoder, decoder, identity, device)


def _placed(module: nn.Module, device: torch.device) -> nn.Module:
    return place(module.eval().requires_grad_(requires_grad=False), device)


def _diffusers(address: str, where: str, device: torch.device) -> Autoencoder:
    if find_spec("diffusers") is None:
        raise missing("diffusers", "models")
    if find_spec("torchvision"):  # diffusers imports it, which beside some torch needs help
        torchvision_models()
    diffusers: Any = import_module("diffusers")  # slow: only where it is used
    local = Path(where).is_dir()
    try:
        config = diffusers.AutoencoderKL.load_config(where, local_files_only=local)
        kind = config.get("_class_name")
        if kind not in CLASSES:
            raise InputError(f"{where!r} is a {kind}; expected {' or '.join(CLASSES)}")
        loader = getattr(diffusers, kind)
        model = loader.from_pretrained(where, local_files_only=local, use_safetensors=True)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        first = str(error).strip().splitlines()[0]
        raise StoreError(
            f"{address!r} cannot be loaded ({first}); give a folder with config.json and "
            "diffusion_pytorch_model.safetensors, or a name on huggingface.co"
        ) from error
    return diffusers_autoencoder(model, address, device)


def diffusers_autoencoder(model: Any, name: str, device: torch.device | str = "cpu") -> Autoencoder:
    """Wrap a model of the library diffusers that is already loaded.

    Of an `AutoencoderKL` the latent's mean is taken. Images in [-1, 1], as the library has
    them, become images in [0, 1].

    Raises:
        InputError: weights that are not finite.
    """
    device = torch.device(device)
    model = _placed(model.float(), device)
    bad = [k for k, v in model.state_dict().items() if not bool(v.isfinite().all())]
    if bad:
        raise InputError(f"{name} holds weights that are not finite: {', '.join(bad[:3])}")
    config = {k: v for k, v in sorted(model.config.items()) if not k.startswith("_")}
    text = json.dumps(config, sort_keys=True, default=str)
    identity = {
        "kind": type(model).__name__,
        "weights": weights_hash(model),
        "config": hashlib.sha256(text.encode()).hexdigest(),
    }

    def encode(images: Tensor) -> Tensor:
        coded = model.encode(images * 2 - 1)
        return coded.latents if hasattr(coded, "latents") else coded.latent_dist.mean

    def decode(latents: Tensor) -> Tensor:
        return (model.decode(latents).sample + 1) / 2

    return Autoencoder(name, encode, decode, identity, device)


def split_size(address: str, usual: int) -> tuple[str, int]:
    """Split `NAME@96` into `NAME` and 96; without a number the usual size.

    Raises:
        InputError: something else behind the `@`.
    """
    name, at, size = address.rpartition("@")
    if not at or "/" in size:
        return address, usual
    if not size.isdecimal():
        raise InputError(f"{address!r} has {size!r} behind '@'; expected the image size in pixels")
    validate.at_least("the image size", int(size), 1)
    return name, int(size)
