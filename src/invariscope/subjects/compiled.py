"""A network compiled for a fixed set of sites: fused, folded, and cut after the deepest site.

The compiler sees what is tapped as outputs of the graph, so it folds and fuses freely between
them and never across one; what no tap needs is not computed.
"""

import copy
import shutil
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import InputError

Read = Callable[[str, nn.Module, tuple[Tensor, ...], Any], Tensor]


class _Tapped(nn.Module):
    """A network that outputs the responses at some sites, in their order."""

    def __init__(
        self,
        model: nn.Module,
        prepare: Callable[[Tensor], Tensor],
        sites: Sequence[str],
        places: dict[tuple[str, int], str],
        read: Read,
    ) -> None:
        super().__init__()
        # The twin shares every weight; only the hooks are its own.
        shared = {id(t): t for t in [*model.parameters(), *model.buffers()]}
        self.model = copy.deepcopy(model, shared)
        self.prepare, self.sites, self.read = prepare, tuple(sites), read
        self.found: dict[str, Tensor] = {}
        self.calls: dict[str, int] = {}
        for name in dict.fromkeys(name for name, _ in places):
            module = self.model.get_submodule(name)

            def hook(module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
                self.calls[name] = self.calls.get(name, 0) + 1
                site = places.get((name, self.calls[name]))
                if site is not None:
                    self.found[site] = self.read(site, module, inputs, output)

            module.register_forward_hook(hook)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        self.found, self.calls = {}, {}
        self.model(self.prepare(images))
        return tuple(self.found[site] for site in self.sites)


def compile_module(module: nn.Module) -> Callable[[Tensor], Any]:
    """Compile the module for fixed shapes, with its weights as constants.

    Raises:
        InputError: this machine has no C++ compiler or no setuptools (needed on the CPU).
    """
    on_cpu = all(p.device.type == "cpu" for p in module.parameters())
    if on_cpu and not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        raise InputError(
            "compiling for the CPU needs a C++ compiler, and none was found; install g++, or "
            "leave --compile out"
        )
    if on_cpu and find_spec("setuptools") is None:  # not every torch brings it
        raise InputError(
            "compiling for the CPU needs setuptools, and it was not found; pip install "
            "setuptools, or leave --compile out"
        )
    return torch.compile(module.eval(), dynamic=False, options={"freezing": True})


def compile_taps(
    model: nn.Module,
    prepare: Callable[[Tensor], Tensor],
    sites: Sequence[str],
    places: dict[tuple[str, int], str],
    read: Read,
) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Compile images → the responses at `sites`, at the first call.

    Args:
        model: in eval mode; it is not changed, its weights are shared.
        prepare: preprocessing of images in [0, 1].
        sites: what is returned, in this order.
        places: the module and the number of its call for each site.
        read: how a site's response is taken from a module, its inputs and its output.
    """
    return compile_module(_Tapped(model, prepare, sites, places, read))
