"""Single-neuron networks as one subject: its units are the neurons, answered in one pass."""

import re
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.subjects.model import FAILURES, failure
from invariscope.subjects.network import NetworkSubject
from invariscope.subjects.preprocessing import Preprocessing

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


class _Member(nn.Module):
    """A network with its subject's preprocessing, so that members may differ in preprocessing."""

    mean: Tensor
    std: Tensor

    def __init__(self, subject: NetworkSubject) -> None:
        super().__init__()
        own = subject.preprocessing
        self.network = subject.model
        self.channels, self.value_range = own.channels, own.value_range
        self.register_buffer("mean", own.mean.clone())
        self.register_buffer("std", own.std.clone())

    def extra_repr(self) -> str:
        return f"channels={self.channels}, value_range={self.value_range}"

    def forward(self, images: Tensor) -> Any:
        own = Preprocessing(self.channels, self.value_range, self.mean, self.std)
        return self.network(own.apply(images))


@final
class _NeuronNetworks(nn.Module):
    """All networks on the same images; their answers side by side are `neurons`."""

    def __init__(self, members: Mapping[str, NetworkSubject]) -> None:
        super().__init__()
        self.networks = nn.ModuleDict({name: _Member(s) for name, s in members.items()})
        self.neurons = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        answers = [network(images).flatten(1) for network in self.networks.values()]
        return self.neurons(torch.cat(answers, 1))


def group_networks(
    members: Mapping[str, NetworkSubject], *, name: str = "neurons", compiled: bool = False
) -> NetworkSubject:
    """Join networks that each stand for one neuron into one subject.

    The site `neurons` holds one unit a neuron, in the order given; `classes` are the neurons'
    names, and a layer inside is the site `networks.NAME.network.LAYER`. Members may differ in
    architecture, channels, range, mean and SD, not in the size of the images they see. One pass
    answers for all, so a search on a single neuron is faster on that neuron's own network.

    Args:
        members: by the neuron's name, of letters, digits, `_` and `-`; each network gives one
            number an image.
        name: how a person calls the group.
        compiled: see `NetworkSubject`.

    Raises:
        InputError: no members, a name that cannot be one, members that see images of different
            sizes or stand on different devices, or one that answers with more than one number.

    Example:
        >>> import invariscope as iv, torch
        >>> nets = [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 1)) for _ in "ab"]
        >>> subjects = [
        ...     iv.NetworkSubject(n.eval(), image_size=8, channels="L", mean=0.0, std=1.0)
        ...     for n in nets
        ... ]
        >>> group = iv.group_networks(dict(zip("ab", subjects)))
        >>> group.respond(torch.rand(5, 3, 8, 8), ["neurons"])["neurons"].shape
        torch.Size([5, 2])
    """
    _check(members)
    first = next(iter(members.values()))
    group = _NeuronNetworks(members).eval()
    return NetworkSubject(
        group,
        image_size=first.image_size,
        mean=0.0,
        std=1.0,
        name=name,
        classes=tuple(members),
        photo=first.photo,
        device=first.device,
        compiled=compiled,
    )


def _check(members: Mapping[str, NetworkSubject]) -> None:
    if not members:
        raise InputError("a group needs at least one network")
    first, reserved = next(iter(members.values())), set(dir(nn.ModuleDict()))
    for name, subject in members.items():
        if not isinstance(subject, NetworkSubject):
            raise InputError(
                f"member {name!r} is a {type(subject).__name__}; expected a NetworkSubject"
            )
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in reserved:
            raise InputError(
                f"a neuron cannot be called {name!r}; expected letters, digits, '_' and '-', and "
                "no word that torch keeps for itself"
            )
        if subject.image_size != first.image_size or subject.device != first.device:
            raise InputError(
                f"member {name!r} sees {subject.image_size} px on {subject.device}, the first one "
                f"{first.image_size} px on {first.device}; members of a group share both"
            )
    _check_one_number(members)


def _check_one_number(members: Mapping[str, NetworkSubject]) -> None:
    """Make sure that each network's whole pass gives one number an image."""
    for name, subject in members.items():
        side = subject.image_size
        grey = torch.full((2, 3, side, side), 0.5, device=subject.device)
        try:
            with torch.no_grad():
                answer = _Member(subject)(grey)
        except FAILURES as error:
            raise failure(name, subject.model, side, error) from error
        if not isinstance(answer, Tensor) or answer.numel() != 2 or len(answer) != 2:
            got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise InputError(
                f"the network of neuron {name!r} answers two images with {got}; expected one "
                "number an image"
            )
