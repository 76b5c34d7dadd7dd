"""The contract of every subject: images in, responses at named sites out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invariscope import validate
from invariscope.photos.transform import PhotoRule
from invariscope.subjects.pixels import resize_images
from invariscope.units import Sites, SiteTable, find_site

PIXELS = "pixels"


class Subject(ABC):
    """Something that responds to images.

    Attributes:
        name: how a person calls it, such as `embedded:standard`.
        image_size: height and width in pixels that it sees.
        device: where its answers live.
        incomplete: whether NaN means "not recorded" (a rig) rather than a fault.
        classes: names of the readout's units, where there are any.
        natural: a table of its responses to natural images, where there is one.
        compiled: whether its answers come from compiled code.
        noisy: sites at which the same image can be answered otherwise the next time.
        repeats: how many answers of a noisy site are averaged in what is reported.
        photo: how photos are cropped for it; by default to the largest square.
        older_names: sites by the names that older versions of its library gave them.
        class_token: False for a network whose token 0 is a register or a patch.
        cuts_short: whether a pass may end at the deepest site asked for.
        checked: sites whose answers were found to depend on the image alone (`trust`).
        compared: natural statistics that were found to be of its answers: file and time of change.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.load_subject("embedded:standard")
        >>> answers = subject.respond(torch.rand(2, 3, 96, 96), ["layer4", "fc"])
        >>> answers["layer4"].shape, answers["fc"].shape
        (torch.Size([2, 256, 3, 3]), torch.Size([2, 10]))
    """

    name: str
    image_size: int
    device: torch.device
    incomplete: bool = False
    classes: tuple[str, ...] = ()
    natural: Path | None = None
    compiled: bool = False
    repeats: int = 1
    class_token: bool = True
    cuts_short: bool = True
    checked: frozenset[str] = frozenset()
    compared: frozenset[tuple[Path, int]] = frozenset()
    older_names: Mapping[str, str] = {}
    _photo: PhotoRule | None = None

    def __repr__(self) -> str:
        """Name the subject, its size and its device in one line."""
        known = [repr(self.name), f"image_size={self.image_size}"]
        known += [f"classes={len(self.classes)}"] if self.classes else []
        return f"{type(self).__name__}({', '.join(known)}, device={self.device})"

    @property
    def noisy(self) -> frozenset[str]:
        return frozenset()

    @property
    def fixed(self) -> object | None:
        """State beside the images that decides a pass, while that state stays the same; else None.

        Where there is one, a pass runs nothing that counts but its device's kernels.
        """
        return None

    @property
    def photo(self) -> PhotoRule:
        return self._photo or PhotoRule(self.image_size)

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Describe weights, architecture and preprocessing as plain values: who answers."""

    def natural_identity(self) -> dict[str, Any]:
        """Describe the origin of answers to natural images: natural statistics belong there."""
        return self.identity()

    @abstractmethod
    def _sites(self) -> Sites:
        """List sites other than `pixels`, shapes without the batch, shallow to deep."""

    @abstractmethod
    def _respond(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
        """Respond to images of the right size, for at least one site."""

    def _aliases(self) -> Mapping[str, str]:
        """Map other names to the sites."""
        return {}

    def _other_outputs(self) -> Mapping[str, str]:
        """List outputs that are no site, each with the reason as the rest of a sentence."""
        return {}

    def folding(self) -> AbstractContextManager[None]:
        """Fold batch norms into convolutions in every pass within the context.

        Only where no site that is asked for lies between the two, so answers change by rounding.
        Weights must stay as they are within the context.
        """
        return nullcontext()

    def folded_norms(self, sites: Iterable[str]) -> int:  # noqa: ARG002  (for networks)
        """Count the batch norms that a pass for `sites` folds now."""
        return 0

    def sites(self) -> SiteTable:
        """List every site and its shape without the batch: `pixels`, then shallow to deep."""
        pixels = {PIXELS: (3, self.image_size, self.image_size)}
        return SiteTable(
            {**pixels, **self._sites()},
            self._aliases(),
            older=self.older_names,
            class_token=self.class_token,
            classes=self.classes,
            others=self._other_outputs(),
        )

    def see(self, images: Tensor) -> Tensor:
        """Resize images whole, never cropped, to the size that reaches the subject.

        Args:
            images: `(n, 3, height, width)` in [0, 1].

        Returns:
            `(n, 3, image_size, image_size)` float32 in [0, 1]: the site `pixels`.
        """
        images = validate.images(images).to(self.device, torch.float32)
        return resize_images(images, self.image_size)

    @torch.no_grad()
    def respond(self, images: Tensor, sites: Iterable[str]) -> dict[str, Tensor]:
        """Respond to a batch of images at `sites`, in one pass.

        Args:
            images: `(n, 3, height, width)` in [0, 1], any size.
            sites: names from `sites()`.

        Returns:
            For each site its raw output `(n, *shape)`.

        Raises:
            InputError: images of another shape or dtype, or an unknown site.
        """
        asked, known = tuple(dict.fromkeys(sites)), self.sites()
        wanted = tuple(find_site(site, known) for site in asked)
        seen = self.see(images)
        deeper = tuple(dict.fromkeys(site for site in wanted if site != PIXELS))
        responses = self._respond(seen, deeper) if deeper else {}
        answers = {PIXELS: seen, **responses}
        return {name: answers[site] for name, site in zip(asked, wanted, strict=True)}
