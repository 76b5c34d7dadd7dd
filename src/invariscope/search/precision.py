"""Numeric precision of the bulk of the work: generator and subject, never objectives or ranking."""

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import scipy  # its `stats` is slow to import, and loads when first used
import torch
from torch import Tensor

PRECISIONS = ("auto", "float32", "bf16")
SMALLEST_TAU = 0.95


def bulk(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Make the context for generator and subject.

    In bf16 on a CPU the weights that require gradients are cast once for all chunks in the
    context, the others for each chunk; on a GPU all for each chunk, so that a captured pass holds
    its own (`search.captured`).
    """
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=device.type == "cpu")
    return nullcontext()


def bf16_is_native(device: torch.device) -> bool:
    """Tell if the device multiplies bf16 matrices in hardware, so that bf16 pays.

    On a CPU: AMX (Intel since Sapphire Rapids) or AVX-512-BF16 (AMD since Zen 4 too).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    ways = (torch.cpu._is_amx_tile_supported, torch.cpu._is_avx512_bf16_supported)  # noqa: SLF001
    return device.type == "cpu" and any(supported() for supported in ways)


def rank_correlation(exact: Tensor, fast: Tensor) -> float:
    """Compute the smallest Kendall τ, over the columns, of two evaluations of candidates.

    Args:
        exact, fast: `(candidates, columns)`. A column that is constant in `exact` is left out.

    Returns:
        In [-1, 1]; 1 where every column is constant, -1 where a column could not be compared.
    """
    taus = [1.0]
    for a, b in zip(exact.double().T, fast.double().T, strict=True):
        if bool((a != a[0]).any()):
            tau = np.asarray(scipy.stats.kendalltau(a.cpu().numpy(), b.cpu().numpy()))[0]
            taus.append(-1.0 if np.isnan(tau) else float(tau))
    return min(taus)
