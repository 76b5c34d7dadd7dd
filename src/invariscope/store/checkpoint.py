"""What a search needs to go on, in one file that knows its run."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.store.files import replace_tensors

GENERATION = "strategy.generation"


def write_checkpoint(path: Path, run: str, packed: dict[str, Tensor]) -> None:
    """Keep what `Search.snapshot` gave of the run with that name."""
    replace_tensors(path, packed, {"run": run})


def read_checkpoint(path: Path, run: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint.

    Raises:
        StoreError: it is damaged, or of another run.
    """
    try:
        with safe_open(path, "pt") as file:
            owner = (file.metadata() or {}).get("run")
            packed = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        int(packed[GENERATION])
    except (OSError, SafetensorError, KeyError) as error:
        raise StoreError(f"{str(path)!r} is damaged; delete it to start the run again") from error
    if owner != run:
        raise StoreError(
            f"{str(path)!r} belongs to another run ({str(owner)[:12]}; expected {run[:12]}); put "
            "the right one back, or delete it to start the run again"
        )
    return packed
