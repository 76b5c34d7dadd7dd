"""`file.py:factory`: a network or subject that a Python file of the user's makes."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from torch import nn

from invariscope.errors import InputError, unknown
from invariscope.subjects.base import Subject
from invariscope.subjects.sources.loaded import Loaded, Weights, with_file


def load(path: Path, factory: str, weights: Weights) -> Loaded | Subject:
    """What a function of a Python file gives: a model in eval mode, or a whole subject.

    Args:
        path: of the file; running it is what the user allowed.
        factory: a function without arguments.
        weights: `pretrained` leaves what the factory gives; else a file.

    Raises:
        InputError: no such file or function, or it gives something else.
    """
    if not path.is_file():
        raise InputError(f"no Python file {str(path)!r}; expected file.py:factory")
    module = _run(path)
    make = getattr(module, factory, None)
    if not callable(make):
        names = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        raise unknown(f"function of {path.name}", factory, names)
    made = make()
    if isinstance(made, Subject):
        if not weights.pretrained:
            raise InputError(f"{factory} gives a whole subject; leave the weights to it")
        return made
    if not isinstance(made, nn.Module):
        raise InputError(
            f"{factory} gives a {type(made).__name__}; expected a torch.nn.Module in eval mode, "
            "or an invariscope subject"
        )
    if weights.pretrained:
        return Loaded(made, {"image_size": 224})
    if not weights.file:
        raise weights.neither(f"{path.name}:{factory}")
    return with_file(Loaded(made, {"image_size": 224}), weights)


def _run(path: Path) -> Any:
    """The file as a module; it may import its neighbours."""
    whole = path.resolve()
    name = f"user_{whole.stem}_{hashlib.sha256(str(whole).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, whole)
    if spec is None or spec.loader is None:
        raise InputError(f"{str(path)!r} is no Python file; expected file.py:factory")
    module = module_from_spec(spec)
    sys.modules[name] = module  # classes find their source through it
    with _neighbours(whole.parent):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _neighbours(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
