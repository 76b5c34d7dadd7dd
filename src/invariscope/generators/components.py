"""Principal components of more rows than fit into memory.

Halko, Martinsson and Tropp, Finding Structure with Randomness (2011), §4.5: a random subspace is
multiplied by the covariance a few times, block by block, and the components are found within it.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope import seeds

BLOCK = 2048  # rows in memory at once
EXTRA = 32  # directions beyond those asked for
ROUNDS = 8  # multiplications


def components(rows: NDArray[np.float32], dims: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """Find the widest principal components of rows, by subspace iteration.

    Args:
        rows: `(n, width)` float32, on disk or in memory.
        dims: how many.

    Returns:
        Mean `(width,)`, orthonormal directions `(dims, width)`, the variance along each
        `(dims,)`, and the total variance; float64.
    """
    n, width = rows.shape

    def blocks() -> Iterator[Tensor]:
        for start in range(0, n, BLOCK):
            yield torch.from_numpy(np.array(rows[start : start + BLOCK]))

    mean = sum(block.double().sum(0) for block in blocks()) / n
    assert isinstance(mean, Tensor)
    centre = mean.float()
    total = sum(float((block - centre).double().square().sum()) for block in blocks()) / (n - 1)
    kept = min(dims + EXTRA, width, n)
    basis = _orthonormal(seeds.normal([("components", width)], (width, kept))[0].float())
    for _ in range(ROUNDS):
        moved = torch.zeros(width, kept)
        for block in blocks():
            moved += (block - centre).T @ ((block - centre) @ basis)
        basis = _orthonormal(moved)
    inner = torch.zeros(kept, kept, dtype=torch.float64)
    for block in blocks():
        seen = ((block - centre) @ basis).double()
        inner += seen.T @ seen
    values, turns = torch.linalg.eigh(inner / (n - 1))
    order = torch.arange(kept - 1, kept - 1 - dims, -1)
    directions = (basis.double() @ turns[:, order]).T
    sign = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    return mean, directions * sign, values[order].clamp_min(1e-12), total


def _orthonormal(columns: Tensor) -> Tensor:
    return torch.linalg.qr(columns.double())[0].float()
