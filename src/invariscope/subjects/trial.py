"""The sites of a network, found by trial passes: modules that give responses, with shapes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

FEW, MORE = 2, 3  # images of the trial passes


@dataclass(frozen=True)
class Tap:
    """One site: the call of a module, and the way to read its output.

    Attributes:
        module: its dotted name.
        call: 1 for the module's first call within a pass.
        shape: of its output, without the batch.
        overwritten: whether a later operation, or the next pass, writes into its output.
    """

    module: str
    call: int
    shape: tuple[int, ...]
    overwritten: bool

    @property
    def site(self) -> str:
        return self.module if self.call == 1 else f"{self.module}@{self.call}"


def first_tensor(output: Any) -> Tensor | None:
    """Return a module's output: a tensor, or the first of several."""
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


@contextmanager
def hooked(model: nn.Module, names: Sequence[str], note: Any) -> Iterator[None]:
    """Call `note(name, module, inputs, output)` after modules of a model, within the context."""
    handles = []
    try:
        for name in names:
            module = model.get_submodule(name)

            def hook(module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
                note(name, module, inputs, output)

            handles.append(module.register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


def find_taps(
    model: nn.Module, forward: Callable[[Tensor], Any], images: Tensor
) -> tuple[dict[str, Tap], dict[str, str]]:
    """Find every site, in the order of a network's passes, by three passes.

    The first has another number of images than the second, which shows what follows the batch;
    what the third writes into was not the second one's to keep.

    Args:
        model: in eval mode.
        forward: a pass through it.
        images: at least `MORE + FEW` different ones.

    Returns:
        The taps by site, and why other modules' outputs are no sites.
    """
    names = [name for name, _ in model.named_modules() if name]
    lengths: dict[tuple[str, int], int] = {}
    outputs: dict[tuple[str, int], tuple[Tensor | None, tuple[float, ...]]] = {}
    calls: Counter[str] = Counter()

    def measure(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        calls[name] += 1
        tensor = first_tensor(output)
        lengths[name, calls[name]] = len(tensor) if tensor is not None and tensor.ndim else 0

    def keep(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        calls[name] += 1
        tensor = first_tensor(output)
        outputs[name, calls[name]] = tensor, _content(tensor)

    with torch.no_grad():
        with hooked(model, names, measure):
            forward(images[:MORE])
        calls.clear()
        with hooked(model, names, keep):
            forward(images[MORE : MORE + FEW])
        forward(images[:FEW])
    taps, others = {}, {}
    for (name, call), (tensor, before) in outputs.items():
        tap = Tap(
            name,
            call,
            () if tensor is None else tuple(tensor.shape[1:]),
            _content(tensor) != before,
        )
        if why := _why_no_site(tensor, lengths.get((name, call))):
            others[tap.site] = why
        else:
            taps[tap.site] = tap
    return taps, others


def _content(tensor: Tensor | None) -> tuple[float, ...]:
    """Sum up a tensor in numbers that change at a write: torch's own count, and sums beside."""
    if tensor is None or tensor.layout != torch.strided or tensor.is_quantized:
        return ()
    version = 0 if tensor.is_inference() else tensor._version  # noqa: SLF001
    values = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    values = values.detach().double().nan_to_num()
    return version, float(values.sum()), float(values.square().sum())


def _why_no_site(tensor: Tensor | None, more: int | None) -> str:
    """Say why a module's output is no site; "" where the output is a site."""
    if tensor is None:
        return "gives no tensor first; wrap it in a module that gives the tensor that is meant"
    if tensor.layout != torch.strided or tensor.is_quantized:
        return "gives a sparse or quantized tensor; wrap it in a module that gives a plain one"
    if tensor.is_complex():
        return "gives complex numbers; wrap it in a module that gives their size or a part"
    if not tensor.ndim or len(tensor) != FEW or more != MORE:
        return "gives no tensor whose first dimension is the images; wrap it in a module that does"
    if tensor.ndim < 2 or not tensor.numel():
        return "gives no units; wrap it in a module that gives (images, units)"
    return ""
