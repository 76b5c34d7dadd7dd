"""Natural-image code spaces: the principal components of an autoencoder's latents of photos."""

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.generators.autoencoder import SIZE, Autoencoder, load_autoencoder
from invariscope.generators.base import CodeStatistics, Generator
from invariscope.generators.components import components
from invariscope.photos import PhotoFolder, PhotoRule, batches, open_folder
from invariscope.plurals import number_of
from invariscope.progress import ProgressLine

PREFIX = "codes:"
BATCH = 64
Watcher = Callable[[int, int], None]


@final
class CodeSpace(Generator):
    """Codes in units of natural SD along the principal components of natural latents.

    latent = mean + Σ_k sd_k · code_k · direction_k, which the autoencoder decodes. Codes of the
    photos it was fitted to have mean 0 and covariance I.

    Args:
        autoencoder: what decodes, and encodes for inversion.
        image_size: of its images, in pixels.
        mean: `(latents,)` of the flattened latents.
        directions: `(dims, latents)`, orthonormal rows, the widest first.
        sd: `(dims,)` along each.
        about: what it was fitted to (photos, share of the variance), for people.
    """

    encodes = True

    def __init__(
        self,
        autoencoder: Autoencoder,
        image_size: int,
        *,
        mean: Tensor,
        directions: Tensor,
        sd: Tensor,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.autoencoder, self.about = autoencoder, about or {}
        self.device = autoencoder.device
        self.image_size = image_size
        self.code_dim = len(sd)
        self.name = f"{autoencoder.name}, {number_of(self.code_dim, 'code')}"
        self._shape = autoencoder.latent_shape(image_size)
        self._tensors = {"mean": mean.float(), "directions": directions.float(), "sd": sd.float()}
        for key, tensor in self._tensors.items():
            self._tensors[key] = tensor.contiguous().to(self.device)
        self.code_statistics = CodeStatistics.standard(self.code_dim)

    @cached_property
    def _content(self) -> str:
        digest = hashlib.sha256()
        for key, tensor in sorted(self._tensors.items()):
            digest.update(f"{key}{tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "codes",
            "content": self._content,
            "autoencoder": self.autoencoder.identity,
            "size": self.image_size,
        }

    def _generate(self, codes: Tensor) -> Tensor:
        t = self._tensors
        latents = t["mean"] + (codes * t["sd"]) @ t["directions"]
        return self.autoencoder.decode(latents.unflatten(1, self._shape))

    def _encode(self, images: Tensor) -> Tensor:
        t = self._tensors
        latents = self.autoencoder.encode(images).flatten(1)
        return (latents - t["mean"]) @ t["directions"].T / t["sd"]

    def reduced(self, dims: int) -> "CodeSpace":
        """Reduce the space to its `dims` widest directions.

        Raises:
            InputError: more than there are.
        """
        validate.between("dims", dims, 1, self.code_dim)
        t = self._tensors
        shares = list(self.about.get("shares", ()))[:dims]
        about = self.about | ({"shares": shares} if shares else {})
        return CodeSpace(
            self.autoencoder,
            self.image_size,
            mean=t["mean"],
            directions=t["directions"][:dims],
            sd=t["sd"][:dims],
            about=about,
        )

    def save(self, path: str | Path) -> Path:
        """Write the space as one safetensors file; `codes:FILE` is its address then.

        The autoencoder is kept by its address and identity, not with its weights.

        Raises:
            StoreError: the file cannot be written.
        """
        path = Path(path)
        about = {
            "autoencoder": self.autoencoder.name,
            "identity": self.autoencoder.identity,
            "image_size": self.image_size,
            "about": self.about,
        }
        part = path.with_name(f".{path.name}.invariscope.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tensors = {k: v.cpu() for k, v in self._tensors.items()}
            part.write_bytes(save(tensors, {"code_space": json.dumps(about)}))
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StoreError(f"cannot write {str(path)!r}: {error.strerror}") from error
        return path


def load_code_space(
    path: str | Path,
    device: torch.device | str = "cpu",
    *,
    autoencoder: Autoencoder | None = None,
) -> CodeSpace:
    """Read a code space from its file.

    Args:
        autoencoder: what it was fitted with, where that has no address.

    Raises:
        StoreError: no such file, another kind of file, or its autoencoder is not there.
        InputError: an autoencoder other than the one it was fitted with.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"no code space {str(path)!r}; fit one with iv.fit_code_space")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("code_space", "null"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise StoreError(f"{str(path)!r} is no code space, or a damaged one") from error
    if about is None or set(tensors) != {"mean", "directions", "sd"}:
        raise StoreError(f"{str(path)!r} is no code space; fit one with iv.fit_code_space")
    coder = autoencoder or load_autoencoder(about["autoencoder"], device)
    if coder.identity != about["identity"]:
        raise InputError(
            f"{str(path)!r} was fitted with another autoencoder than {coder.name!r} is now; "
            "fit it again"
        )
    space = CodeSpace(coder, about["image_size"], **tensors, about=about["about"])
    space.name = f"{PREFIX}{path}"
    return space


def fit_code_space(
    autoencoder: Autoencoder | str,
    images: str | Path | PhotoFolder | Tensor,
    dims: int,
    *,
    image_size: int = SIZE,
    resize: int | None = None,
    most: int | None = None,
    device: torch.device | str = "cpu",
    watch: Watcher | None = None,
    progress: bool | None = None,
) -> CodeSpace:
    """Fit a natural-image code space: the widest `dims` directions of an autoencoder's latents.

    One pass encodes the photos, in batches, to a temporary file of 4 bytes a latent and photo;
    the directions are found there block by block (see `components`), so memory does not grow with
    the photos. The same photos give the same space.

    Args:
        autoencoder: one, or its address (see `load_autoencoder`).
        images: a folder of photos, or `(n, 3, s, s)` images in [0, 1].
        dims: length of a code; below the number of photos.
        image_size: of the generator's images, in pixels; for given images their own.
        resize: of a photo's shorter side before its centre is cut out; by default `image_size`.
        most: photos to take, evenly spread over the folder; by default all.
        watch: called with the photos encoded so far and their number.
        progress: whether a line shows them; by default in terminals and notebooks.

    Raises:
        InputError: too few photos, or dims beyond the latents.

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
        >>> space = iv.fit_code_space(halves, torch.rand(20, 3, 8, 8), dims=5)
        >>> space.code_dim
        5
    """
    if isinstance(autoencoder, str):
        autoencoder = load_autoencoder(autoencoder, device)
    if isinstance(images, Tensor):
        side, number = validate.images(images).shape[-1], len(images)
        parts: Iterable[Tensor] = images.split(BATCH)
        content = hashlib.sha256(images.float().cpu().numpy().tobytes()).hexdigest()
    else:
        folder = images if isinstance(images, PhotoFolder) else open_folder(images)
        folder = folder.spread(most) if most else folder
        side, number, content = image_size, len(folder), folder.content
        rule = PhotoRule(resize) if resize else None
        stream = batches(folder, side=side, rule=rule, batch=BATCH, device=autoencoder.device)
        parts = (part.images for part in stream)
    width = math.prod(autoencoder.latent_shape(side))
    if not 1 <= dims <= min(number - 1, width):
        raise InputError(
            f"dims is {dims}; expected 1 … {min(number - 1, width)}: below the "
            f"{number_of(number, 'photo')}, and at most the {number_of(width, 'latent')} of an "
            "image"
        )
    line = ProgressLine(progress, watched=watch is not None)
    with tempfile.TemporaryFile() as file, line:
        latents = np.memmap(file, np.float32, "w+", shape=(number, width))  # pyright: ignore[reportArgumentType, reportCallIssue]
        filled = _fill(latents, autoencoder, parts, line, watch)
        if filled <= dims:
            raise InputError(
                f"only {number_of(filled, 'photo')} could be read; expected more than {dims}"
            )
        mean, directions, variances, total = components(latents[:filled], dims)
    about = {
        "photos": filled,
        "content": content,
        "shares": [round(float(v / total), 8) for v in variances],
    }
    sd = variances.sqrt()
    return CodeSpace(autoencoder, side, mean=mean, directions=directions, sd=sd, about=about)


@torch.no_grad()
def _fill(
    latents: NDArray[np.float32],
    autoencoder: Autoencoder,
    parts: Iterable[Tensor],
    line: ProgressLine,
    watch: Watcher | None,
) -> int:
    done = 0
    for images in parts:
        coded = autoencoder.encode(images.to(autoencoder.device, torch.float32)).flatten(1)
        latents[done : done + len(coded)] = coded.float().cpu().numpy()
        done += len(coded)
        line(f"code space · {done} of {number_of(len(latents), 'image')} encoded")
        if watch:
            watch(done, len(latents))
    return done
