"""The original's way of working, written from its description (PAPERS §1) to be measured.

One run at a time; float32; contiguous memory; hooks that let the whole network run and copy
every tapped response to NumPy; the library `cma` with its default full covariance;
non-dominated sorting in plain Python.
"""

import copy
import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.plain_sorting import sort_fronts
from invariscope.generators.base import Generator
from invariscope.subjects.network import NetworkSubject

Floats = NDArray[np.float64]


def contiguous(module: nn.Module) -> nn.Module:
    """The module with every weight in the contiguous memory format."""
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
    return module


def contiguous_generator(generator: Generator) -> Generator:
    """A copy of a generator whose networks are in the contiguous memory format."""
    own = copy.deepcopy(generator)
    for value in vars(own).values():
        if isinstance(value, nn.Module):
            contiguous(value)
    return own


@dataclass(frozen=True)
class _Normal:
    """Normal draws of our own: the library takes NumPy's shared stream unless it is told."""

    random: np.random.Generator

    def __call__(self, *shape: int) -> Floats:
        return self.random.standard_normal(shape)


@final
class OriginalLoop:
    """One invariance run, a generation at a time.

    Args:
        generator, subject: whose networks are copied.
        unit: entry of `readout`.
        readout: the target unit's site, `(units,)`.
        site: the stretch site.
        reference: the code of the image to depart from, `(code_dim,)`.
        start: first mean code, `(code_dim,)`.
        sigma: first step size.
    """

    def __init__(
        self,
        generator: Generator,
        subject: NetworkSubject,
        *,
        unit: int,
        readout: str,
        site: str,
        reference: Tensor,
        start: Tensor,
        sigma: float = 1.0,
        population: int = 50,
        seed: int = 1,
    ) -> None:
        self.generator = contiguous_generator(generator)
        self.subject = subject
        seen = subject.identity()
        self._mean, self._std = (
            torch.tensor(seen[key], device=subject.device).view(1, 3, 1, 1)
            for key in ("mean", "std")
        )
        self.model = contiguous(copy.deepcopy(subject.model))
        self.unit, self.readout, self.site = unit, readout, site
        self.states: dict[str, NDArray[np.float32]] = {}
        for name in (site, readout):
            self.model.get_submodule(name).register_forward_hook(self._record(name))
        self.archive: list[tuple[list[float], Floats]] = []
        self.respond(self.images(reference.double().unsqueeze(0).numpy()))
        self._reference = dict(self.states)
        import cma  # noqa: PLC0415  (slow to import, and only this needs it)

        draws = _Normal(np.random.default_rng(seed))
        options = {"popsize": population, "seed": np.nan, "randn": draws, "verbose": -9}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.optimiser: Any = cma.CMAEvolutionStrategy(start.double().numpy(), sigma, options)

    def _record(self, name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self.states[name] = output.detach().cpu().numpy().copy()

        return hook

    def ask(self) -> list[Floats]:
        """The codes of a generation."""
        return self.optimiser.ask()

    def images(self, codes: Floats) -> Tensor:
        """The images of codes `(n, code_dim)`, as the network is shown them."""
        images = self.generator.generate(torch.from_numpy(codes).float())
        return self.subject.see(images).contiguous()

    @torch.no_grad()
    def respond(self, images: Tensor) -> None:
        """Run the whole network; hooks keep the responses."""
        self.model(((images - self._mean) / self._std).contiguous())

    def scores(self) -> list[list[float]]:
        """The two costs of each image: minus its stretch, and its squeeze."""
        away = self.states[self.site] - self._reference[self.site]
        stretch = np.linalg.norm(away.reshape(len(away), -1), axis=1)
        activity = self.states[self.readout][:, self.unit]
        squeeze = np.abs(activity - self._reference[self.readout][:, self.unit])
        return [[-float(a), float(b)] for a, b in zip(stretch, squeeze, strict=True)]

    def rank(self, costs: list[list[float]], codes: list[Floats]) -> list[int]:
        """Each candidate's place, and the archive with this generation's first front."""
        fronts = sort_fronts(costs)
        order = [i for front in fronts for i in sorted(front, key=lambda i: costs[i][1])]
        union = self.archive + [(costs[i], codes[i]) for i in fronts[0]]
        best = sort_fronts([cost for cost, _ in union])[0]
        self.archive = [union[i] for i in best]
        places = [0] * len(order)
        for place, i in enumerate(order):
            places[i] = place
        return places

    def tell(self, codes: list[Floats], places: list[int]) -> None:
        """Update the optimiser."""
        self.optimiser.tell(codes, places)

    def generation(self) -> None:
        """One generation of the run."""
        codes = self.ask()
        self.respond(self.images(np.stack(codes)))
        self.tell(codes, self.rank(self.scores(), codes))

    def checkpoint_bytes(self) -> int:
        """The size of the optimiser's state as the library writes it."""
        return len(self.optimiser.pickle_dumps())
