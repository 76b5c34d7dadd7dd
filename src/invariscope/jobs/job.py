"""Pieces of a study for the workers of an engine, and their reports."""

import json
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from invariscope.errors import InputError
from invariscope.memory import keep_freed_memory

# A subject, a generator or a disk may raise anything; one failed run does not stop the others.
FAILURES = Exception
NEWS_EVERY = 1.0  # seconds


@dataclass
class JobReport:
    """The outcome of a job.

    Attributes:
        number: the job's.
        rows: plain data of the runs that ended, each with its `name`; networks have none.
        failed: a sentence for each run or network that failed, by name.
        busy: names of runs that another process is writing.
        images: shown in this job.
        seconds: spent by the worker.
    """

    number: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0


@dataclass
class JobNews:
    """The small file with a worker's progress in a job.

    Attributes:
        path: the file; `read_news` reads it.
        watch: called whenever the file is written.
    """

    path: Path
    watch: Callable[[], None] | None = None
    _last: float | None = None

    def tell(self, **progress: Any) -> None:
        """Write progress, at most once a second."""
        now = time.monotonic()
        if self._last is not None and now - self._last < NEWS_EVERY:
            return
        self._last = now
        progress |= {"pid": os.getpid(), "host": socket.gethostname(), "time": time.time()}
        with suppress(OSError):  # only a table of progress needs the file
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps(progress))
            part.replace(self.path)
        if self.watch:
            self.watch()

    def remove(self) -> None:
        """Remove the file of a job that has ended."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def read_news(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Read workers' progress, leaving out files that are gone."""
    news = []
    for path in paths:
        with suppress(OSError, ValueError):
            news.append(json.loads(path.read_text()))
    return news


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """Work that an engine can hand to another process: a frozen dataclass of plain data.

    Attributes:
        number: which job of its study this is.
        news: the file in which the worker tells how far the job is.
        device: where the job works.
        threads: torch's threads on the CPU; None leaves them alone.
    """

    number: int
    news: Path
    device: str = "auto"
    threads: int | None = None

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the runs or networks that the job works on."""

    @abstractmethod
    def _work(self, report: JobReport, news: JobNews) -> None:
        """Do the work, and write each name's outcome into the report."""

    def at(self, device: str, threads: int | None) -> Self:
        """Copy the job for a device and a number of torch's threads."""
        return replace(self, device=device, threads=threads)

    def work(self, watch: Callable[[], None] | None = None) -> JobReport:
        """Do the job in this process.

        Args:
            watch: called about once a second.

        Returns:
            The report. Where the job itself fails, every name that has no result yet has failed.
        """
        began, report = time.monotonic(), JobReport(self.number)
        if self.threads is not None:
            import torch  # noqa: PLC0415  (reports and progress need none)

            torch.set_num_threads(self.threads)
        news = JobNews(self.news, watch)
        try:
            self._work(report, news)
        except FAILURES as error:
            settled = {row["name"] for row in report.rows} | {*report.failed, *report.busy}
            left = (name for name in self.names if name not in settled)
            report.failed |= dict.fromkeys(left, sentence_of(error))
        report.seconds = time.monotonic() - began
        news.remove()
        return report


def work(job: Job, watch: Callable[[], None] | None = None) -> JobReport:
    """Call `job.work`, as a function that another process can be told to call."""
    return job.work(watch)


def work_as_worker(job: Job) -> JobReport:
    """Call `job.work` in a process that does nothing else."""
    keep_freed_memory()
    return work(job)


def sentence_of(error: BaseException) -> str:
    """Describe an error on one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"
