"""What every link to a rig promises."""

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
        """Give a block, or the same block again; it replaces the one before.

        Args:
            images: PNG files by the images' names.

        Raises:
            StoreError: it cannot be given (disk full, no permission).
        """

    @abstractmethod
    def withdraw(self, block: str) -> None:
        """The block is over; what is missing of it comes in another one."""

    @abstractmethod
    def receive(self, seconds: float) -> AnswerDelivery | None:
        """What arrived, waiting so long at most; None where nothing did."""

    def confirm(self, delivery: AnswerDelivery, problems: list[str]) -> None:  # noqa: B027
        """The answers are safe on disk; tell the other side, with what was wrong, if it asks."""

    @property
    @abstractmethod
    def silence(self) -> float:
        """Seconds since the other side last gave a sign of life."""

    def close(self) -> None:  # noqa: B027
        """Give back what the link holds."""

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
    """The rig's side of a link: what a lab writes in its own language, here in Python."""

    @abstractmethod
    def next_block(self) -> tuple[dict[str, Any], dict[str, bytes]] | None:
        """The manifest of a block to show, and PNG files by the images' names; None to wait."""

    @abstractmethod
    def answer(self, block: str, answers: Sequence[RigAnswer]) -> None:
        """Give what was recorded in a block; it may be given again."""

    @abstractmethod
    def beat(self) -> None:
        """Give a sign of life."""

    def close(self) -> None:  # noqa: B027
        """Give back what it holds."""
