"""Stretch, squeeze and activity of given codes: one objective, fixed chunk shape."""

from collections.abc import Sequence

import torch
from torch import Tensor

from invariscope.generators.base import Generator
from invariscope.search.objectives import Objective, Objectives
from invariscope.search.precision import bulk
from invariscope.subjects.base import Subject


def pad(rows: Tensor, size: int) -> Tensor:
    """`rows` followed by copies of the first, `size` in all."""
    missing = size - len(rows)
    return rows if missing <= 0 else torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])])


def generate_chunks(generator: Generator, codes: Tensor, chunk: int) -> Tensor:
    """Images of codes `(n, code_dim)`, made `chunk` at once, the last chunk padded."""
    parts = codes.split(chunk)
    return torch.cat([generator.generate(pad(part, chunk))[: len(part)] for part in parts])


def averaged(
    subject: Subject, images: Tensor, sites: Sequence[str], repeats: int
) -> dict[str, Tensor]:
    """Responses, those of noisy sites as the mean of `repeats` answers that were recorded."""
    responses = subject.respond(images, sites)
    noisy = [site for site in sites if site in subject.noisy]
    if noisy and repeats > 1:
        more = [subject.respond(images, noisy) for _ in range(repeats - 1)]
        for site in noisy:
            answers = torch.stack([responses[site], *(again[site] for again in more)])
            responses[site] = answers.nanmean(0)
    return responses


def score_chunks(
    generator: Generator,
    subject: Subject,
    codes: Tensor,
    objectives: Objectives,
    runs: Tensor,
    *,
    chunk: int,
    precision: str = "float32",
    repeats: int = 1,
) -> Tensor:
    """Codes → images → responses → scores, chunk by chunk, so that nothing big is kept.

    Args:
        codes: `(n, code_dim)`.
        objectives: of the runs.
        runs: `(n,)` on the CPU, the run of each code.
        chunk: images that pass at once; the last chunk is padded, since a network's answer to
            an image can depend on the batch's shape.
        repeats: how many answers of a noisy site are averaged.

    Returns:
        `(n, 3)` float32: stretch, squeeze, activity.
    """
    parts = []
    with bulk(generator.device, precision):
        for first in range(0, len(codes), chunk):
            part = codes[first : first + chunk]
            images = generator.generate(pad(part, chunk))
            responses = averaged(subject, images, objectives.sites, repeats)
            kept = {site: response[: len(part)] for site, response in responses.items()}
            parts.append(objectives.score(kept, runs[first : first + len(part)]))
    return torch.cat(parts)


def measure(
    generator: Generator,
    subject: Subject,
    codes: Tensor,
    objective: Objective,
    *,
    chunk: int,
    precision: str = "float32",
    repeats: int = 1,
) -> Tensor:
    """The scores `(n, 3)` of codes `(n, code_dim)` under one objective (see `score_chunks`)."""
    runs = torch.zeros(len(codes), dtype=torch.int64)
    own = Objectives([objective], subject.device)
    how = {"chunk": chunk, "precision": precision, "repeats": repeats}
    return score_chunks(generator, subject, codes, own, runs, **how)
