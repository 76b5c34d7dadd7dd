"""A PyTorch network as a subject: every module's output is a site."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from invariscope import validate
from invariscope.devices import part_of_batch, place
from invariscope.errors import InputError, InvariscopeError
from invariscope.photos.transform import PhotoRule
from invariscope.subjects import original_names
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.batch_norm import FoldedNorms
from invariscope.subjects.compiled import compile_taps
from invariscope.subjects.model import (
    FAILURES,
    check_weights,
    failure,
    has_class_token,
    own_code,
    refuse_training,
    refuse_unusable,
)
from invariscope.subjects.preprocessing import MEAN, ORDERS, STD, Preprocessing, channel_numbers
from invariscope.subjects.trial import FEW, Tap, find_taps, first_tensor, hooked
from invariscope.subjects.trust import probe_images
from invariscope.units import Sites, find_site
from invariscope.zoo.weight_file import weights_hash

VIEWS = "view size is not compatible"  # torch's words about `x.view` on a channels-last tensor


class _DeepestReached(Exception):  # noqa: N818  (a signal, not an error)
    """Ends a forward pass once the deepest site asked for has been read."""


def _has_own_weights(module: nn.Module) -> bool:
    leaf = next(module.children(), None) is None
    return leaf and next(module.parameters(recurse=False), None) is not None


def _in_float32(module: nn.Module, inputs: tuple[Any, ...]) -> Any:
    """Convert a tapped layer's output to float32, when the layers before ran in bf16."""
    with torch.autocast(inputs[0].device.type, enabled=False):
        return module.forward(*(x.float() if _is_float(x) else x for x in inputs))


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


@final
class NetworkSubject(Subject):
    """Any `nn.Module` that maps a batch of images to a tensor.

    A site is a dotted module name; its response is the module's raw output (of a tuple or a
    mapping the first tensor). A module called more than once an image has the sites `name`,
    `name@2`, …. Preprocessing happens inside: images in [0, 1] of any size are resized whole to
    `image_size`, brought to the network's range and channel order, and standardised.

    Args:
        model: a network in eval mode with float32 weights; it is not changed.
        image_size: height and width of its input in pixels.
        mean, std: one number or one a channel, in the network's own range and channel order: any
            finite mean, any SD above 0.
        value_range: 1 for a network that takes values from 0 to 1, 255 for 0 to 255.
        channels: `RGB`, `BGR`, or `L` for a network that takes one channel: the luminance
            0.299 R + 0.587 G + 0.114 B of the image's values (ITU-R BT.601, as Pillow has it).
        photo: how photos are cropped for it; by default to the largest square.
        name: how a person calls it.
        classes: names of the readout's units, where there are any.
        older_names: modules by names under which they are found, too.
        natural: a table of its natural statistics (see `sns.natural`).
        device: where it runs; the model is moved there.
        compiled: whether each set of sites asked for is compiled once (torch.compile): slow to
            start, then faster; last digits differ from the plain path.

    Raises:
        InputError: the model is in training mode, has weights that are not finite float32
            numbers, or fails on an image of that size; preprocessing that is not understood.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()).eval()
        >>> subject = iv.NetworkSubject(model, image_size=32, mean=0.5, std=0.25)
        >>> subject.respond(torch.rand(4, 3, 64, 64), ["1"])["1"].shape
        torch.Size([4, 8, 30, 30])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        image_size: int,
        mean: float | Sequence[float] = MEAN,
        std: float | Sequence[float] = STD,
        value_range: float = 1,
        channels: str = "RGB",
        photo: PhotoRule | None = None,
        name: str | None = None,
        classes: Sequence[str] = (),
        older_names: Mapping[str, str] | None = None,
        natural: Path | None = None,
        device: torch.device | str = "cpu",
        compiled: bool = False,
    ) -> None:
        refuse_unusable(model, torch.device(device))
        refuse_training(model)
        check_weights(model)
        if not isinstance(image_size, Integral):
            expected = "one whole number, the side of square images"
            raise InputError(f"image_size is {image_size!r}; expected {expected}")
        validate.at_least("image_size", image_size, 1)
        validate.one_of("channel order", channels, ORDERS)
        validate.above("value_range", value_range, 0)
        self.device = torch.device(device)
        self.model = place(model, self.device)
        self.image_size = image_size
        self.classes = tuple(classes)
        self.natural = natural
        self.name = name or type(model).__name__
        self.class_token = has_class_token(model)
        self.compiled = compiled
        self._photo = photo
        self.older_names = dict(older_names or {})
        self._memory_format = torch.channels_last
        self._lowered = False  # whether the engine, not the network itself, asked for bf16
        self._norms: FoldedNorms | None = None  # while batch norms are folded
        self._runners: dict[tuple[str, ...], Callable[[Tensor], tuple[Tensor, ...]]] = {}
        self.preprocessing = Preprocessing(
            channels,
            float(value_range),
            channel_numbers("mean", mean, channels).to(self.device),
            channel_numbers("std", std, channels).to(self.device),
        )
        if not bool((self.preprocessing.std > 0).all()):
            raise InputError(f"std is {std}; expected numbers above 0")

    def identity(self) -> dict[str, Any]:
        own = self.preprocessing
        identity: dict[str, Any] = {
            **self._network,
            "image_size": self.image_size,
            "mean": [round(float(x), 6) for x in own.mean.flatten()],
            "std": [round(float(x), 6) for x in own.std.flatten()],
        }
        # Written only where they are not what most networks have.
        identity |= {"value_range": own.value_range} if own.value_range != 1 else {}
        return identity | ({"channels": own.channels} if own.channels != "RGB" else {})

    @cached_property
    def _network(self) -> dict[str, str | None]:
        return {
            "weights": weights_hash(self.model),
            "architecture": hashlib.sha256(repr(self.model).encode()).hexdigest(),
            "code": own_code(self.model),
        }

    @cached_property
    def _original_names(self) -> dict[str, str]:
        leaves = {
            name: type(module).__name__.lower()
            for name, module in self.model.named_modules()
            if next(module.children(), None) is None
        }
        order = [(name, leaves[name]) for name in self._taps if name in leaves]
        return {original_names.INPUT: PIXELS, **original_names.translations(order)}

    def _aliases(self) -> Mapping[str, str]:
        older = {old: new for old, new in self.older_names.items() if new in self._taps}
        return {**older, **self._original_names}

    def _sites(self) -> Sites:
        return {name: tap.shape for name, tap in self._taps.items()}

    def _other_outputs(self) -> Mapping[str, str]:
        return self._found[1]

    def module(self, site: str) -> nn.Module:
        """Find the module with the site's output.

        Raises:
            InputError: an unknown site, or `pixels`.
        """
        found = find_site(site, self.sites())
        if found == PIXELS:
            raise InputError("site 'pixels' belongs to no module; name another")
        return self.model.get_submodule(self._taps[found].module)

    @contextmanager
    def edited(self, site: str, edit: Callable[[Tensor], Tensor]) -> Iterator[None]:
        """Replace a site's output by `edit(output)` in every pass within the context.

        Args:
            edit: takes the site's output `(n, *shape)` and gives a tensor of the same shape; the
                output itself must not be changed.

        Raises:
            InputError: no module has that site, or the subject is compiled.
        """
        if self.compiled:
            raise InputError(f"{self.name} is compiled and cannot be edited; load it uncompiled")
        module, tap, calls = self.module(site), self._taps[find_site(site, self.sites())], 0

        def begin(_model: nn.Module, _inputs: Any) -> None:
            nonlocal calls
            calls = 0

        def replace(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls != tap.call:
                return output
            if isinstance(output, Mapping):
                kind: Any = type(output)
                first = next(iter(output))
                return kind({**output, first: edit(output[first])})
            if isinstance(output, tuple | list):
                return (edit(output[0]), *output[1:])
            return edit(output)

        handles = [
            self.model.register_forward_pre_hook(begin),
            module.register_forward_hook(replace),
        ]
        norms, self._norms = self._norms, None
        try:
            yield
        finally:
            self._norms = norms
            for handle in handles:
                handle.remove()

    @contextmanager
    def folding(self) -> Iterator[None]:
        if self.compiled or self._norms:  # the compiler folds by itself
            yield
            return
        images = probe_images(self.image_size)[:FEW].to(self.device)
        refuse_training(self.model)
        self._norms = FoldedNorms(self.model, self._forward, images)
        try:
            yield
        finally:
            self._norms = None

    @property
    def fixed(self) -> object | None:
        return self if self.compiled else self._norms

    def folded_norms(self, sites: Iterable[str]) -> int:
        known = self.sites()
        found = {find_site(site, known) for site in sites}
        tapped = {self._taps[site].module for site in found if site != PIXELS}
        return len(self._norms.untapped(tapped)) if self._norms else 0

    def _folded_at(self, tapped: Collection[str]) -> AbstractContextManager[None]:
        if self._norms is None or torch.is_grad_enabled():
            return nullcontext()
        return self._norms.folded(tapped)

    def _prepare(self, seen: Tensor) -> Tensor:
        return self.preprocessing.apply(seen).contiguous(memory_format=self._memory_format)

    def _forward(self, seen: Tensor) -> Tensor:
        return self.model(self._prepare(seen))

    def _read(self, site: str, module: nn.Module, inputs: Any, output: Any) -> Tensor:
        """Read a site's response, where its module has just run."""
        tensor = first_tensor(output)
        if tensor is None:
            raise InputError(f"site {site!r} of {self.name} gave no tensor this time")
        own = _has_own_weights(module) and any(_is_float(x) for x in inputs[:1])
        if own and self._lowered:
            return _in_float32(module, inputs)
        return tensor.clone() if self._taps[site].overwritten else tensor

    @property
    def _taps(self) -> dict[str, Tap]:
        return self._found[0]

    @cached_property
    def _found(self) -> tuple[dict[str, Tap], dict[str, str]]:
        """Find every site in the network's order, and outputs that are no site."""
        refuse_training(self.model)
        images = probe_images(self.image_size).to(self.device)
        try:
            self._settle_memory_format(images[:FEW])
            return find_taps(self.model, self._forward, images)
        except FAILURES as error:
            raise failure(self.name, self.model, self.image_size, error) from error

    @torch.no_grad()
    def _settle_memory_format(self, images: Tensor) -> None:
        """Give up channels last where the network's own `view` needs the usual order."""
        try:
            self._forward(images)
        except RuntimeError as error:
            if VIEWS not in str(error):
                raise
            self._memory_format = torch.contiguous_format
            self.model.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]

    def _respond(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
        part = part_of_batch(len(images), self.image_size, self.device)
        if part == len(images):
            return self._respond_at_once(images, sites)
        answers = [self._respond_at_once(own, sites) for own in images.split(part)]
        return {site: torch.cat([answer[site] for answer in answers]) for site in answers[0]}

    def _respond_at_once(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
        refuse_training(self.model)
        self._lowered = torch.is_autocast_enabled(self.device.type)
        wanted = {(tap.module, tap.call): site for site, tap in self._taps.items() if site in sites}
        if self.compiled:
            if sites not in self._runners:
                self._runners[sites] = compile_taps(
                    self.model, self._prepare, sites, wanted, self._read
                )
            return dict(zip(sites, self._runners[sites](images), strict=True))
        calls: dict[str, int] = {}
        responses: dict[str, Tensor] = {}

        def note(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
            calls[name] = calls.get(name, 0) + 1
            site = wanted.get((name, calls[name]))
            if site is None:
                return
            responses[site] = self._read(site, module, inputs, output)
            if self.cuts_short and len(responses) == len(wanted):
                raise _DeepestReached

        tapped = list(dict.fromkeys(name for name, _ in wanted))
        try:
            with (
                self._folded_at(tapped),
                suppress(_DeepestReached),
                hooked(self.model, tapped, note),
            ):
                self._forward(images)
        except (InvariscopeError, torch.OutOfMemoryError):
            raise
        except FAILURES as error:
            raise failure(self.name, self.model, self.image_size, error) from error
        if missed := [site for site in sites if site not in responses]:
            raise InputError(
                f"this pass of {self.name} did not reach site {missed[0]!r}: its path depends on "
                "the images; choose a site that every image reaches"
            )
        return responses
