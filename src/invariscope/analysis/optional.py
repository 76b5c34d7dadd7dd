"""Libraries of the extra `analysis`, imported at their first use."""

from importlib import import_module
from typing import Any

from invariscope.errors import InputError


def optional_library(module: str) -> Any:
    """Import a module of scikit-learn or statsmodels.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        word = module.partition(".")[0]
        name = {"sklearn": "scikit-learn"}.get(word, word)
        raise InputError(
            f"this needs {name}, which is not installed; pip install 'invariscope[analysis]'"
        ) from error
