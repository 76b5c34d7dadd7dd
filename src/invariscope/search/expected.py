"""The archive of a search by the strategy's knowledge of all images shown so far."""

from collections.abc import Sequence

from invariscope.search.archive import Archive, Front
from invariscope.search.objectives import Objectives
from invariscope.search.strategies.informed import ShownImages


def expected_archive(
    shown: Sequence[ShownImages | None], before: Archive, objectives: Objectives, *, noisy: bool
) -> Archive:
    """Rank every image shown so far by the answer that a further measurement would give.

    The luckiest of many noisy answers would keep better images out of a front, and more so the
    more images are shown. A run that fills cells has the best image of each cell for members.

    Args:
        shown: one a run; a run without keeps its members.
        before: the archive of measured scores.
        objectives: of the runs.
        noisy: whether answers have errors; where not, a front is that of the measured scores.
    """
    parts = []
    for row, images in enumerate(shown):
        if images is None or (images.members is None and not noisy):
            parts.append(before[[row]])
            continue
        scores = objectives.with_expected(row, images.scores, images.expected).cpu()
        front = Front(scores, images.codes, images.generation, images.candidate)
        costs = Objectives([objectives.objectives[row]], before.codes.device).costs(scores[None])[0]
        if images.members is None:
            parts.append(Archive.non_dominated(front, costs, before.codes.device))
        else:
            chosen = images.members.cpu()
            members = Front(*(part[chosen] for part in vars(front).values()))
            parts.append(Archive.of(members, costs[chosen], before.codes.device))
    return Archive.cat(parts)
