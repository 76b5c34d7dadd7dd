"""Batch norms folded into the convolutions before each: fewer passes over memory.

In evaluation a batch norm is a factor and a summand a channel, and a convolution can have both in
its own weights. A trial pass finds the norms that are all that reads a convolution's output.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from invariscope.errors import InputError
from invariscope.subjects.model import FAILURES
from invariscope.subjects.trial import first_tensor, hooked


@dataclass(frozen=True)
class FoldableNorm:
    """A batch norm that may become part of a convolution.

    Attributes:
        convolution, norm: names of the two modules.
        between: names of modules whose output folding changes: the norm, and every module that
            gives the convolution's output.
    """

    convolution: str
    norm: str
    between: frozenset[str]


def _address(value: object) -> int:
    """Find the place of a tensor's numbers in memory; 0 for anything without such a place."""
    if isinstance(value, Tensor):
        with suppress(NotImplementedError, RuntimeError):
            return value.untyped_storage().data_ptr()
    return 0


def _is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Test if a module computes the forward of its class, and nothing beside."""
    hooks = module._forward_hooks or module._forward_pre_hooks  # noqa: SLF001
    return type(module) is kind and not hooks and "forward" not in vars(module)


class _Notes:
    """Notes on the readers of each convolution's output."""

    def __init__(self, model: nn.Module) -> None:
        modules = dict(model.named_modules())
        self.convolutions = {k for k, m in modules.items() if _is_plain(m, nn.Conv2d)}
        self.norms = {
            k
            for k, m in modules.items()
            if _is_plain(m, nn.BatchNorm2d) and m.running_mean is not None
        }
        self.made: dict[int, str] = {}  # place in memory → convolution
        self.kept: list[Tensor] = []  # so that no place is given away again
        self.calls: Counter[str] = Counter()
        self.gives: dict[str, set[str]] = {}  # convolution → modules with its output
        self.norm_of: dict[str, str] = {}
        self.left_out: set[str] = set()  # convolutions that something else reads, too
        self.latest: str | None = None  # the convolution whose output the latest module gave
        self.inside: str | None = None  # the convolution whose norm runs now

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        del types
        for value in tree_leaves((args, kwargs)):
            name = self.made.get(_address(value))
            if name is not None and name != self.inside:
                self.left_out.add(name)
        return func(*args, **(kwargs or {}))

    def enter(self, norm: str, inputs: tuple[Any, ...]) -> None:
        """Note that a batch norm begins."""
        convolution = self.made.get(_address(inputs[0])) if inputs else None
        if convolution is None:
            return
        if convolution in self.norm_of or convolution != self.latest:
            self.left_out.add(convolution)
        self.norm_of[convolution], self.inside = norm, convolution

    def leave(self, name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        """Note the output of a module."""
        self.calls[name] += 1
        tensor = first_tensor(output)
        if name in self.norms:
            self.inside = None
        if name in self.convolutions and tensor is not None:
            self.made[_address(tensor)] = name
            self.kept.append(tensor)
        self.latest = self.made.get(_address(tensor))
        if self.latest is not None:
            self.gives.setdefault(self.latest, set()).add(name)

    def found(self) -> list[FoldableNorm]:
        """List the norms that may be folded after this pass."""
        return [
            FoldableNorm(convolution, norm, frozenset({norm, *self.gives[convolution]}))
            for convolution, norm in self.norm_of.items()
            if self.calls[convolution] == self.calls[norm] == 1 and convolution not in self.left_out
        ]


# Where the method stands in the mode's own class, torch imports its compiler for it: two seconds.
class _Reading(_Notes, TorchDispatchMode):
    """A pass that notes the readers of each convolution's output."""

    def __init__(self, model: nn.Module) -> None:
        TorchDispatchMode.__init__(self)
        _Notes.__init__(self, model)


def _enter(reading: _Reading, norm: str, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
    reading.enter(norm, inputs)


def find_foldable(
    model: nn.Module, forward: Callable[[Tensor], Any], images: Tensor
) -> list[FoldableNorm]:
    """Find the batch norms of a model that alone read a convolution's output, by a pass.

    Both modules must be torch's own, called once, one after the other, without hooks; a model
    that cannot be watched has none.

    Args:
        model: in eval mode.
        forward: a pass through it.
        images: that pass.
    """
    reading = _Reading(model)
    handles = [
        model.get_submodule(norm).register_forward_pre_hook(partial(_enter, reading, norm))
        for norm in reading.norms
    ]
    names = [name for name, _ in model.named_modules() if name]
    try:
        with torch.no_grad(), hooked(model, names, reading.leave), reading:
            forward(images)
    except FAILURES:  # of watching: the same pass went well before
        return []
    finally:
        for handle in handles:
            handle.remove()
    return reading.found()


def _is_pointwise(convolution: Any) -> bool:
    """Test if a convolution is one product of each pixel's channels with a matrix."""
    one = convolution.kernel_size == convolution.stride == (1, 1) and convolution.groups == 1
    return one and convolution.padding in ((0, 0), "valid", "same")


def adds_bias_apart(x: Tensor) -> bool:
    """Tell if a convolution's bias takes a pass of its own here, where a product's takes none.

    On a GPU torch adds the bias to what cuDNN has written: a folded norm would cost as much memory
    traffic as before. In float32 a product leaves out TF32, so convolutions are faster there.
    """
    lowered = x.device.type == "cuda" and torch.is_autocast_enabled("cuda")
    return lowered and x.is_contiguous(memory_format=torch.channels_last)


class _Fold:
    """A convolution that computes the batch norm after its own output, too.

    Args:
        convolution, norm: in eval mode; neither is changed.
        name: of the norm.
    """

    def __init__(self, convolution: nn.Module, norm: nn.Module, name: str) -> None:
        self.convolution: Any = convolution
        self.norm: Any = norm
        self.name = name
        weight, bias = fuse_conv_bn_weights(
            self.convolution.weight,
            self.convolution.bias,
            self.norm.running_mean,
            self.norm.running_var,
            self.norm.eps,
            self.norm.weight,
            self.norm.bias,
        )
        # Autocast casts weights that require gradients once for all chunks of a generation.
        self.weight, self.bias = weight.requires_grad_(), bias.requires_grad_()
        self.matrix: Tensor | None = None  # the weight of a 1 × 1 convolution as a product has it
        self.made: Tensor | None = None  # not yet passed on by the norm

    def convolve(self, x: Tensor) -> Tensor:
        """Convolve with the folded weights, in the convolution's place."""
        self.check(self.made is None)
        if _is_pointwise(self.convolution) and adds_bias_apart(x):
            self.made = made = self._multiply(x)
            return made
        made = self.convolution._conv_forward(x, self.weight, self.bias)  # noqa: SLF001
        self.made = made
        return made

    def _multiply(self, x: Tensor) -> Tensor:
        """Multiply the pixels of channels-last maps with the weights, the bias in the same pass."""
        if self.matrix is None:
            self.matrix = self.weight.detach().flatten(1).clone().requires_grad_()
        pixels = x.permute(0, 2, 3, 1)
        made = functional.linear(pixels.flatten(0, 2), self.matrix, self.bias)
        return made.unflatten(0, pixels.shape[:3]).permute(0, 3, 1, 2)

    def pass_on(self, x: Tensor) -> Tensor:
        """Give the convolution's output unchanged, in the norm's place."""
        self.check(_address(x) == _address(self.made))
        self.made = None
        return x

    def check(self, follows: bool) -> None:
        """Raise an `InputError` where the norm does not follow its convolution."""
        if not follows:
            raise InputError(
                f"batch norm {self.name!r} did not follow its convolution this time: the network's "
                "path depends on the images; give a network with one path for all"
            )


class FoldedNorms:
    """The batch norms of a model that its passes fold; the model itself is not changed.

    Args:
        model, forward, images: see `find_foldable`.
    """

    def __init__(self, model: nn.Module, forward: Callable[[Tensor], Any], images: Tensor) -> None:
        self._model = model
        self._found = find_foldable(model, forward, images)
        self._folds: dict[str, _Fold] = {}

    def untapped(self, tapped: Collection[str]) -> list[FoldableNorm]:
        """List the norms that are folded in a pass with taps at some modules."""
        return [norm for norm in self._found if norm.between.isdisjoint(tapped)]

    def _fold(self, found: FoldableNorm) -> _Fold:
        if found.norm not in self._folds:
            convolution = self._model.get_submodule(found.convolution)
            norm = self._model.get_submodule(found.norm)
            self._folds[found.norm] = _Fold(convolution, norm, found.norm)
        return self._folds[found.norm]

    @contextmanager
    def folded(self, tapped: Collection[str]) -> Iterator[None]:
        """Fold in every pass within the context.

        Args:
            tapped: names of modules whose output is read.

        Raises:
            InputError: a norm does not follow its convolution in one of the passes.
        """
        folds = [self._fold(found) for found in self.untapped(tapped)]
        try:
            for fold in folds:
                fold.made = None
                vars(fold.convolution)["forward"] = fold.convolve
                vars(fold.norm)["forward"] = fold.pass_on
            yield
        finally:
            for fold in folds:
                vars(fold.convolution).pop("forward", None)
                vars(fold.norm).pop("forward", None)
        for fold in folds:
            fold.check(fold.made is None)
