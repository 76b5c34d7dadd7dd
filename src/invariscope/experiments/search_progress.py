"""The state of searches in words, and as a line that a person watches."""

from collections.abc import Iterator
from contextlib import contextmanager

from invariscope.experiments.execute import ProgressEvent, Watcher
from invariscope.plurals import number_of
from invariscope.progress import ProgressLine


def latest_generation(event: ProgressEvent) -> int:
    """Give the number of the generation that the farthest of the active runs has reached."""
    return max(result.line["generation"] for result in event.results)


def progress_words(event: ProgressEvent) -> str:
    """Say how many searches are done, how fast images are shown, and the time that is left."""
    rate = event.images / max(event.seconds, 1e-9)
    left = max(
        (
            result.run.generations - result.line["generation"]
            for result in event.results
            if result.outcome is None
        ),
        default=0,
    )
    seconds = left * event.seconds / max(latest_generation(event), 1)
    return (
        f"{event.ended} of {number_of(event.total, 'search')} done · "
        f"{number_of(event.images, 'image')} · {rate:.0f} images/s · at most {seconds:.0f} s left"
    )


@contextmanager
def watched_searches(
    title: str, progress: bool | None, watch: Watcher | None = None
) -> Iterator[Watcher]:
    """Make the watcher of some searches: a caller's own, else a line of progress.

    Args:
        title: what is searched for.
        progress: see `ProgressLine`; without a choice a caller's own watcher shows enough.
        watch: the caller's own.
    """
    with ProgressLine(progress, watched=watch is not None) as line:

        def tell(event: ProgressEvent) -> None:
            if watch:
                watch(event)
            line(f"{title} · generation {latest_generation(event)} · {progress_words(event)}")

        yield tell
