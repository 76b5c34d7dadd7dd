"""Sums whose last bits depend on their own numbers alone, not on batch place or neighbours.

A matrix product (`einsum`, `matmul`, `bmm`) may take another path where a row lies elsewhere in
memory, so an odd code length gave a run other last bits by its place in the batch.
"""

from torch import Tensor


def weighted_sum(weights: Tensor, rows: Tensor) -> Tensor:
    """Each run's rows added up by their weights.

    Args:
        weights: `(runs, size)`.
        rows: `(runs, size, n)`.

    Returns:
        `(runs, n)`.
    """
    return (weights.unsqueeze(2) * rows).sum(1)
