"""The contract of every link to a rig."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from invariscope.subjects.rig.messages import AnswerDelivery, RigAnswer, TrialBlock


class Link(ABC):
    """A way to give blocks to a rig and to take its answers.

    A delivery may come again until it was confirmed, and after; whoever takes it knows trials by
    their names, so nothing is counted twice. Nothing that the other side sends raises.
    """

    @abstractmethod
    def show(self, block: TrialBlock, images: Mapping[str, bytes]) -> None:
        """Give a block, or the same block again, in place of the block before.

        Args:
            images: PNG files by the images' names.

        Raises:
            StoreError: it cannot be given (disk full, no permission).
        """

    @abstractmethod
    def withdraw(self, block: str) -> None:
        """End the block; its missing trials come in another block."""

    @abstractmethod
    def receive(self, seconds: float) -> AnswerDelivery | None:
        """Wait so long at most for a delivery; None where nothing arrived."""

    def confirm(self, delivery: AnswerDelivery, problems: list[str]) -> None:  # noqa: B027
        """Confirm that answers are safe on disk, with sentences on faults, where asked."""

    @property
    @abstractmethod
    def silence(self) -> float:
        """Seconds since the other side last gave a sign of life."""

    def close(self) -> None:  # noqa: B027
        """Release the resources of the link."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class OtherSide(ABC):
    """The rig's side of a link: a lab's own program, here in Python."""

    @abstractmethod
    def next_block(self) -> tuple[dict[str, Any], dict[str, bytes]] | None:
        """Read the next block's manifest, and PNG files by the images' names; None to wait."""

    @abstractmethod
    def answer(self, block: str, answers: Sequence[RigAnswer]) -> None:
        """Give the recorded answers of a block; a repetition is harmless."""

    @abstractmethod
    def beat(self) -> None:
        """Give a sign of life."""

    def close(self) -> None:  # noqa: B027
        """Release the resources of this side."""
