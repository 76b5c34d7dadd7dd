"""Live progress of a study: runs by condition, images a second, time left."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from invariscope.study.progress import ConditionCount, StudyProgress

PLAIN_EVERY = 30.0  # seconds between lines where there is no terminal


def in_words(seconds: float) -> str:
    """Write a time for people: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for size, unit, digits in ((86400, "days", 1), (3600, "h", 1), (60, "min", 0)):
        if seconds >= 2 * size or (unit == "min" and seconds >= 100):
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds:.0f} s"


class StudyTable:
    """Shows how far a study is as a live table; a context and a watcher.

    Args:
        name: the study's.
        console: where to show it; without a terminal a plain line now and then.
    """

    def __init__(self, name: str, console: Console) -> None:
        self._name, self._console = name, console
        self._live = Live(console=console, refresh_per_second=4)
        self._printed = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, progress: StudyProgress) -> None:
        if self._console.is_terminal:
            self._live.update(self.render(self._name, progress))
        elif time.monotonic() - self._printed > PLAIN_EVERY or not progress.total.left:
            self._printed = time.monotonic()
            self._console.print(_summary(progress), highlight=False, soft_wrap=True)

    @staticmethod
    def render(name: str, progress: StudyProgress) -> Group:
        """Make the table and the summary."""
        table = Table(title=name, title_justify="left", box=None, pad_edge=False)
        table.add_column("condition", overflow="fold")
        for column in ("done", "failed", "left"):
            table.add_column(column, justify="right", overflow="fold")
        for condition, count in progress.conditions.items():
            table.add_row(condition, *_cells(count))
        return Group(table, Text(_summary(progress)))


def _cells(count: ConditionCount) -> tuple[str, str, str]:
    failed = f"[red]{count.failed}[/red]" if count.failed else "0"
    return str(count.done), failed, str(count.left)


def _summary(progress: StudyProgress) -> str:
    total = progress.total
    words = [f"{total.done} done", f"{progress.running} running", f"{total.failed} failed"]
    words.append(f"{total.left - progress.running} waiting")
    if progress.rate:
        words.append(f"{progress.rate:.0f} images/s")
    if progress.seconds_left is not None and total.left:
        words.append(f"at most {in_words(progress.seconds_left)} left")
    return " · ".join(words)
