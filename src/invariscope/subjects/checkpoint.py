"""Weights from a local file into a model, in every layout that published networks come in.

Plain state dicts; under `state_dict`, `model` or the like beside other things; with prefixes such
as `module.` (DataParallel), `model.` (RobustBench) or `module.model.` beside a normaliser and an
attacker with copies of all weights (the `robustness` library). Nothing in a file is ever run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from invariscope.errors import InputError

State = Mapping[str, Tensor]
# A normaliser inside the file: its mean and its standard deviation.
NORMALISERS = (("new_mean", "new_std"), ("mean", "std"), ("mu", "sigma"))
# In a file but not in the model: copies, heads for training, a block that is never called.
UNUSED = re.compile(r"(^|\.)(attacker|sub_block1|aux1|aux2|AuxLogits)\.|(^|\.)num_batches_tracked$")


@dataclass(frozen=True)
class Normaliser:
    """The mean and divisor that a checkpoint applies to images in [0, 1], a channel each."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_state(model: nn.Module, state: State, source: str) -> Normaliser | None:
    """Put weights into a model, whatever prefix their names have.

    Args:
        model: it is changed.
        state: every weight and buffer of the model, under one common prefix; besides them at
            most a normaliser and copies of weights.
        source: what the weights are from, for messages.

    Returns:
        The normaliser that was with them, if any.

    Raises:
        InputError: weights that are missing, left over, or of another shape.
    """
    own = model.state_dict()
    prefix = _prefix(own, state, source)
    used = {prefix + k for k in own}
    rest = {k: v for k, v in state.items() if k not in used and not UNUSED.search(k)}
    normaliser = _normaliser(rest)
    if rest:
        names = sorted(rest)
        raise InputError(
            f"{source} does not fit this architecture: it has {names[0]!r} "
            f"({len(names)} such), which the model lacks; check the model's name"
        )
    for key in own:  # in place, since the mapping also knows its format's version
        own[key] = state.get(prefix + key, own[key]).to(own[key].dtype)
    model.load_state_dict(own)
    return normaliser


def _prefix(own: State, state: State, source: str) -> str:
    """Find the prefix of all of the model's names in `state`, in the right shapes."""
    needed = [k for k in own if not k.endswith("num_batches_tracked")]
    last = needed[-1]
    found = [k.removesuffix(last) for k in state if k == last or k.endswith("." + last)]
    prefixes = sorted((p for p in found if "attacker" not in p), key=len)
    if not prefixes:
        theirs = next(iter(state), "nothing")
        raise InputError(
            f"{source} does not fit this architecture: {last!r} is not in it (it begins with "
            f"{theirs!r}); check the model's name"
        )
    missing = {p: [k for k in needed if p + k not in state] for p in prefixes}
    prefix = min(prefixes, key=lambda p: len(missing[p]))
    if missing[prefix]:
        raise InputError(
            f"{source} does not fit this architecture: {prefix + missing[prefix][0]!r} "
            f"({len(missing[prefix])} such) is not in it; check the model's name"
        )
    for key in needed:
        if state[prefix + key].shape != own[key].shape:
            raise InputError(
                f"{source} does not fit this architecture: {prefix + key!r} has shape "
                f"{tuple(state[prefix + key].shape)}; the model's is {tuple(own[key].shape)}"
            )
    return prefix


def _normaliser(rest: dict[str, Tensor]) -> Normaliser | None:
    """Take a normaliser out of a file's tensors beside the weights."""
    for mean, std in NORMALISERS:
        for key in [k for k in rest if k.rpartition(".")[2] == mean]:
            other = key.removesuffix(mean) + std
            if other in rest and rest[key].numel() == rest[other].numel() == 3:
                found = [rest.pop(k).flatten().tolist() for k in (key, other)]
                return Normaliser(*(tuple(round(x, 6) for x in values) for values in found))
    return None
