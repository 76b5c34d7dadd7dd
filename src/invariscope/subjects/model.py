"""Requirements on a model before any measurement, and the model's own code."""

import hashlib
import inspect
import re
from contextlib import suppress

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from invariscope.errors import InputError
from invariscope.plurals import number_of

# Their code does not change under a network, and repr tells their modules apart.
SIZES = re.compile(r"size|shape|height|width|dimension|mat1", re.IGNORECASE)
FAILURES = Exception  # of a forward that a person wrote: anything
CLASS_TOKEN = re.compile(r"(^|[._])(cls|class)_?(tokens?|embed(ding)?)(_|\.|$)|(^|\.)cls$")
LIBRARIES = ("torch", "torchvision", "timm", "transformers", "invariscope")


def refuse_training(model: nn.Module) -> None:
    """Raise an `InputError` for a model with any part in training mode."""
    if any(module.training for module in model.modules()):
        raise InputError("the model is in training mode; call model.eval() first")


def refuse_unusable(model: nn.Module, device: torch.device) -> None:
    """Raise an `InputError` for a model with modules or numbers that cannot be read."""
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise InputError(
            f"the model is a {type(model).__name__}, which spreads a batch over devices; give its "
            ".module"
        )
    for name, module in model.named_modules():
        part = f"the model's {name!r}" if name else "the model"
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"{part} is a torch.jit script, whose modules cannot be read; give the nn.Module "
                "that it was made from"
            )
        if type(module).__name__ == "OptimizedModule":  # its own module takes seconds to import
            raise InputError(
                f"{part} was compiled by torch.compile, whose modules cannot be read; give the "
                "nn.Module that it was made from, and let invariscope compile it"
            )
    if any(is_lazy(tensor) for tensor in [*model.parameters(), *model.buffers()]):
        raise InputError(
            "the model has weights without a shape yet (lazy modules); call it once on a batch of "
            "images, and load its weights"
        )
    _refuse_state(model)
    if device.type == "meta":
        raise InputError("device 'meta' computes no numbers; choose cpu or an accelerator")


def _refuse_state(model: nn.Module) -> None:
    """Raise an `InputError` for weights without plain numbers."""
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor) or value.is_quantized:
            raise InputError(
                f"the model is quantized or keeps something else than tensors ({name!r}); give the "
                "float32 model that it was made from"
            )
        if value.is_meta:
            raise InputError(
                f"the model's weights are on the meta device ({name!r}), so without numbers; load "
                "weights into it"
            )


def failure(name: str, model: nn.Module, side: int, error: Exception) -> InputError:
    """Describe a forward pass that fails on two images of `side` pixels."""
    told = f"{type(error).__name__}: {error}"
    wanted = [getattr(m, "in_channels", 3) for m in model.modules() if isinstance(m, nn.Conv2d)]
    text = str(error)
    if wanted and wanted[0] == 1 and "channels" in text:
        way = "it takes images of one channel; give channels='L' (luminance), with its mean and std"
    elif wanted and wanted[0] == 3 and "got 1 channel" in text:
        way = "it takes images of three channels; give channels='RGB' or 'BGR'"
    elif wanted and wanted[0] != 3 and "channels" in text:
        images = f"images of {number_of(wanted[0], 'channel')}"
        way = f"it takes {images}; wrap it in a module that takes three"
    elif isinstance(error, TypeError) and ("argument" in text or "forward()" in text):
        way = "its forward takes other arguments than one batch of images; wrap it in a module"
    elif isinstance(error, KeyError | TypeError | IndexError | AttributeError):
        way = "its forward wants something else than one tensor of images; wrap it in a module"
    elif wanted and "channels" in text:
        way = (
            "its first convolution is given images whose channels come first, (n, 3, height, "
            "width); wrap a network that takes another order in a module"
        )
    elif SIZES.search(text) or isinstance(error, AssertionError):
        way = "give the image_size it was made for"
    else:
        way = "make sure that model(images) works in eval mode"
    return InputError(f"{name} fails on images of {side} × {side} px ({told}); {way}")


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


def has_class_token(model: nn.Module) -> bool:
    """Tell whether a weight is a class token by its name (`cls_token`, `class_embedding`).

    timm's networks without one keep `cls_token = None` beside their registers.
    """
    return any(CLASS_TOKEN.search(name) for name, _ in model.named_parameters())


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
