"""One line of progress for a person who waits: in terminals and notebooks, silent elsewhere.

Commands show rich's tables and bars. In a notebook rich needs ipywidgets and warns without it, so
functions called from Python write a plain line.
"""

import shutil
import sys
import time
from typing import Self, TextIO

EVERY = 0.2  # seconds between two states of a line that is written over
EVERY_PLAIN = 10.0  # seconds between two lines where nothing can be written over
NOTEBOOK = "ZMQInteractiveShell"  # IPython's shell behind a notebook


def in_notebook() -> bool:
    """Tell if this process answers the cells of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == NOTEBOOK


class ProgressLine:
    """Shows the state of long work on the standard error; a context.

    In a terminal or a notebook one line is written over; elsewhere a line comes now and then.

    Args:
        progress: True always, False never; None in terminals and notebooks only, and not where the
            caller watches.
        watched: whether the caller has a watcher of their own.
        stream: where to write; by default the standard error.

    Example:
        >>> with ProgressLine(False) as line:
        ...     line("photo 1 of 3")
    """

    def __init__(
        self, progress: bool | None = None, *, watched: bool = False, stream: TextIO | None = None
    ) -> None:
        self._stream = stream or sys.stderr
        self._over = self._stream.isatty() or in_notebook()
        self.shown = self._over and not watched if progress is None else progress
        self._last, self._length = float("-inf"), 0
        self._waiting = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.shown:
            return
        if self._waiting:
            self._write(self._waiting)
        if self._over and self._length:
            self._stream.write("\n")
            self._stream.flush()

    def __call__(self, words: str) -> None:
        """Show the state in words; of states that follow fast only some, but always the last."""
        if not self.shown:
            return
        now = time.monotonic()
        if now - self._last < (EVERY if self._over else EVERY_PLAIN):
            self._waiting = words
            return
        self._last = now
        self._write(words)

    def _write(self, words: str) -> None:
        self._waiting = ""
        if self._over:
            words = words[: max(shutil.get_terminal_size().columns - 1, 20)]
            self._stream.write("\r" + words.ljust(self._length))
            self._length = len(words)
        else:
            self._stream.write(words + "\n")
        self._stream.flush()
