"""Libraries of the package's extras, imported at the first use."""

from importlib import import_module
from typing import Any

from invariscope.errors import InputError


def missing(what: str, extra: str) -> InputError:
    """Make the error about a library of an extra that is not installed."""
    return InputError(
        f"this needs {what}, which is not installed; run pip install '.[{extra}]' in the folder of "
        "invariscope's repository"
    )


def optional_library(module: str, extra: str, name: str | None = None) -> Any:
    """Import a module of an extra's library.

    Args:
        module: dotted, such as `sklearn.svm`.
        extra: of invariscope, such as `analysis`.
        name: of the library, if another name than the module's first word.

    Raises:
        InputError: the library is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise missing(name or module.partition(".")[0], extra) from error
