"""Networks of one architecture that take a step together: stacked, or a single network."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from invariscope.categories.plan import Recipe
from invariscope.devices import place


class StackedTrainer:
    """Networks, their optimiser and one step of both.

    Several networks become one set of stacked weights, a leading axis for the networks:
    convolutions turn into grouped ones, products into batched ones (`torch.func.vmap`). SGD works
    number by number, so each network takes the step that it would take alone, up to rounding.

    Args:
        networks: of one architecture, in training mode; a single one is trained as it is, and may
            be wrapped (`DistributedDataParallel`).
        recipe: of all of them.
        device: where they go.
        compiled: whether the step is compiled.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        recipe: Recipe,
        device: torch.device,
        *,
        compiled: bool = False,
    ) -> None:
        self.recipe, self.device, self.size = recipe, device, len(networks)
        self.single = place(networks[0], device) if self.size == 1 else None
        self._parameters: dict[str, Tensor] = {}
        self._buffers: dict[str, Tensor] = {}
        if self.single is None:
            placed = [network.to(device) for network in networks]
            self._parameters, self._buffers = stack_module_state(placed)
            self._skeleton = copy.deepcopy(networks[0]).to("meta")
        else:
            self._parameters = dict(self.single.named_parameters())
            self._buffers = dict(self.single.named_buffers())
        self.sgd = torch.optim.SGD(
            self._parameters.values(),
            lr=recipe.rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )
        self._answers: Any = self._forward
        if compiled:
            self._answers = torch.compile(self._forward)

    def _forward(self, images: Tensor) -> Tensor:
        """Compute readouts, `(networks, batch, classes)`."""
        if self.single is not None:
            return self.single(images[0].contiguous(memory_format=torch.channels_last))[None]

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], own: Tensor) -> Any:
            return functional_call(self._skeleton, (parameters, buffers), (own,))

        together = vmap(one, randomness="different")
        return together(self._parameters, self._buffers, images)

    def losses(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss of each network, and its readout.

        Args:
            images: `(networks, batch, 3, side, side)`, standardised.
            labels: `(networks, batch)`.

        Returns:
            `(networks,)` float32, and `(networks, batch, classes)`.
        """
        bf16 = self.recipe.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            readout = self._answers(images)
        smooth = self.recipe.label_smoothing
        each = F.cross_entropy(
            readout.float().flatten(0, 1),
            labels.flatten(),
            label_smoothing=smooth,
            reduction="none",
        )
        return each.unflatten(0, labels.shape).mean(1), readout.detach()

    def step(self, images: Tensor, labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Take a step with every network.

        Args:
            images, labels: see `losses`.
            share: of the recipe's rate.

        Returns:
            As `losses`, before the step.
        """
        losses, readout = self.losses(images, labels)
        self.sgd.zero_grad(set_to_none=True)
        losses.sum().backward()
        for group in self.sgd.param_groups:
            group["lr"] = self.recipe.rate * share
        self.sgd.step()
        return losses.detach(), readout

    def gradients(self, network: int) -> dict[str, Tensor]:
        """Give the last step's gradients of a network, by the parameter's name."""
        named = {k: v.grad for k, v in self._parameters.items() if v.grad is not None}
        return {k: v if self.single is not None else v[network] for k, v in named.items()}

    def state(self, network: int) -> dict[str, dict[str, Tensor]]:
        """Copy a network's weights and momentum."""
        whole = {**self._parameters, **self._buffers}
        momentum = {
            name: self.sgd.state[parameter]["momentum_buffer"]
            for name, parameter in self._parameters.items()
            if self.sgd.state[parameter].get("momentum_buffer") is not None
        }
        return {"network": self._own(whole, network), "momentum": self._own(momentum, network)}

    def _own(self, tensors: Mapping[str, Tensor], network: int) -> dict[str, Tensor]:
        one = {k: v if self.single is not None else v[network] for k, v in tensors.items()}
        return {k.removeprefix("module."): v.detach().clone() for k, v in one.items()}

    @torch.no_grad()
    def load(self, network: int, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Give one network the weights and momentum that `state` gave."""
        wrapped = "module." if isinstance(self.single, nn.parallel.DistributedDataParallel) else ""
        for name, tensor in {**self._parameters, **self._buffers}.items():
            own = tensor if self.single is not None else tensor[network]
            own.copy_(state["network"][name.removeprefix(wrapped)])
        for name, parameter in self._parameters.items():
            kept = state["momentum"].get(name.removeprefix(wrapped))
            if kept is None:
                continue
            there = self.sgd.state[parameter]
            if there.get("momentum_buffer") is None:
                there["momentum_buffer"] = torch.zeros_like(parameter)
            buffer = there["momentum_buffer"]
            (buffer if self.single is not None else buffer[network]).copy_(kept)
