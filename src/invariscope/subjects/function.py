"""Any callable as a subject: images in, numbers out, nothing inside to look at."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError, InvariscopeError, SubjectError
from invariscope.plurals import number_of
from invariscope.subjects.base import Subject
from invariscope.units import Sites

OUTPUT = "output"
GREY = 0.5


@final
class FunctionSubject(Subject):
    """A callable that answers images with numbers: a model in another language, a fit, a rig.

    Its sites are `pixels` and `output`, so `pixels` is where it is stretched; for another
    stretch site join it to a network with `HybridSubject`.

    Args:
        function: takes images `(n, 3, image_size, image_size)`, float32 in [0, 1], a tensor on
            `device` (an array with `numpy=True`), and gives `(n,)` or `(n, units)` numbers, as
            array, tensor or list. It is called with as many images as a generation has, at
            least 32.
        name: what it is, for a person and for the names of runs: another function needs
            another name.
        image_size: height and width in pixels that it sees.
        repeats: how many answers make a reported number. 1 for a function that always answers
            the same; more for a noisy one: the search sees single answers, and what it reports
            is measured again, so often, and averaged.
        numpy: whether it takes arrays.
        incomplete: whether NaN means "not recorded" rather than a fault.
        classes: names of its units, where they have any.
        natural: a table of its natural statistics (see `sns.natural`).
        device: where its images are made.

    Raises:
        InputError: no name, or repeats below 1.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> def brightness(images):
        ...     return images.mean((1, 2, 3))
        >>> subject = iv.FunctionSubject(brightness, name="brightness", image_size=16)
        >>> subject.respond(torch.ones(2, 3, 16, 16), ["output"])["output"].shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        name: str,
        image_size: int,
        repeats: int = 1,
        numpy: bool = False,
        incomplete: bool = False,
        classes: Sequence[str] = (),
        natural: Path | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if not name.strip():
            raise InputError("a function needs a name, by which its runs are told from others'")
        validate.at_least("repeats", repeats, 1)
        validate.at_least("image_size", image_size, 1)
        self.name = name
        self.image_size = image_size
        self.repeats = repeats
        self.incomplete = incomplete
        self.classes = tuple(classes)
        self.natural = natural
        self.device = torch.device(device)
        self._function, self._numpy = function, numpy

    def identity(self) -> dict[str, Any]:
        identity = {"function": self.name, "image_size": self.image_size}
        return identity | ({"repeats": self.repeats} if self.noisy else {})

    @property
    def noisy(self) -> frozenset[str]:
        return frozenset({OUTPUT} if self.repeats > 1 else ())

    @cached_property
    def _units(self) -> int:
        """How many numbers an image is answered with, from two grey images."""
        grey = torch.full((2, 3, self.image_size, self.image_size), GREY, device=self.device)
        return self._ask(grey).shape[1]

    def _sites(self) -> Sites:
        return {OUTPUT: (self._units,)}

    def _respond(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
        answers = self._ask(images)
        if answers.shape[1] != self._units:
            raise SubjectError(
                f"{self.name} answered with {number_of(answers.shape[1], 'number')} an image; "
                f"expected {self._units}, as before"
            )
        return dict.fromkeys(sites, answers)

    def _ask(self, images: Tensor) -> Tensor:
        """Call the function for answers `(n, units)`, float32 on the device.

        Raises:
            SubjectError: it answered with something else.
        """
        shown = images.clone()  # its own, to work on in place if it likes
        try:
            answers = self._function(shown.cpu().numpy() if self._numpy else shown)
        except (InvariscopeError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise SubjectError(
                f"{self.name} fails on images of {self.image_size} × {self.image_size} px "
                f"({type(error).__name__}: {error})"
            ) from error
        numbers = self._numbers(answers)
        n = len(images)
        if numbers.ndim not in (1, 2) or len(numbers) != n or numbers.numel() == 0:
            raise SubjectError(
                f"{self.name} answered {number_of(n, 'image')} with shape {tuple(numbers.shape)}; "
                f"expected ({n},) or ({n}, units)"
            )
        return numbers.reshape(n, -1)

    def _numbers(self, answers: Any) -> Tensor:
        """Convert a function's answer to float32 of our own; masked entries of an array are NaN."""
        try:
            if isinstance(answers, np.ma.MaskedArray):
                answers = np.ma.filled(answers.astype(np.float32), np.nan)
            found = answers if isinstance(answers, Tensor) else np.asarray(answers)
            tensor = torch.as_tensor(found).detach()
            if tensor.is_complex():
                raise SubjectError(f"{self.name} answered with complex numbers; expected real ones")
            return tensor.to(self.device, torch.float32, copy=True).to_dense()
        except (TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, SubjectError):
                raise
            raise SubjectError(f"{self.name} answered with something that is no number") from error
