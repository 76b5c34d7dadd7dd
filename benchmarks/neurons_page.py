"""`docs/neurons.md` and its galleries."""

from pathlib import Path
from typing import Any


def write(figures: dict[str, Any], out: Path, root: Path) -> None:
    """Write the page and the galleries."""
