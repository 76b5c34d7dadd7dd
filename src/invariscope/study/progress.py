"""How far a study is."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from invariscope.study.planned_run import PlannedRun

STALE = 120.0  # seconds after which a worker that tells nothing does not count


@dataclass
class ConditionCount:
    """Counts of a condition's runs: done, failed, left."""

    done: int = 0
    failed: int = 0
    left: int = 0


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is.

    Attributes:
        conditions: a count each.
        failures: sentences, and how many runs each stopped.
        running: runs under way.
        images_left: the most images that are still to be shown.
        rate: images a second of all workers together, where it is known.
    """

    conditions: dict[str, ConditionCount] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    running: int = 0
    images_left: int = 0
    rate: float | None = None

    @property
    def total(self) -> ConditionCount:
        counts = self.conditions.values()
        return ConditionCount(
            sum(c.done for c in counts), sum(c.failed for c in counts), sum(c.left for c in counts)
        )

    @property
    def seconds_left(self) -> float | None:
        """At most, since a run may stop before its last generation."""
        return self.images_left / self.rate if self.rate else None


def progress_of(
    planned_runs: Iterable[PlannedRun],
    done: Iterable[str],
    failed: Mapping[str, str],
    news: Iterable[Mapping[str, Any]] = (),
    rate: float | None = None,
) -> StudyProgress:
    """Count the runs of a study.

    Args:
        done: names of the runs that have ended.
        failed: sentences by name.
        news: what workers told (see `StudyFolder.news`).
        rate: images a second of all workers together.
    """
    ended, found = set(done), StudyProgress()
    left = 0
    for run in planned_runs:
        count = found.conditions.setdefault(run.condition, ConditionCount())
        if run.name in failed:
            count.failed += 1
            sentence = failed[run.name]
            found.failures[sentence] = found.failures.get(sentence, 0) + 1
        elif run.name in ended:
            count.done += 1
        else:
            count.left += 1
            left += run.images
    fresh = [progress for progress in news if time.time() - progress["time"] < STALE]
    shown = sum(progress["images"] for progress in fresh)
    return StudyProgress(
        found.conditions,
        found.failures,
        min(sum(progress["runs"] for progress in fresh), found.total.left),
        max(left - shown, 0),
        rate,
    )
