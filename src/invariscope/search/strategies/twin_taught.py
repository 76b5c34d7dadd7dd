"""Observations that earlier runs of a unit teach a twin."""

import torch

from invariscope.search.objectives import Objectives
from invariscope.search.problem import Problem
from invariscope.search.strategies.twin_cells import Cells
from invariscope.search.strategies.twin_data import Observations, no_images
from invariscope.search.strategies.twin_features import Features

BEFORE = 0  # the generation of taught images


@torch.no_grad()
def taught_observations(
    problem: Problem, features: Features, cells: Cells | None, device: torch.device
) -> Observations:
    """Put taught images into a run's own terms: features, and the stretch from its reference.

    Only the unit's activity needs to have been measured; the stretch follows from the image.

    Args:
        device: of the observations.
    """
    taught = problem.taught
    assert taught is not None
    codes, activity = taught.codes.to(device), taught.activity.to(device)
    errors = torch.zeros_like(activity) if taught.errors is None else taught.errors.to(device)
    parts = [features(part) for part in codes.split(32)]
    entries = torch.cat([own for _, own in parts]).to(codes)
    scores = torch.zeros(len(codes), 3, device=device)
    scores[:, 0] = torch.cat([problem.stretch(images) for images, _ in parts]).to(scores)
    scores = Objectives([problem.objective], device).with_expected(0, scores, activity)
    measured = [cells.measured(images) for images, _ in parts] if cells else [entries[:, :0]]
    told = scores.to(codes), errors
    none = no_images(codes[0])
    return none.with_generation(BEFORE, codes, told, entries, torch.cat(measured).to(codes))
