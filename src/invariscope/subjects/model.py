"""What must hold of a model before it is measured, and the code that is its own."""

import hashlib
import inspect
from contextlib import suppress

import torch
from torch import nn

from invariscope.errors import InputError

# Their code does not change under a network, and repr tells their modules apart.
LIBRARIES = ("torch", "torchvision", "timm", "transformers", "invariscope")


def refuse_training(model: nn.Module) -> None:
    """Raise an `InputError` for a model any part of which is in training mode."""
    if any(module.training for module in model.modules()):
        raise InputError("the model is in training mode; call model.eval() first")


def check_weights(model: nn.Module) -> None:
    """Raise an `InputError` for weights that are not finite float32 numbers."""
    floats = [(k, v) for k, v in model.state_dict().items() if v.is_floating_point()]
    other = next((f"{k} is {v.dtype}" for k, v in floats if v.dtype != torch.float32), None)
    if other:
        raise InputError(f"the model's weights are not float32 ({other}); call model.float()")
    bad = [k for k, v in floats if not bool(v.isfinite().all())]
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise InputError(
            f"the model's weights hold NaN or infinity in {bad[0]!r}{more}; load them again"
        )


def own_code(model: nn.Module) -> str | None:
    """Hex sha256 of the source of a model's own classes; None where all are a library's.

    Weights and structure do not show what `forward` does. A class without source, as from a
    Python prompt, does not count.
    """
    classes = {type(module) for module in model.modules()}
    own = [c for c in classes if c.__module__.split(".")[0] not in LIBRARIES]
    sources = []
    for kind in own:
        with suppress(OSError, TypeError):
            sources.append(inspect.getsource(kind))
    return hashlib.sha256("\0".join(sorted(sources)).encode()).hexdigest() if sources else None
