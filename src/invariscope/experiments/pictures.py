"""Pictures of a front's members beside its table, for people and reports."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.experiments.front_choice import CHOICES, choose
from invariscope.experiments.image_kinds import kinds
from invariscope.experiments.plan import Planned
from invariscope.generators.base import Generator
from invariscope.store.files import make_folder, replace_file
from invariscope.store.record import REPAIR

MOST = 24


def write_png(path: Path, image: Tensor) -> None:
    """Write an image `(3, h, w)` in [0, 1] as 8-bit PNG, for looking at, not for measuring."""
    values = (image.detach().cpu().permute(1, 2, 0) * 255).round().clamp(0, 255)
    picture = Image.fromarray(values.to(torch.uint8).numpy())
    replace_file(path, lambda part: picture.save(part, format="PNG"))


def read_png(path: Path) -> Tensor:
    """Read a picture of `write_png`, `(3, h, w)` in [0, 1].

    Raises:
        StoreError: the file is missing or damaged.
    """
    try:
        with Image.open(path) as picture:
            values = np.array(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise StoreError(f"picture {str(path)!r} is damaged or missing; {REPAIR}") from error
    return torch.from_numpy(values).permute(2, 0, 1).float() / 255


def pictured(members: int, chosen: set[int]) -> list[int]:
    """Select the rows that get a picture: chosen rows, and others evenly over the front."""
    spread = np.linspace(0, members - 1, min(members, MOST)).round().astype(int)
    return sorted(chosen | set(spread.tolist()))


def save_pictures(
    folder: Path,
    front: pd.DataFrame,
    codes: Tensor,
    generator: Generator,
    *,
    planned: Planned,
    activity: Tensor | None,
) -> None:
    """Write `images/reference.png` and `images/member-N.png` for rows N of the front.

    Args:
        folder: of the run.
        front: one row a member; its measures beside it where the search fills cells, whose best
            images of each kind all get a picture.
        codes: of the members, `(members, code dimension)`.
        generator: makes their images.
        planned: the run.
        activity: of the unit for the reference.
    """
    images = make_folder(folder / "images")
    for old in images.glob("member-*.png"):
        old.unlink()
    if planned.reference is not None:
        write_png(images / "reference.png", planned.reference.image)
    if len(front) == 0:
        return
    chosen = {choose(front, planned.settings, which) for which in CHOICES}
    if activity is not None:
        chosen |= set((kinds(front, planned.settings, float(activity.mean())) or {}).values())
    rows = pictured(len(front), chosen)
    for row, image in zip(rows, generator.generate(codes[rows]), strict=True):
        write_png(images / f"member-{row}.png", image)
