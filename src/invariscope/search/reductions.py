"""Sums, products and solutions with last bits that depend on a run's own numbers alone.

A matrix product (`einsum`, `matmul`, `bmm`, `dot`), a triangular solution, and some functions of
single numbers (`sigmoid`, `pow`, `gelu`) may take another path where their numbers begin elsewhere
in memory. No processor's maker promises otherwise. So between `ask` and `tell` only this
module uses them, and only on numbers that begin at a multiple of `ALIGNMENT`, in a shape that
does not depend on which runs stand beside.
"""

import torch
from torch import Tensor

# Bytes: the widest register of x86 processors, and where torch places every new tensor.
ALIGNMENT = 64


def aligned(values: Tensor) -> Tensor:
    """Copy values to a memory address that no other run's values decide.

    Returns:
        The tensor itself where it begins at a multiple of `ALIGNMENT`, otherwise a copy that
        does, with the same strides where it is dense.
    """
    return values if values.data_ptr() % ALIGNMENT == 0 else values.clone()


def weighted_sum(weights: Tensor, rows: Tensor) -> Tensor:
    """Add up each run's rows by their weights.

    Args:
        weights: `(runs, size)`.
        rows: `(runs, size, n)`.

    Returns:
        `(runs, n)`.
    """
    return (weights.unsqueeze(2) * rows).sum(1)


def products(rows: Tensor, matrix: Tensor) -> Tensor:
    """Multiply each run's rows by a matrix, in a product of its own.

    Args:
        rows: `(runs, size, n)`.
        matrix: `(n, m)`.

    Returns:
        `(runs, size, m)`.
    """
    matrix = aligned(matrix)
    return torch.stack([aligned(own) @ matrix for own in rows])


def lower_solutions(root: Tensor, rows: Tensor) -> Tensor:
    """Solve `root · x = row` for every row of each run, run by run.

    Args:
        root: `(n, n)`, lower triangular.
        rows: `(runs, size, n)`.

    Returns:
        `(runs, size, n)`.
    """
    root = aligned(root)
    solved = [torch.linalg.solve_triangular(root, aligned(own).T, upper=False).T for own in rows]
    return torch.stack(solved).contiguous()
