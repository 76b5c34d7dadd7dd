"""Stretch, squeeze and activity of given codes: one objective, fixed chunk shape."""

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


def score_chunks(
    generator: Generator,
    subject: Subject,
    codes: Tensor,
    objectives: Objectives,
    runs: Tensor,
    *,
    chunk: int,
    precision: str = "float32",
) -> Tensor:
    """Codes → images → responses → scores, chunk by chunk, so that nothing big is kept.

    Args:
        codes: `(n, code_dim)`.
        objectives: of the runs.
        runs: `(n,)` on the CPU, the run of each code.
        chunk: images that pass at once; the last chunk is padded, since a network's answer to
            an image can depend on the batch's shape.

    Returns:
        `(n, 3)` float32: stretch, squeeze, activity.
    """
    parts = []
    with bulk(generator.device, precision):
        for first in range(0, len(codes), chunk):
            part = codes[first : first + chunk]
            images = generator.generate(pad(part, chunk))
            responses = subject.respond(images, objectives.sites)
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
) -> Tensor:
    """The scores `(n, 3)` of codes `(n, code_dim)` under one objective."""
    runs = torch.zeros(len(codes), dtype=torch.int64)
    own = Objectives([objective], subject.device)
    return score_chunks(generator, subject, codes, own, runs, chunk=chunk, precision=precision)
