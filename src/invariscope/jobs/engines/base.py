"""The contract of every engine: jobs in, reports out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self, final

from invariscope.jobs.job import Job, JobReport


class Engine(ABC):
    """A place where jobs are worked on, and a context that stops at its end.

    Attributes:
        name: the engine's name on the command line.
        slots: jobs at a time; None for as many as there are.
    """

    name: str
    slots: int | None

    @abstractmethod
    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand jobs over; at most as many as there are free slots."""

    @abstractmethod
    def poll(self, seconds: float, watch: Callable[[], None]) -> list[JobReport]:
        """Give the reports of jobs that have come to their end since the last call.

        Args:
            seconds: how long to wait for the first.
            watch: called about once a second where this process does the work itself.
        """

    @abstractmethod
    def stop(self) -> None:
        """Give up the jobs under way, and let go of all that the engine holds."""

    @final
    def __enter__(self) -> Self:
        return self

    @final
    def __exit__(self, *_: object) -> None:
        self.stop()


def lost(job: Job, sentence: str) -> JobReport:
    """Report the loss of a job's worker."""
    return JobReport(job.number, failed=dict.fromkeys(job.names, sentence))
