"""From images back to codes: by an encoder, by gradient descent, or by search."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.errors import InputError

if TYPE_CHECKING:
    from invariscope.generators.base import Generator

Features = Callable[[Tensor], Sequence[Tensor]]
WAYS = ("auto", "encoder", "gradient", "search")
STEPS = {"gradient": 300, "search": 1000}
RATE = 0.1  # of the gradient descent, in SD of natural codes
FIRST_STEP = 0.3  # of the search, in SD of natural codes


@dataclass(frozen=True)
class InvertedCodes:
    """Codes of images, and how close their own images come.

    Attributes:
        codes: `(n, code_dim)` float32.
        images: `(n, 3, side, side)` of these codes, in [0, 1].
        distance: `(n,)` Euclidean pixel distance to the images asked for.
        psnr: `(n,)` peak signal-to-noise ratio in dB.
        how: `encoder`, `gradient` or `search`.
    """

    codes: Tensor = field(repr=False)
    images: Tensor = field(repr=False)
    distance: Tensor
    psnr: Tensor
    how: str


def invert(
    generator: "Generator",
    images: Tensor,
    *,
    how: str = "auto",
    features: Features | None = None,
    steps: int | None = None,
) -> InvertedCodes:
    """See `Generator.invert`; `images` have the generator's size and lie on its device."""
    validate.one_of("way to invert", how, WAYS)
    if how == "auto":
        how = "encoder" if generator.encodes else "gradient"
    if features is not None and how != "gradient":
        raise InputError(f"features were given, but only 'gradient' uses them, not {how!r}")
    if steps is not None:
        validate.at_least("steps", steps, 1)
    start = generator.encode(images) if generator.encodes else _middle(generator, len(images))
    if how == "gradient":
        codes = _descend(generator, images, start, features, steps or STEPS[how])
    elif how == "search":
        every = zip(images, start, strict=True)
        found = [_search(generator, image, code, steps or STEPS[how]) for image, code in every]
        codes = torch.stack(found)
    else:
        codes = generator.encode(images)
    made = generator.generate(codes)
    distance = (made - images).flatten(1).norm(dim=1)
    error = (made - images).square().flatten(1).mean(1)
    return InvertedCodes(codes.cpu(), made.cpu(), distance.cpu(), -10 * error.log10().cpu(), how)


def _middle(generator: "Generator", number: int) -> Tensor:
    statistics = generator.code_statistics
    mean = statistics.mean if statistics else torch.zeros(generator.code_dim)
    return mean.float().to(generator.device).repeat(number, 1)


def _scale(generator: "Generator") -> Tensor:
    statistics = generator.code_statistics
    sd = statistics.sd if statistics else torch.ones(generator.code_dim)
    return sd.float().to(generator.device)


def _descend(
    generator: "Generator", images: Tensor, start: Tensor, features: Features | None, steps: int
) -> Tensor:
    """Adam on codes in units of their natural SD, with a cosine of the rate; the best are kept."""
    scale = _scale(generator)
    moves = torch.zeros_like(start).requires_grad_()
    optimiser = torch.optim.Adam([moves], lr=RATE)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    with torch.no_grad():
        wanted = [f.flatten(1) for f in features(images)] if features else []
    best = torch.full((len(images),), torch.inf, device=start.device)
    codes = start.clone()
    for _ in range(steps):
        now = start + scale * moves
        made = generator._generate(now).float()  # noqa: SLF001  (with gradients, and unclipped)
        losses = (made - images).square().flatten(1).mean(1)
        for found, target in zip(
            features(made.clamp(0, 1)) if features else (), wanted, strict=True
        ):
            error = (found.flatten(1) - target).square().sum(1)
            losses = losses + error / target.square().sum(1).clamp_min(1e-12)
        better = losses.detach() < best
        best = torch.where(better, losses.detach(), best)
        codes = torch.where(better[:, None], now.detach(), codes)
        optimiser.zero_grad()
        losses.sum().backward()
        optimiser.step()
        rates.step()
    return codes


def _search(generator: "Generator", image: Tensor, start: Tensor, generations: int) -> Tensor:
    """Search with the library's diagonal CMA on the squared pixel distance."""
    import cma  # noqa: PLC0415  (slow to import, and only this way needs it)

    scale = _scale(generator).double().cpu()
    stream = seeds.numpy_stream("invert", generator.code_dim)
    strategy = cma.CMAEvolutionStrategy(
        start.double().cpu().numpy(),
        FIRST_STEP,
        {
            "CMA_diagonal": True,
            "CMA_stds": scale.numpy(),
            "randn": lambda *shape: stream.standard_normal(shape),
            "seed": float("nan"),
            "maxiter": generations,
            "verbose": -9,
        },
    )
    while not strategy.stop():
        asked = strategy.ask()
        made = generator.generate(torch.stack([torch.from_numpy(code) for code in asked]))
        strategy.tell(asked, (made - image).square().flatten(1).mean(1).double().tolist())
    return torch.from_numpy(strategy.result.xbest).float().to(start.device)
