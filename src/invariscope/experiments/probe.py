"""A few images whose scores tell whether a run goes on with the network that it began with."""

from pathlib import Path

import torch
from torch import Tensor

from invariscope import seeds
from invariscope.errors import StoreError
from invariscope.search.run import Run

PROBE = "probe"
IMAGES = 8
TOLERANCE = 0.01


def probe_codes(run: Run) -> Tensor:
    """Codes where the run begins, `(IMAGES, code_dim)` float64, that follow from its name."""
    return run.start + run.sigma * seeds.normal([(run.name, PROBE)], (IMAGES, *run.start.shape))[0]


def check_answers(folder: Path, before: Tensor, now: Tensor) -> None:
    """Make sure that a run goes on with what it began with.

    Another machine or version of torch changes an answer by its rounding, other weights,
    preprocessing or code by more.

    Args:
        folder: the run's.
        before: `(IMAGES, 3)` scores of the probe when the checkpoint was first written.
        now: the scores of the same codes now.

    Raises:
        StoreError: a score differs by more than `TOLERANCE` of the largest of its kind.
    """
    largest = torch.stack([before, now]).abs().nan_to_num(nan=0.0).amax((0, 1))
    change = (now - before).abs() / largest.clamp(min=torch.finfo(now.dtype).tiny)
    both_missing = before.isnan() & now.isnan()
    worst = float(change.masked_fill(both_missing, 0.0).nan_to_num(nan=torch.inf).max())
    if worst > TOLERANCE:
        raise StoreError(
            f"subject or generator answer otherwise than when {folder.name!r} began (by "
            f"{worst:.0%} on probe images; at most {TOLERANCE:.0%} is taken); go on with those "
            "that it began with, or choose another --out"
        )
