"""How far an image can be from a reference at all: the scale of pixel distances."""

import torch
from torch import Tensor


def farthest_possible(image: Tensor) -> float:
    """The largest pixel distance from an image: `‖max(ref, 1 − ref)‖₂` (PAPERS §1, ours).

    Args:
        image: `(3, height, width)` in [0, 1].
    """
    return float(torch.linalg.vector_norm(torch.maximum(image, 1 - image).double()))
