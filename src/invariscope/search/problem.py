"""The problem of a run, for strategies that see more than the order of candidates."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope.errors import InputError
from invariscope.generators.base import Generator
from invariscope.search.objectives import Objective
from invariscope.search.run import Run, TaughtImages
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.hybrid import HybridSubject
from invariscope.subjects.perceptual import perceptual

NO_GRADIENTS = (
    "{} passes no gradients to its codes, which the strategy 'twin' follows; choose another "
    "strategy, such as 'isotropic'"
)


@dataclass(frozen=True)
class Problem:
    """All that is known of a run before the unit's activity.

    Attributes:
        objective: with the reference's responses.
        generator: lets gradients pass.
        stage: the subject whose stretch site counts; may be None for `pixels`.
        reference_code: `(code_dim,)`, where known.
        taught: what earlier runs showed to the unit.
    """

    objective: Objective
    generator: Generator
    stage: Subject | None = None
    reference_code: Tensor | None = field(repr=False, default=None)
    taught: TaughtImages | None = field(repr=False, default=None)

    @classmethod
    def of(cls, run: Run, generator: Generator, stage: Subject | None) -> "Problem":
        """Make a run's problem."""
        return cls(run.objective, generator, stage, run.reference_code, run.taught)

    def stretch(self, images: Tensor) -> Tensor:
        """Measure the stretch `(n,)` of images `(n, 3, height, width)`; gradients pass.

        Raises:
            InputError: the stretch site belongs to no network that gradients pass.
        """
        objective = self.objective
        if objective.site is None or objective.site_reference is None:
            return torch.zeros(len(images), device=images.device)
        response = self._at_site(images, objective.site).flatten(1).float()
        if objective.subset is not None:
            response = response[:, torch.as_tensor(objective.subset, device=response.device)]
        change = response - objective.site_reference.to(response)
        return (change.square().sum(1) + 1e-12).sqrt()

    def _at_site(self, images: Tensor, site: str) -> Tensor:
        if site == PIXELS:
            side = self.stage.image_size if self.stage else images.shape[-1]
            if images.shape[-1] == side:
                return images
            resized = F.interpolate(
                images, (side, side), mode="bilinear", antialias=True, align_corners=False
            )
            return resized.clamp(0, 1)
        network, own = self.stage, site
        if isinstance(network, HybridSubject):
            network, own = network.network, site.removeprefix(network.prefix)
        if network is None or own not in network.sites():
            raise InputError(
                f"the stretch site {site!r} belongs to no network that is known here; the twin "
                "follows its gradient: stretch at 'pixels', or give the network as stage="
            )
        return perceptual(network, [own])(images)[0]


def images_of(generator: Generator, codes: Tensor) -> Tensor:
    """Make images of codes `(n, code_dim)` with their gradients.

    Raises:
        InputError: the generator passes no gradients.
    """
    images = generator._generate(codes.to(generator.device, torch.float32))  # noqa: SLF001
    if codes.requires_grad and not images.requires_grad:
        raise InputError(NO_GRADIENTS.format(generator.name))
    return images.float().clamp(0, 1)
