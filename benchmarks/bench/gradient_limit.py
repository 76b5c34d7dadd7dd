"""The front that a unit's own gradient reaches: the limit of a search by a model of the unit."""

import math
from typing import Any

import torch
from torch import Tensor

from bench.frugality import FrugalityBench, NoiselessScores, hypervolume
from invariscope import seeds
from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.plan import SearchOptions, plan
from invariscope.search.problem import images_of
from invariscope.subjects.perceptual import perceptual

STARTS, STEPS = 64, 150  # climbs, each for a level of its own, and their steps of Adam
PENALTY = 4.0  # as a twin's
NORMS = (0.5, 3.0)  # of the first codes, in natural norms: the better basins are far out


def gradient_limit(bench: FrugalityBench, unit: str, task: str) -> dict[str, Any]:
    """Climb the distance at many levels of the unit's goal along the true gradient.

    Returns:
        `hypervolume` of the ends, without noise, and how many images were made on the way.
    """
    generator, reference = bench.generator, bench.reference(unit)
    options = SearchOptions(precision="float32")
    (planned,) = plan(
        bench.subject, generator, unit, task=task, reference=reference, options=options
    )
    exact = NoiselessScores(Evaluator(bench.subject, generator, options, 50), planned)
    site, _, index = unit.rpartition(":")
    respond = perceptual(bench.subject, [site])
    scale = float(generator.code_statistics.sd.mean()) if generator.code_statistics else 1.0

    def shares(codes: Tensor) -> tuple[Tensor, Tensor]:
        images = images_of(generator, codes)
        answers = respond(images)[0].float()[:, int(index)]
        activity = answers.flatten(1).mean(1) if answers.ndim > 1 else answers
        apart = ((images - reference.image).flatten(1).square().sum(1) + 1e-12).sqrt()
        lost = (activity / exact.activity - 1).abs()
        if exact.silencing:
            return 1 - apart / exact.possible, lost.clamp(max=1)
        return apart / exact.possible, 1 - lost

    levels = torch.linspace(0.05, 0.95, STARTS)
    stream = ("limit", unit, task)
    u = seeds.uniform([(*stream, "norm")], (STARTS, 1))[0].float()
    codes = seeds.normal([(*stream, "code")], (STARTS, generator.code_dim))[0].float()
    codes = scale * (NORMS[0] + (NORMS[1] - NORMS[0]) * u) * codes
    if exact.silencing and reference.code is not None:
        codes = reference.code.float() + 0.1 * codes
    moving = codes.clone().requires_grad_()
    optimiser = torch.optim.Adam([moving], lr=scale)
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = scale * math.sqrt(1 - step / STEPS)
        far, near = shares(moving)
        utility = far - PENALTY * (levels - near).clamp(min=0)
        optimiser.zero_grad()
        (-utility.sum()).backward()
        optimiser.step()
    found = hypervolume(exact.points(moving.detach()))
    return {"hypervolume": found, "images": STARTS * (STEPS + 1)}
