"""An ImageFolder as uint8 tensors on the device, and its augmentations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from invariscope.errors import InputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Photos:
    """A labelled set of photos.

    Attributes:
        images: `(n, 3, side, side)` uint8.
        labels: `(n,)` int64, an index into `classes`.
        classes: folder names in sorted order.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "Photos":
        return Photos(self.images.to(device), self.labels.to(device), self.classes)


def load_photos(folder: Path, side: int) -> Photos:
    """Read `<folder>/<class>/*.jpg`, each photo resized whole to `side` × `side`.

    Raises:
        InputError: the folder is missing, has no class folders or an empty one.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {str(folder)!r}; expected an ImageFolder, <class>/<photo>.jpg")
    names = sorted(p.name for p in folder.iterdir() if p.is_dir())
    if not names:
        raise InputError(f"{str(folder)!r} has no class folders; expected <class>/<photo>.jpg")
    images, labels = [], []
    for label, name in enumerate(names):
        files = sorted(p for p in (folder / name).iterdir() if p.suffix.lower() in SUFFIXES)
        if not files:
            raise InputError(f"class folder {name!r} in {str(folder)!r} holds no photo; remove it")
        for file in files:
            with Image.open(file) as photo:
                rgb = photo.convert("RGB")
            if rgb.size != (side, side):
                rgb = rgb.resize((side, side), Image.Resampling.BICUBIC)
            images.append(torch.from_numpy(np.array(rgb)).permute(2, 0, 1))
            labels.append(label)
    return Photos(torch.stack(images), torch.tensor(labels), tuple(names))


def centre_crop(images: Tensor, side: int) -> Tensor:
    """The middle `side` × `side` pixels of uint8 images, as float in [0, 1]."""
    top = (images.shape[-2] - side) // 2
    left = (images.shape[-1] - side) // 2
    return images[..., top : top + side, left : left + side].float() / 255


def random_crop(
    images: Tensor, side: int, stream: torch.Generator, *, smallest: float = 0.35
) -> Tensor:
    """A random resized crop and flip of each image, in one batched resampling.

    Args:
        images: `(n, 3, h, w)` uint8.
        side: width and height of the result.
        smallest: the smallest share of the image's area that a crop may keep.

    Returns:
        `(n, 3, side, side)` float in [0, 1].
    """
    n = len(images)

    def draw(low: float, high: float) -> Tensor:
        numbers = torch.rand(n, generator=stream, device=stream.device) * (high - low) + low
        return numbers.to(images.device)

    area = draw(smallest, 1.0)
    ratio = torch.exp(draw(-0.28768, 0.28768))
    width = torch.sqrt(area * ratio).clamp(max=1)
    height = torch.sqrt(area / ratio).clamp(max=1)
    flip = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3, device=images.device)
    theta[:, 0, 0], theta[:, 1, 1] = width * flip, height
    theta[:, 0, 2] = draw(-1, 1) * (1 - width)
    theta[:, 1, 2] = draw(-1, 1) * (1 - height)
    grid = F.affine_grid(theta, [n, 3, side, side], align_corners=False)
    source = images.float() / 255
    return F.grid_sample(source, grid, padding_mode="reflection", align_corners=False).clamp(0, 1)


def cut_mix(images: Tensor, wanted: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """A square of each image replaced by the same square of another, labels by area.

    Args:
        images: `(n, 3, side, side)`.
        wanted: `(n, classes)` label distributions.

    Returns:
        Both, mixed; the same square in the whole batch.
    """
    side = images.shape[-1]
    cut = int(side * (1 - float(torch.rand(1, generator=stream))) ** 0.5)
    top, left = torch.randint(0, side - cut + 1, (2,), generator=stream).tolist()
    others = torch.randperm(len(images), generator=stream).to(images.device)
    mixed = images.clone()
    square = (..., slice(top, top + cut), slice(left, left + cut))
    mixed[square] = images[others][square]
    kept = 1 - cut * cut / (side * side)
    return mixed, kept * wanted + (1 - kept) * wanted[others]
