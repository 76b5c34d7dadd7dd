"""What every engine promises: batches in, reports out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from invariscope.study.batch import Batch, Report


class Engine(ABC):
    """Works on batches, here or elsewhere.

    Attributes:
        name: how a person calls it.
        slots: batches at a time; None for as many as there are.
    """

    name: str
    slots: int | None

    @abstractmethod
    def start(self, batches: Sequence[Batch]) -> None:
        """Hand batches over; at most as many as there are free slots."""

    @abstractmethod
    def ended(self, seconds: float, watch: Callable[[], None]) -> list[Report]:
        """The reports of batches that have come to their end since the last call.

        Args:
            seconds: how long to wait for the first.
            watch: called about once a second where this process does the work itself.
        """

    @abstractmethod
    def stop(self) -> None:
        """Give up what is under way, and let go of what the engine holds."""


def lost(batch: Batch, sentence: str) -> Report:
    """The report of a batch whose worker was lost for good."""
    return Report(batch.number, failed=dict.fromkeys((w.name for w in batch.wanted), sentence))
