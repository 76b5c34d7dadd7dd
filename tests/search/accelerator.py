"""A stand-in for an accelerator: CPU tensors that say `cuda:0`, and what a real one would wait for.

Code that asks where a tensor is takes the accelerator's path. Counted are the operations on its
tensors, about a launch each, and the moments at which the processor waits for the device:

- a value, a list, an array or a truth of its numbers, or how many of them there are (`nonzero`, a
  mask as an index), is needed on the CPU;
- a tensor is copied from it, or to it (from memory that is not pinned torch waits, unless it is
  told `non_blocking`).

Mixing its tensors with the CPU's, which a real one refuses, fails here too.
"""

from contextlib import ExitStack
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("cuda", 0)
CPU = torch.device("cpu")
VIEWS = ("view", "_unsafe_view", "expand", "slice", "select", "unsqueeze", "squeeze", "alias")
VIEWS += ("permute", "transpose", "t.", "unbind", "split", "as_strided", "detach", "unfold")
WAITS = {"item", "tolist", "numpy", "nonzero", "__bool__", "__int__", "__float__", "__index__"}
WAITS |= {"equal", "allclose", "unique", "unique_consecutive", "masked_select", "is_nonzero"}
INDEXING = {"__getitem__", "__setitem__", "index_put_", "index_put"}
PLAIN = {"__get__", "__repr__", "dim", "size", "numel", "__len__", "stride", "is_floating_point"}
PLAIN |= {"data_ptr", "is_contiguous", "storage_offset", "untyped_storage", "element_size"}


class There(Tensor):
    """A tensor on the accelerator."""

    @property
    def device(self):
        return DEVICE

    @property
    def is_cuda(self):
        return True

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return Accelerator.now.call(func, args, kwargs or {})


def plain(value):
    """The same without the stand-in."""
    if isinstance(value, There):
        with torch._C.DisableTorchFunctionSubclass():
            return value.as_subclass(Tensor)
    if isinstance(value, torch.device) and value.type == "cuda":
        return CPU
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return value


def there(value):
    """The same on the accelerator."""
    if isinstance(value, Tensor) and not isinstance(value, There):
        with torch._C.DisableTorchFunctionSubclass():
            return value.as_subclass(There)
    if isinstance(value, list | tuple):
        return type(value)([there(part) for part in value])
    return value


def tensors(value):
    """Every tensor inside arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)


class _Launches(TorchDispatchMode):
    def __init__(self, owner):
        super().__init__()
        self.owner = owner

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.owner.launches += not func.__name__.startswith(VIEWS)
        return func(*args, **(kwargs or {}))


class Accelerator(TorchFunctionMode):
    """Makes and counts while it is entered.

    Attributes:
        launches: operations on the accelerator's tensors, views left out.
        waits: the names of the calls for which the processor waited.
        free_beside: names of calls that may take tensors of the CPU beside.
    """

    now = None

    def __init__(self):
        super().__init__()
        self.launches, self.waits, self.free_beside = 0, [], set()
        Accelerator.now = self

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self.call(func, args, kwargs or {})

    def call(self, func, args, kwargs):
        """Do what a call of torch's asks, where it asks for it."""
        name = func.__name__
        if func is torch.device:
            return func(*args, **kwargs)
        given = [*tensors(args), *tensors(kwargs)]
        inside = any(isinstance(tensor, There) for tensor in given)
        asked = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.device)]
        to = {torch.device(d).type for d in asked} | {
            torch.device(v).type
            for v in (kwargs.get("device"), *(args[1:2] if name == "to" else ()))
            if isinstance(v, str)
        }
        if name == "__get__" or (name in PLAIN and inside):
            with torch._C.DisableTorchFunctionSubclass():
                if inside and resolve_name(func) == "torch.Tensor.device.__get__":
                    return DEVICE
                return self._wrapped(func(*args, **kwargs), inside)
        out = "cuda" in to or (inside and name != "cpu" and "cpu" not in to)
        if name in ("to", "copy_") and given[1:]:  # like another tensor, or from one
            out = isinstance(given[1] if name == "to" else given[0], There)
        self._judge(name, args, kwargs, given, inside, out)
        a, k = plain(tuple(args)), {key: plain(value) for key, value in kwargs.items()}
        if isinstance(k.get("device"), str) and k["device"].startswith("cuda"):
            k["device"] = CPU
        counted = out or inside
        with torch._C.DisableTorchFunctionSubclass(), ExitStack() as stack:
            if counted:
                stack.enter_context(_Launches(self))
            found = func(*a, **k)
        if args and name.endswith("_") and not name.startswith("__") and isinstance(args[0], There):
            return args[0]
        return self._wrapped(found, out)

    @staticmethod
    def _wrapped(found, out):
        return there(found) if out else found

    def _judge(self, name, args, kwargs, given, inside, out):
        """Note a wait; refuse what a real device refuses."""
        free = kwargs.get("non_blocking") or any(value is True for value in args[1:])
        if inside and name in WAITS:
            self.waits.append(name)
        elif name in ("cpu", "to", "copy_"):
            mixed = any(isinstance(t, There) != out for t in given)
            if mixed and not (free and out):
                self.waits.append(f"{name} {'in' if out else 'out'}")
        elif name in ("tensor", "as_tensor") and out:
            self.waits.append(f"{name} in")
        elif name in INDEXING and inside:
            indices = list(tensors(args[1:2]))
            if any(index.dtype == torch.bool for index in indices) and name != "__setitem__":
                self.waits.append("mask")
            lists = isinstance(args[1], list) or (
                isinstance(args[1], tuple) and any(isinstance(i, list) for i in args[1])
            )
            if lists or any(not isinstance(index, There) for index in indices):
                self.waits.append("index in")
        elif inside and name not in self.free_beside:
            here = [t for t in given if not isinstance(t, There) and t.ndim]
            if here:
                raise RuntimeError(f"{name}: a tensor of the CPU beside the accelerator's")


def patched():
    """Let torch make tensors for a device that is not there."""
    return patch.object(torch.cuda, "_lazy_init", lambda: None)
