"""The archive of a search by predicted answers to all images shown so far."""

from collections.abc import Sequence

from invariscope.search.archive import Archive, Front
from invariscope.search.objectives import Objectives
from invariscope.search.strategies.informed import ShownImages


def expected_archive(
    shown: Sequence[ShownImages | None], before: Archive, objectives: Objectives
) -> Archive:
    """Rank every image shown so far by the answer that a further measurement would give.

    The luckiest of many noisy answers would keep better images out of a front, and more so the
    more images are shown.

    Args:
        shown: one a run; a run without keeps its members.
        before: the archive of measured scores.
        objectives: of the runs.
    """
    parts = []
    for row, images in enumerate(shown):
        if images is None:
            parts.append(before[[row]])
            continue
        scores = objectives.with_expected(row, images.scores, images.expected).cpu()
        front = Front(scores, images.codes, images.generation, images.candidate)
        costs = Objectives([objectives.objectives[row]], before.codes.device).costs(scores[None])[0]
        parts.append(Archive.of(front, costs, before.codes.device))
    return Archive.cat(parts)
