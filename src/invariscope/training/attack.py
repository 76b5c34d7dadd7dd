"""Images moved within an L2 ball so that a network errs: projected gradient descent.

Madry et al. 2018, arXiv 1706.06083, with steps of a fixed length along the normalised gradient.
What is raised is the cross-entropy, as adversarially robust networks are trained, or the margin by
which another class wins (Carlini & Wagner 2017, arXiv 1608.04644): the former flattens out where a
network is sure of its answer.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Logits = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """Sum over images of the cross-entropy against label distributions `(n, classes)`."""
    return F.cross_entropy(logits, wanted, reduction="sum")


def margin(logits: Tensor, wanted: Tensor) -> Tensor:
    """Sum over images the best other class's logit less the likeliest wanted class's."""
    own = F.one_hot(wanted.argmax(1), wanted.shape[1]).bool()
    return (logits.masked_fill(own, -torch.inf).amax(1) - logits[own]).sum()


def _within(moves: Tensor, radius: float) -> Tensor:
    norms = moves.flatten(1).norm(dim=1).clamp(min=1e-12)
    return moves * (radius / norms).clamp(max=1)[:, None, None, None]


def _unit(gradient: Tensor) -> Tensor:
    norms = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)
    return gradient / norms[:, None, None, None]


def l2_attack(
    logits: Logits,
    images: Tensor,
    wanted: Tensor,
    *,
    radius: float,
    steps: int,
    stream: torch.Generator,
    length: float | None = None,
    loss: Loss = cross_entropy,
) -> Tensor:
    """Move images within `radius` so that the loss rises, from a random start in the ball.

    Args:
        logits: the network from images in [0, 1] on; it must be in eval mode.
        images: `(n, 3, h, w)` in [0, 1].
        wanted: `(n, classes)` label distributions.
        radius: largest L2 distance from each image, pixels in [0, 1].
        steps: of the gradient.
        stream: draws the start.
        length: of a step; `2.5 * radius / steps` by default.
        loss: `cross_entropy` or `margin`.

    Returns:
        The images after the last step, in [0, 1], float32.
    """
    length = 2.5 * radius / steps if length is None else length
    start = torch.randn(images.shape, generator=stream, device=stream.device).to(images.device)
    share = torch.rand(len(images), generator=stream, device=stream.device).to(images.device)
    moved = _unit(start) * (radius * share)[:, None, None, None]
    moved = (images + moved).clamp(0, 1)
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(logits(moved).float(), wanted), moved)
        step = moved.detach() + length * _unit(gradient.float()) - images
        moved = (images + _within(step, radius)).clamp(0, 1)
    return moved.detach()


def survivors(
    logits: Logits,
    images: Tensor,
    labels: Tensor,
    *,
    radius: float,
    steps: int,
    restarts: int,
    stream: torch.Generator,
) -> Tensor:
    """Find the images that keep their class under all of `restarts` attacks, `(n,)` bool.

    The first, third … raise the margin, the others the cross-entropy.

    Args:
        labels: `(n,)` int64; `logits`, `images`, `radius`, `steps`, `stream` as in `l2_attack`.
    """
    with torch.no_grad():
        answers = logits(images)
    kept = answers.argmax(1) == labels
    wanted = F.one_hot(labels, answers.shape[1]).float()
    for restart in range(restarts):
        rows = kept.nonzero().squeeze(1)
        if not len(rows):
            break
        moved = l2_attack(
            logits,
            images[rows],
            wanted[rows],
            radius=radius,
            steps=steps,
            stream=stream,
            loss=cross_entropy if restart % 2 else margin,
        )
        with torch.no_grad():
            kept[rows] = logits(moved).argmax(1) == labels[rows]
    return kept
