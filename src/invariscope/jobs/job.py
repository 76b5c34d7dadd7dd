"""A piece of a study: what an engine hands to a worker, and what comes back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from invariscope.errors import InputError
from invariscope.memory import keep_freed_memory

# What a subject, a generator or a disk may raise; one failed run does not stop the others.
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


@dataclass
class JobReport:
    """What became of a job.

    Attributes:
        number: which one.
        rows: what it tells of each of its runs that came to its end.
        failed: a sentence for each that did not.
        busy: runs that another process is writing.
        images: shown in this job.
        seconds: spent on it by the worker.
    """

    number: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0


class Job(Protocol):
    """Work that an engine can hand to another process: a frozen dataclass of plain data.

    Attributes:
        number: which job of its study this is.
        device: where it works.
        names: of the runs that it works on.
    """

    @property
    def number(self) -> int: ...

    @property
    def device(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    def at(self, device: str, threads: int | None) -> Self:
        """The same, on that device and with so many of torch's threads; None leaves them alone."""
        ...

    def work(self, watch: Callable[[], None] | None = None) -> JobReport:
        """Do it, in this process.

        Args:
            watch: called about once a second.
        """
        ...


def work(job: Job, watch: Callable[[], None] | None = None) -> JobReport:
    """`job.work`, as a function that another process can be told to call."""
    return job.work(watch)


def work_as_worker(job: Job) -> JobReport:
    """`job.work` in a process that does nothing else."""
    keep_freed_memory()
    return work(job)


def sentence_of(error: BaseException) -> str:
    """What went wrong, on one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"
