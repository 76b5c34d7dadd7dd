"""Stretch, squeeze and activity of codes, in chunks of fixed shape."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from invariscope.errors import SubjectError
from invariscope.generators.base import Generator
from invariscope.plurals import number_of
from invariscope.search.captured import CapturedPasses
from invariscope.search.objectives import Objective, Objectives
from invariscope.search.precision import bulk
from invariscope.search.reductions import aligned
from invariscope.subjects.base import Subject


def pad(rows: Tensor, size: int) -> Tensor:
    """Append copies of the first row, up to `size` rows."""
    missing = size - len(rows)
    return rows if missing <= 0 else torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])])


def chunks_of(runs: Tensor, chunk: int, device: torch.device) -> Iterator[slice]:
    """Split the rows into slices that pass at once, of at most `chunk`.

    On the CPU each run has chunks of its own, since an answer can depend on an image's place in
    its batch: a run's images have the same places, alone or among others. An accelerator promises
    no bits, and is full only when runs share a chunk.
    """
    counts = [len(runs)]
    if device.type == "cpu":
        counts = runs.unique_consecutive(return_counts=True)[1].tolist()
    first = 0
    for count in counts:
        end = first + count
        yield from (slice(row, min(row + chunk, end)) for row in range(first, end, chunk))
        first = end


def generate_chunks(generator: Generator, codes: Tensor, runs: Tensor, chunk: int) -> Tensor:
    """Make images of codes in the chunks of `score_chunks`.

    Args:
        codes: `(n, code_dim)`.
        runs: `(n,)` on the CPU, the run of each code.
        chunk: images made at once.

    Returns:
        `(n, 3, image_size, image_size)` in [0, 1].
    """
    parts = [codes[rows] for rows in chunks_of(runs, chunk, generator.device)]
    return torch.cat([generator.generate(pad(aligned(p), chunk))[: len(p)] for p in parts])


def averaged(
    subject: Subject, images: Tensor, sites: Sequence[str], repeats: int
) -> dict[str, Tensor]:
    """Average `repeats` recorded answers of noisy sites, beside the responses of other sites."""
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
    passes: CapturedPasses | None = None,
) -> Tensor:
    """Score codes by way of images and responses, chunk by chunk, so that nothing big is kept.

    Args:
        codes: `(n, code_dim)`.
        objectives: of the runs.
        runs: `(n,)` on the CPU, the run of each code.
        chunk: images that pass at once; a run's last chunk is padded, since a network's answer
            to an image can depend on the batch's shape.
        repeats: how many answers of a noisy site are averaged.
        passes: through the same generator and subject, for one answer of each image.

    Returns:
        `(n, 3)` float32: stretch, squeeze, activity.
    """
    parts = []
    with bulk(generator.device, precision):
        for rows in chunks_of(runs, chunk, generator.device):
            part, sites = codes[rows], objectives.sites_of(runs[rows])
            whole = pad(aligned(part), chunk)
            if passes is None:
                responses = averaged(subject, generator.generate(whole), sites, repeats)
            else:
                responses = passes.respond(whole, sites)
            kept = {site: response[: len(part)] for site, response in responses.items()}
            parts.append(objectives.score(kept, runs[rows]))
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
    """Measure scores `(n, 3)` of codes `(n, code_dim)` for an objective (see `score_chunks`)."""
    return score_chunks(
        generator,
        subject,
        codes,
        Objectives([objective], subject.device),
        torch.zeros(len(codes), dtype=torch.int64),
        chunk=chunk,
        precision=precision,
        repeats=repeats,
    )


def check_scores(scores: Tensor, subject: Subject, *, first: bool) -> None:
    """Check that a subject answered, and where its answers should be complete, with numbers.

    Args:
        scores: `(n, 3)` of a generation of every run.
        first: whether it is the first generation.

    Raises:
        SubjectError: NaN or infinity from a subject whose answers should be complete, or no answer
            to any image of the first generation.
    """
    images = number_of(len(scores), "image")
    if subject.incomplete:
        if first and bool(scores.isnan().any(1).all()):
            raise SubjectError(
                f"{subject.name} answered none of the {images} of the first generation; a "
                "recording answers for the images that were shown alone: search on the rig itself "
                "(`invariscope rig`), or on a network fitted to the recording"
            )
        return
    sound = scores.isfinite().all(1)
    if not bool(sound.all()):
        raise SubjectError(
            f"{subject.name} answered {'NaN' if scores.isnan().any() else 'an infinite number'}"
            f" for {int((~sound).sum())} of {images}; a network must answer with numbers: check "
            "its weights and preprocessing"
        )
