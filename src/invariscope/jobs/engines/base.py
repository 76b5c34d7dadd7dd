"""What every engine promises: jobs in, reports out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from invariscope.jobs.job import Job, JobReport


class Engine(ABC):
    """Works on jobs, here or elsewhere.

    Attributes:
        name: how a person calls it.
        slots: jobs at a time; None for as many as there are.
    """

    name: str
    slots: int | None

    @abstractmethod
    def start(self, jobs: Sequence[Job]) -> None:
        """Hand jobs over; at most as many as there are free slots."""

    @abstractmethod
    def ended(self, seconds: float, watch: Callable[[], None]) -> list[JobReport]:
        """The reports of jobs that have come to their end since the last call.

        Args:
            seconds: how long to wait for the first.
            watch: called about once a second where this process does the work itself.
        """

    @abstractmethod
    def stop(self) -> None:
        """Give up what is under way, and let go of what the engine holds."""


def lost(job: Job, sentence: str) -> JobReport:
    """The report of a job whose worker was lost for good."""
    return JobReport(job.number, failed=dict.fromkeys(job.names, sentence))
