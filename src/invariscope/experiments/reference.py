"""The image that a search departs from: an MEI, or any image."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.generators.base import Generator
from invariscope.photos import read_image, read_photo
from invariscope.search.measure import pad
from invariscope.search.objectives import Objective, read_site
from invariscope.search.search import SMALLEST_CHUNK
from invariscope.store.files import make_folder, replace_tensors
from invariscope.subjects.base import PIXELS, Subject

CODE = "reference_code.safetensors"


@dataclass(frozen=True)
class Reference:
    """An image to depart from (PAPERS §1): an MEI or any image.

    Attributes:
        image: `(3, height, width)` float32 in [0, 1], of the generator's or subject's size.
        code: `(code_dim,)`, where one is known; the adversarial search starts there.
        recipe: what makes it this image: for the name of a run.
        activity: the target's activity for the image, where measured.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> iv.Reference(torch.full((3, 96, 96), 0.5), recipe={"kind": "grey"}).activity is None
        True
    """

    image: Tensor = field(repr=False)
    code: Tensor | None = field(repr=False, default=None)
    recipe: dict[str, Any] = field(default_factory=dict)
    activity: float | None = None

    def __repr__(self) -> str:
        """Say the kind, the size and the activity in one line."""
        height, width = self.image.shape[-2:]
        known = [str(self.recipe.get("kind", "image")), f"{height} × {width} px"]
        known += [] if self.activity is None else [f"activity={self.activity:.4g}"]
        return f"Reference({', '.join(known)})"


def image_reference(image: Tensor, size: int, code: Tensor | None = None) -> Reference:
    """Make a reference from an image's own pixels.

    Args:
        image: `(3, size, size)` in [0, 1].
        size: height and width that the generator or subject has.
        code: `(code_dim,)`, a code whose image is close, where known.

    Raises:
        InputError: another shape, or values outside [0, 1].

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> iv.image_reference(torch.full((3, 96, 96), 0.5), 96).recipe["kind"]
        'image'
    """
    image = validate.image(image, size).detach().float().cpu().contiguous()
    recipe = {"kind": "image", "sha256": _content(image)}
    if code is not None:  # an adversarial search starts there
        recipe["code"] = _content(code.detach().double().cpu())
    return Reference(image, code, recipe)


def _content(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()


def depart_from(objective: Objective, subject: Subject, image: Tensor, chunk: int) -> Objective:
    """Add the reference's responses to an objective, in the chunk shape of the candidates.

    Call it in the precision in which the candidates are evaluated: a reference of another
    precision has a squeeze of its own. At a noisy site the whole chunk's answers are averaged.

    Args:
        image: `(3, height, width)` in [0, 1].
        chunk: images that pass at once.
    """
    rows = pad(image.unsqueeze(0), max(SMALLEST_CHUNK, chunk))
    responses = {
        site: response.nanmean(0, keepdim=True) if site in subject.noisy else response[:1].clone()
        for site, response in subject.respond(rows, objective.sites).items()
    }
    site = objective.site or PIXELS
    return replace(
        objective,
        site_reference=read_site(responses[site], objective.subset)[0],
        target_reference=objective.target.read(responses)[0],
    )


def photo_reference(
    path: str | Path, subject: Subject, generator: Generator | None = None
) -> Reference:
    """Make a reference from a photo's own pixels.

    A photo of the size that the subject sees is taken as it is, any other one cropped as the
    subject's photos are.

    Args:
        path: of the photo, in any format that Pillow reads.
        subject: whose size and `PhotoRule` count.
        generator: under whose constraints the photo is shown, where it has any.

    Returns:
        A reference with an image `(3, image_size, image_size)` in [0, 1] and no code.

    Raises:
        UnreadablePhoto: the photo cannot be used.

    Example:
        >>> from PIL import Image
        >>> import invariscope as iv
        >>> Image.new("RGB", (320, 240), "teal").save("photo.png")
        >>> subject = iv.load_subject("embedded:standard")
        >>> iv.photo_reference("photo.png", subject).image.shape
        torch.Size([3, 96, 96])
    """
    side = subject.image_size
    image = read_photo(path).float() / 255
    if image.shape[1:] != (side, side):
        image = read_image(path, side, subject.photo)
    if generator is None or not generator.constraints:
        return image_reference(image, side)
    shown = generator.constrain(image.unsqueeze(0))[0]
    return image_reference(shown, generator.image_size)


def check_reference(reference: Reference | None, generator: Generator) -> None:
    """Make sure that there is an image to depart from, under the generator's constraints.

    Its mean luminance and surround count; not its contrast, which some images cannot have, and
    not an image of another size, which the subject resizes.

    Raises:
        InputError: there is none, it does not keep to them, or its code has another length.
    """
    if reference is None:
        raise InputError("no reference was given; find an MEI first, or give an image")
    if reference.code is not None and tuple(reference.code.shape) != (generator.code_dim,):
        raise InputError(
            f"the reference's code has shape {tuple(reference.code.shape)}; {generator.name} takes "
            f"({generator.code_dim},): give a code of this generator (see Generator.invert)"
        )
    side = generator.image_size
    is_image = reference.recipe.get("kind") == "image"
    if not generator.constraints or not is_image or reference.image.shape[-1] != side:
        return
    if why := generator.violations(reference.image.unsqueeze(0)):
        raise InputError(
            f"the reference does not keep to the constraints of {generator.name} ({why}); pass it "
            "through generator.constrain(images) first"
        )


def with_code(reference: Reference, generator: Generator, out: Path) -> tuple[Reference, float]:
    """Give a reference a code with a close image: an adversarial search starts there.

    A code that `save_code` put into `out` is taken from there, so that a search goes on with the
    very same one; else the generator inverts the image.

    Returns:
        The reference, and the peak signal-to-noise ratio of its code's image in dB.

    Raises:
        StoreError: the file in `out` is damaged.
    """
    image = reference.image
    kept = _saved_code(out / CODE, _of_code(reference, generator))
    if kept is None:
        size = (generator.image_size, generator.image_size)
        sized = image[None]
        if image.shape[-2:] != size:
            sized = F.interpolate(sized, size, mode="bilinear", antialias=True, align_corners=False)
        found = generator.invert(sized.clamp(0, 1))
        kept = found.codes[0], float(found.psnr[0])
    return image_reference(image, image.shape[-1], kept[0]), kept[1]


def save_code(reference: Reference, psnr: float, generator: Generator, out: Path) -> None:
    """Write a reference's code into `out`, for `with_code`.

    Raises:
        StoreError: `out` cannot be written.
    """
    if reference.code is not None:
        tensors = {"code": reference.code, "psnr": torch.tensor(psnr)}
        metadata = _of_code(reference, generator)
        replace_tensors(make_folder(out) / CODE, tensors, metadata)


def _of_code(reference: Reference, generator: Generator) -> dict[str, str]:
    generated = json.dumps(generator.identity(), sort_keys=True)
    return {"image": _content(reference.image), "generator": generated}


def _saved_code(path: Path, metadata: dict[str, str]) -> tuple[Tensor, float] | None:
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            if file.metadata() != metadata:
                return None
            return file.get_tensor("code"), float(file.get_tensor("psnr"))
    except SafetensorError as error:
        raise StoreError(f"{str(path)!r} is damaged; delete it") from error
