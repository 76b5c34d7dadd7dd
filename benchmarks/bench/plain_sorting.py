"""Non-dominated sorting in plain Python, as the baseline does it."""

from collections.abc import Sequence


def dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether costs are no worse in all, and better in one."""
    pairs = list(zip(first, second, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def sort_fronts(costs: Sequence[Sequence[float]]) -> list[list[int]]:
    """The indices of each front, the best front first (Deb et al. 2002)."""
    beaten: list[list[int]] = [[] for _ in costs]
    better = [0] * len(costs)
    for i, first in enumerate(costs):
        for j, second in enumerate(costs):
            if dominates(first, second):
                beaten[i].append(j)
            elif dominates(second, first):
                better[i] += 1
    fronts = [[i for i, count in enumerate(better) if count == 0]]
    while fronts[-1]:
        following = []
        for i in fronts[-1]:
            for j in beaten[i]:
                better[j] -= 1
                if better[j] == 0:
                    following.append(j)
        fronts.append(following)
    return fronts[:-1]
