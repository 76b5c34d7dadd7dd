"""Output of commands: results to the standard output, progress and notes to the standard error."""

import json
import sys
import webbrowser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Table

WIDE = 1000  # columns where nothing is a terminal: tables in a pipe are not folded
GOES_ON = "the same command goes on"
STARTS_AGAIN = "the same command starts again"

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, and nothing else.")]
Open = Annotated[
    bool, Parameter(name="--open", negative="", help="Open the page in the browser at the end.")
]

KEPT = "what was found is kept, and the same command goes on from there"

_quiet = False
_interrupted = ""  # what an interruption of this command means, once the command has begun


def begin_command(*, quiet: bool) -> None:
    """Choose whether progress and notes are printed by the command that follows."""
    global _quiet, _interrupted
    _quiet, _interrupted = quiet, ""


def stopped() -> str:
    """Write the sentence after Ctrl-C: how to go on, as `tell_start` said."""
    return "; ".join(filter(None, ["stopped", _interrupted]))


def shown_progress() -> bool | None:
    """Give a function's `progress`: none under `--quiet`, else as where the command runs."""
    return False if _quiet else None


def output() -> Console:
    """Make the console for results; NO_COLOR and the terminal's width count."""
    width = None if sys.stdout.isatty() else WIDE
    return Console(soft_wrap=True, highlight=False, emoji=False, width=width)


def notes() -> Console:
    """Make the console for progress and notes, silent under `--quiet`."""
    terminal = False if _quiet else None
    return Console(
        stderr=True,
        soft_wrap=True,
        highlight=False,
        emoji=False,
        quiet=_quiet,
        force_terminal=terminal,
    )


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str | None = None,
    *,
    right: Sequence[str] = (),
) -> None:
    """Print a table as a result, folded into the terminal's width: nothing is cut.

    Args:
        columns: their headings.
        rows: a text for each column.
        title: above the table; without one, a plain table in grey.
        right: the columns that are aligned at the right.
    """
    plain = {"box": None, "pad_edge": False, "header_style": "dim"}
    table = Table(title=title, title_justify="left", **({} if title else plain))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    output().print(table, soft_wrap=False)


def print_json(value: Any) -> None:
    """Print a value as JSON, as the only result."""
    output().out(json.dumps(value, indent=1, default=str, ensure_ascii=False), highlight=False)


def tell_start(folder: Path, after_interruption: str = GOES_ON) -> None:
    """Print where a long command writes, and how to go on after an interruption."""
    global _interrupted  # noqa: PLW0603  (one command a process)
    _interrupted = KEPT if after_interruption == GOES_ON else after_interruption
    notes().print(f"writing to {folder} · Ctrl-C stops; {after_interruption}", markup=False)


class StartNote:
    """Prints where a long command writes, once, when the work has begun: mistakes come before.

    Args:
        folder: where the command writes.
        after_interruption: what the same command does then.
    """

    def __init__(self, folder: Path, after_interruption: str = GOES_ON) -> None:
        self._words = (folder, after_interruption)
        self._told = False

    def __call__(self) -> None:
        if not self._told:
            self._told = True
            tell_start(*self._words)


def progress_bar(*columns: ProgressColumn, transient: bool = False) -> Progress:
    """Make a progress bar among the notes, silent where no terminal shows the bar."""
    console = notes()
    silent = not console.is_terminal
    return Progress(*columns, console=console, transient=transient, disable=silent)


def tell_page(page: Path, *, open_page: bool, silent: bool = False) -> None:
    """Print a report's path as a result, and open the page in the browser where asked for."""
    if not silent:
        output().print(f"report: {page}", markup=False)
    if open_page:
        webbrowser.open(page.resolve().as_uri())
