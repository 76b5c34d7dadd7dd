"""An analytic generator and subject, with their best stretch and squeeze in closed form.

The generator reaches every image. The subject's units are linear or quadratic in the pixels,
so the true front with the stretch site `pixels` can be written down (`least_stretch`,
`most_stretch`), and a search can be held against it.
"""

import math
from typing import Any, final

import torch
from torch import Tensor

from invariscope.generators.base import Generator
from invariscope.subjects.base import Subject
from invariscope.units import Sites

GREY = 0.5
LINEAR, ENERGY = "linear", "energy"


@final
class ToyGenerator(Generator):
    """Code entry i sets pixel value i: `½ + gain · code`, clipped to [0, 1].

    Args:
        image_size: height and width in pixels; `code_dim` is `3 · image_size²`.
        gain: change of a pixel's value for a unit of code.
    """

    def __init__(
        self, image_size: int = 4, *, gain: float = 0.25, device: torch.device | str = "cpu"
    ) -> None:
        self.name = f"toy{image_size}"
        self.image_size = image_size
        self.code_dim = 3 * image_size**2
        self.device = torch.device(device)
        self.gain = gain

    def identity(self) -> dict[str, Any]:
        return {"toy": "affine", "image_size": self.image_size, "gain": self.gain}

    def _generate(self, codes: Tensor) -> Tensor:
        size = self.image_size
        return (GREY + self.gain * codes).unflatten(1, (3, size, size))

    def code_of(self, images: Tensor) -> Tensor:
        """Compute codes `(n, code_dim)` float64 of images `(n, 3, image_size, image_size)`."""
        return (images.double().flatten(1) - GREY) / self.gain


@final
class ToySubject(Subject):
    """Units that are linear or quadratic in the pixels.

    Sites, each of shape `(units,)`: `linear`, `w_k · x`; `energy`, `Σ_i w_ki² (x_i − ½)²`.

    Args:
        weights: `(units, 3, image_size, image_size)`.
    """

    def __init__(self, weights: Tensor, *, name: str = "toy") -> None:
        self.name = name
        self.weights = weights.float()
        self.image_size = weights.shape[-1]
        self.device = weights.device

    def identity(self) -> dict[str, Any]:
        return {"toy": "linear and energy", "weights": self.weights.tolist()}

    def _sites(self) -> Sites:
        return dict.fromkeys((LINEAR, ENERGY), (len(self.weights),))

    def _respond(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
        # A product and a sum for each image and unit: the batch's shape changes no bit.
        seen, own = images.flatten(1).unsqueeze(1), self.weights.flatten(1)
        answers = {
            LINEAR: lambda: (seen * own).sum(2),
            ENERGY: lambda: (own * (seen - GREY)).square().sum(2),
        }
        return {site: answers[site]() for site in sites}


def least_stretch(weights: Tensor, squeeze: float) -> float:
    """Compute the smallest stretch at `pixels` that changes a linear unit by `squeeze`.

    By Cauchy-Schwarz `|w · (x − ref)| ≤ ‖w‖ ‖x − ref‖`, with equality along w: the adversarial
    front is `stretch = squeeze / ‖w‖`, from any reference, as long as
    `ref ± squeeze · w / ‖w‖²` stays within [0, 1] with one of the signs.

    Args:
        weights: `(3, image_size, image_size)`, the unit's.
        squeeze: at least 0.
    """
    return squeeze / float(torch.linalg.vector_norm(weights.double()))


def most_stretch(mask: Tensor, squeeze: float) -> float:
    """Compute the largest stretch at `pixels` that keeps an energy unit within `squeeze`.

    A unit of weights 0 and 1 is the summed squared departure of the pixel values that it sees,
    and 0 for the reference, so its squeeze is what they add to the squared stretch; each value
    that it does not see can add ¼. The invariance front is
    `stretch² = unseen / 4 + min(squeeze, seen / 4)`.

    Args:
        mask: `(3, image_size, image_size)`, zeros and ones: the unit's weights.
        squeeze: at least 0.
    """
    seen = float(mask.sum())
    return math.sqrt((mask.numel() - seen) / 4 + min(squeeze, seen / 4))
