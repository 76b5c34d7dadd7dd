"""An ImageFolder as uint8 tensors on the device, and its augmentations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from invariscope.errors import InputError
from invariscope.photos import open_folder, read_photo


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
        InputError: the folder is missing, has no class folders or an empty one, or a photo
            cannot be read.
    """
    found = open_folder(folder)
    if not found.classes:
        raise InputError(f"{str(folder)!r} has no class folders; expected <class>/<photo>.jpg")
    if found.report.empty_classes:
        name = found.report.empty_classes[0]
        raise InputError(f"class folder {name!r} in {str(folder)!r} holds no photo; remove it")
    images = torch.stack([_whole(found.file(photo), side) for photo in range(len(found))])
    return Photos(images, torch.from_numpy(found.labels).long(), found.classes)


def _whole(file: Path, side: int) -> Tensor:
    photo = read_photo(file)
    if photo.shape[1:] == (side, side):
        return photo
    image = Image.fromarray(photo.permute(1, 2, 0).numpy())
    resized = image.resize((side, side), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


def centre_crop(images: Tensor, side: int) -> Tensor:
    """Cut the middle `side` × `side` pixels of uint8 images, as float in [0, 1]."""
    top = (images.shape[-2] - side) // 2
    left = (images.shape[-1] - side) // 2
    return images[..., top : top + side, left : left + side].float() / 255


def draw_windows(number: int, stream: torch.Generator, *, smallest: float) -> Tensor:
    """Draw windows of random resized crops and flips.

    Args:
        smallest: the smallest share of an image's area that a crop may keep.

    Returns:
        `(number, 2, 3)` on the stream's device: matrices as `torch.nn.functional.affine_grid`
        takes them.
    """

    def draw(low: float, high: float) -> Tensor:
        return torch.rand(number, generator=stream, device=stream.device) * (high - low) + low

    area = draw(smallest, 1.0)
    ratio = torch.exp(draw(-0.28768, 0.28768))
    width = torch.sqrt(area * ratio).clamp(max=1)
    height = torch.sqrt(area / ratio).clamp(max=1)
    flip = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    theta = torch.zeros(number, 2, 3, device=stream.device)
    theta[:, 0, 0], theta[:, 1, 1] = width * flip, height
    theta[:, 0, 2] = draw(-1, 1) * (1 - width)
    theta[:, 1, 2] = draw(-1, 1) * (1 - height)
    return theta


def cut_windows(images: Tensor, windows: Tensor, side: int) -> Tensor:
    """Cut each image's window, resampled to a square.

    Args:
        images: `(n, 3, h, w)` uint8.
        windows: `(n, 2, 3)` on the same device, from `draw_windows`.
        side: width and height of the result.

    Returns:
        `(n, 3, side, side)` float in [0, 1].
    """
    grid = F.affine_grid(windows, [len(images), 3, side, side], align_corners=False)
    source = images.float() / 255
    return F.grid_sample(source, grid, padding_mode="reflection", align_corners=False).clamp(0, 1)


def random_crop(
    images: Tensor, side: int, stream: torch.Generator, *, smallest: float = 0.35
) -> Tensor:
    """Crop, resize and flip each image at random: `draw_windows`, then `cut_windows`."""
    windows = draw_windows(len(images), stream, smallest=smallest)
    return cut_windows(images, windows.to(images.device), side)


def shifted_crops(images: Tensor, side: int) -> Tensor:
    """Cut a random window of each uint8 image without resizing, half mirrored, in [0, 1]."""
    n, room = len(images), images.shape[-1] - side + 1
    corner = torch.randint(0, room, (n, 2), device=images.device)
    axis = torch.arange(side, device=images.device)
    rows, columns = corner[:, :1] + axis, corner[:, 1:] + axis
    mirrored = torch.rand(n, 1, device=images.device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    which = torch.arange(n, device=images.device)[:, None, None]
    return (
        images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None]]
        .permute(0, 3, 1, 2)
        .float()
        / 255
    )


def cut_mix(images: Tensor, wanted: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """Replace a square of each image by the same square of another, labels by area.

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
