"""Live progress of searches: one line a run, and images a second."""

from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from invariscope.cli.terminal import notes, tell_start
from invariscope.experiments.execute import ProgressEvent
from invariscope.experiments.search_progress import latest_generation, progress_words
from invariscope.search.run import StepResult

PLAIN_EVERY = 25  # generations between lines where there is no terminal


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


class LiveProgress:
    """Shows the news of searches as a live table; a context and a watcher.

    Args:
        title: what is searched for.
        folder: where the runs are written, which the first line says; told before, where None.
        console: where to show it; without a terminal a plain line now and then.
    """

    def __init__(self, title: str, folder: Path | None, console: Console | None = None) -> None:
        self._title, self._folder, self._console = title, folder, console or notes()
        self._began = False
        self._rows: dict[str, tuple[StepResult, str]] = {}
        self._live = Live(console=self._console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        return self

    def _begin(self) -> None:
        """Show the first lines: at the first news, since a mistake is one sentence alone."""
        self._began = True
        if self._folder is not None:
            tell_start(self._folder)
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(self._title)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._began and self._console.is_terminal:
            self._live.stop()

    def __call__(self, news: ProgressEvent) -> None:
        if not self._began:
            self._begin()
        for result in news.results:
            state = result.outcome.status if result.outcome else "running"
            self._rows[result.run.name] = (result, state)
        generation, summary = latest_generation(news), progress_words(news)
        if self._console.is_terminal:
            self._live.update(Group(Text(self._title, style="bold"), self._table(), Text(summary)))
        elif generation % PLAIN_EVERY == 0 or news.ended == news.total:
            line = f"  generation {generation}: {summary}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("task", "site", "generation", "stretch", "squeeze", "activity", ""):
            table.add_column(column, justify="left" if column in ("task", "site") else "right")
        for result, state in self._rows.values():
            objective, line = result.run.objective, result.line
            table.add_row(
                objective.task,
                objective.site or "",
                f"{line['generation']}/{result.run.generations}",
                _number(line["stretch"][1]),
                _number(line["squeeze"][1]),
                _number(line["activation"][1]),
                {"stopped": "goal met", "finished": "done", "running": ""}[state],
            )
        return table
