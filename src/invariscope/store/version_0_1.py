"""Names in files of version 0.1, read under their present names."""

import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

COLUMNS = {
    "place": "candidate",
    "checkpoint": "milestone",
    "checkpoint_generation": "milestone_generation",
    "within": "tie_break",
}
CHECKPOINT = {".place": ".candidate", "strategy.shown.": "strategy.observations."}
SESSION_KEYS = {
    "search": {"most": "max_repeats"},
    "blocks": {"missing": "on_missing", "again": "max_retries"},
}


def table(stored: "pd.DataFrame") -> "pd.DataFrame":
    """Rename the columns of a stored front, study table or analysis.

    Tables of paths keep `place`, the share of the way, which was never a candidate.
    """
    if "way" in stored.columns:
        return stored
    return stored.rename(columns=COLUMNS)


def row(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the keys of a study's stored row or of a search's stored options."""
    # Each parsed line has words of its own; ten thousand rows share theirs.
    return {sys.intern(COLUMNS.get(key, key)): value for key, value in stored.items()}


def checkpoint(stored: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Rename the tensors of a stored checkpoint."""
    found = dict(stored)
    for old, new in CHECKPOINT.items():
        found = {key.replace(old, new): tensor for key, tensor in found.items()}
    return found


def study_text(stored: str) -> str:
    """Rename the keys of a stored study file."""
    stored = re.sub(r"(?m)^(\s*)within(\s*=)", r"\1tie_break\2", stored)
    return re.sub(r"\bplace(\s*=\s*[\"']center[\"'])", r"position\1", stored)


def session(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the keys of a stored session file."""
    return {
        part: {SESSION_KEYS.get(part, {}).get(key, key): value for key, value in values.items()}
        if isinstance(values, Mapping)
        else values
        for part, values in stored.items()
    }
