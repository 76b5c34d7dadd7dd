"""A model of the differences that people see, learnt from all judgements together.

One judgement of an image says little, and neighbours of an image say much about it. So d′ is taken
to be the length of what changed in a bank of plain descriptions (colour and light at several
scales, a network's stages), each weighed by how much people's answers follow it, plus what no
description tells. The weights maximise the likelihood of all answers; what is left over is a normal
spread with an SD that maximises it too, and an image's own judgements decide about it (empirical
Bayes).
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm
from torch import Tensor

from invariscope.analysis.detection import corrected_share
from invariscope.subjects import Subject
from invariscope.subjects.base import PIXELS

Floats = NDArray[np.float64]
SCALES = (1, 4, 8, 16, 32)
STAGES = 4
LAPSE = 0.04  # share of answers given without looking, half of them "different"
SPREADS = (0.02, 0.1, 0.2, 0.4, 0.8)  # SDs of what no description tells, tried
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
LEAST = 1e-6


def descriptions(images: Tensor, reference: Tensor, network: Subject) -> Floats:
    """Mean squared differences from the reference in every description, `(n, descriptions)`.

    Args:
        images: `(n, 3, height, width)` in [0, 1].
        reference: `(3, height, width)`.
        network: whose stages are descriptions too.
    """
    both = torch.cat([reference[None], images]).float()
    light = both.mean(1, keepdim=True)
    found = []
    for part in (light, both - light):
        sides = (*(s for s in SCALES if s < both.shape[-1]), both.shape[-1])
        found.extend(_apart(F.adaptive_avg_pool2d(part, side)) for side in sides)
    stages = [site for site in network.sites() if site != PIXELS]
    chosen = np.unique(np.linspace(0, len(stages) - 1, STAGES).round().astype(int))
    sites = [stages[k] for k in chosen]
    responses = network.respond(both.to(network.device), sites) if sites else {}
    found.extend(_apart(responses[site].cpu().float()) for site in sites)
    return np.stack(found, 1)


def _apart(values: Tensor) -> Floats:
    flat = values.flatten(1).double()
    return (flat[1:] - flat[:1]).square().mean(1).numpy()


@dataclass(frozen=True)
class DifferenceModel:
    """d′ from descriptions.

    Attributes:
        weights: of each description, at least 0.
        criterion: d′ from which people say "different" half of the time.
        spread: SD of what no description tells.
    """

    weights: Floats
    criterion: float
    spread: float

    @classmethod
    def fit(
        cls, squares: Floats, said: Floats, judged: Floats, *, false: int, same: int
    ) -> "DifferenceModel":
        """Learn from all judgements.

        Args:
            squares: `(images, descriptions)`, from `descriptions`.
            said, judged: judgements "different" and all of them, `(images,)`.
            false, same: likewise of two equal images: they alone settle the criterion.
        """
        criterion = -float(norm.ppf(corrected_share(false, same)))
        scale = squares.mean(0) + LEAST
        scaled = squares / scale

        def cost(weights: Floats) -> tuple[float, Floats]:
            length = np.sqrt(scaled @ weights + LEAST)
            chance = _says(length, criterion)
            loss = -(said * np.log(chance) + (judged - said) * np.log1p(-chance)).sum()
            slope = (judged - said) / (1 - chance) - said / chance
            slope *= (1 - LAPSE) * norm.pdf(length - criterion) / (2 * length)
            # As much as one judgement against each weight, so that none runs away unseen.
            return loss + weights.sum(), scaled.T @ slope + 1.0

        start = np.full(squares.shape[1], 1 / squares.shape[1])
        bounds = [(0, None)] * len(start)
        found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds)
        weights = found.x / scale
        tried = [cls(weights, criterion, spread) for spread in SPREADS]
        return max(tried, key=lambda one: one.evidence(squares, said, judged))

    def expected(self, squares: Floats) -> Floats:
        """Predict d′ from the descriptions, `(images,)`."""
        return np.sqrt(squares @ self.weights + LEAST)

    def _joint(self, squares: Floats, said: Floats, judged: Floats) -> tuple[Floats, Floats]:
        """d′ at the nodes `(images, nodes)` and the probability of answers there, weighed."""
        seen = np.maximum(self.expected(squares)[:, None] + self.spread * NODES, 0)
        chance = _says(seen, self.criterion)
        log = said[:, None] * np.log(chance) + (judged - said)[:, None] * np.log1p(-chance)
        return seen, np.exp(log) * NODE_WEIGHTS / NODE_WEIGHTS.sum()

    def evidence(self, squares: Floats, said: Floats, judged: Floats) -> float:
        """Compute the log likelihood of the answers, without the part beyond descriptions."""
        return float(np.log(self._joint(squares, said, judged)[1].sum(1)).sum())

    def posterior(self, squares: Floats, said: Floats, judged: Floats) -> tuple[Floats, Floats]:
        """Estimate each image's d′ and SD, from descriptions and own judgements."""
        seen, joint = self._joint(squares, said, judged)
        share = joint / joint.sum(1, keepdims=True)
        mean = (share * seen).sum(1)
        variance = (share * (seen - mean[:, None]) ** 2).sum(1)
        return mean, np.sqrt(variance)


def _says(length: Floats, criterion: float) -> Floats:
    """Compute the probability of the answer "different"."""
    return LAPSE / 2 + (1 - LAPSE) * norm.cdf(length - criterion)
