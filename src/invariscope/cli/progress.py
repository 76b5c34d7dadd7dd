"""Live progress of searches: one line a run, and images a second."""

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from invariscope.search.run import Told
from invariscope.sns.execute import News

PLAIN_EVERY = 25  # generations between lines where there is no terminal


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


class LiveProgress:
    """Shows the news of searches as they come; use it as a context and as a watcher.

    Args:
        title: what is searched for.
        console: where to show it; without a terminal a plain line now and then.
    """

    def __init__(self, title: str, console: Console) -> None:
        self._title, self._console = title, console
        self._rows: dict[str, tuple[Told, str]] = {}
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(self._title)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, news: News) -> None:
        for told in news.told:
            state = told.outcome.status if told.outcome else "running"
            self._rows[told.run.name] = (told, state)
        generation = max(told.line["generation"] for told in news.told)
        rate = news.images / max(news.seconds, 1e-9)
        left = max(
            (
                (told.run.generations - told.line["generation"])
                for told in news.told
                if told.outcome is None
            ),
            default=0,
        )
        a_generation = news.seconds / max(generation, 1)
        summary = (
            f"{news.ended} of {news.total} searches done · {news.images} images · "
            f"{rate:.0f} images/s · at most {left * a_generation:.0f} s left"
        )
        if self._console.is_terminal:
            self._live.update(Group(Text(self._title, style="bold"), self._table(), Text(summary)))
        elif generation % PLAIN_EVERY == 0 or news.ended == news.total:
            line = f"  generation {generation}: {summary}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("task", "site", "generation", "stretch", "squeeze", "activity", ""):
            table.add_column(column, justify="left" if column in ("task", "site") else "right")
        for told, state in self._rows.values():
            objective, line = told.run.objective, told.line
            table.add_row(
                objective.task,
                objective.site or "",
                f"{line['generation']}/{told.run.generations}",
                _number(line["stretch"][1]),
                _number(line["squeeze"][1]),
                _number(line["activation"][1]),
                {"stopped": "goal met", "finished": "done", "running": ""}[state],
            )
        return table
