"""Advance planned runs together, and keep what they find."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.generators.base import Generator
from invariscope.search.archive import Archive, Front
from invariscope.search.measure import measure, pad
from invariscope.search.objectives import Objective, Objectives
from invariscope.search.precision import SMALLEST_TAU, agreement, bf16_is_native, bulk
from invariscope.search.run import Outcome, Told
from invariscope.search.search import SMALLEST_CHUNK, Search
from invariscope.sns.pictures import save_pictures
from invariscope.sns.plan import Planned, SearchOptions
from invariscope.sns.reference import depart_from
from invariscope.store.context import numeric_context
from invariscope.store.record import RunRecord, load_run, run_folders
from invariscope.store.run_folder import RunFolder, read_settings
from invariscope.subjects.base import Subject


@dataclass(frozen=True)
class News:
    """A generation of the runs that advance together.

    Attributes:
        told: each active run's news.
        total: runs in all, those that were there before included.
        ended: runs that have ended.
        images: shown so far in this call.
        seconds: spent so far in this call.
    """

    told: list[Told]
    total: int
    ended: int
    images: int
    seconds: float


Watcher = Callable[[News], None]


def check_out(out: Path, planned: Sequence[Planned]) -> None:
    """Make sure that `out` holds no other runs than the planned ones.

    Raises:
        StoreError: it does; nothing was written.
    """
    if not out.exists():
        return
    expected = {p.settings.folder_name for p in planned}
    others = [path.name for path in run_folders(out) if path.name not in expected]
    if others:
        raise StoreError(
            f"{str(out)!r} holds another run, {others[0]!r}; choose another --out "
            "(the same settings would go on where they stopped)"
        )


def execute(
    planned: Sequence[Planned],
    subject: Subject,
    generator: Generator,
    out: Path,
    *,
    options: SearchOptions | None = None,
    watch: Watcher | None = None,
) -> list[RunRecord]:
    """Run what is planned, all runs in lockstep, and keep each in a folder of `out`.

    A run that is there with a result is not done again; one that was interrupted goes on
    from its last checkpoint. On Ctrl-C what was found is kept, then the interrupt goes on.

    Args:
        planned: of one generator, strategy and population.
        out: the folder that holds the run folders.
        watch: called after every generation.

    Returns:
        The records of all runs, in the order of `planned`.

    Raises:
        StoreError: the folder cannot be written, or a run of it is being written.
        SubjectError: the subject answered NaN.
    """
    options = options or SearchOptions()
    folders = [out / p.settings.folder_name for p in planned]
    pending = [p for p, folder in zip(planned, folders, strict=True) if not ended(folder)]
    crew = _Crew(subject, generator, options, out)
    groups: dict[str, list[Planned]] = {}
    for p in pending:
        groups.setdefault(crew.precision(p), []).append(p)
    images, over = 0, len(planned) - len(pending)

    def on_told(told: list[Told], newly: int) -> None:
        nonlocal images, over
        images, over = images + len(told) * options.population, over + newly
        if watch:
            watch(News(told, len(planned), over, images, time.monotonic() - crew.began))

    for precision, group in groups.items():
        _advance(group, precision, crew, on_told)
    return [load_run(folder) for folder in folders]


def ended(folder: Path) -> bool:
    """Whether a run folder holds a run that came to its end."""
    if not (folder / "outcome.json").exists():
        return False
    return load_run(folder).outcome["status"] != "interrupted"


class _Crew:
    """What every run of a call shares while it advances."""

    def __init__(
        self, subject: Subject, generator: Generator, options: SearchOptions, out: Path
    ) -> None:
        self.subject, self.generator, self.options, self.out = subject, generator, options, out
        self.chunk = max(SMALLEST_CHUNK, options.population)
        self.began = time.monotonic()

    def objective(self, planned: Planned, precision: str) -> Objective:
        """A run's objective with the reference's responses in that precision."""
        if planned.reference is None:
            return planned.run.objective
        with bulk(self.generator.device, precision):
            image = planned.reference.image
            return depart_from(planned.run.objective, self.subject, image, self.chunk)

    def precision(self, planned: Planned) -> str:
        """What `auto` means for this run: bf16 where it ranks the first candidates alike."""
        folder = self.out / planned.settings.folder_name
        if (folder / "run.toml").exists():
            return read_settings(folder)["context"]["precision"]
        if self.options.precision != "auto":
            return self.options.precision
        if not bf16_is_native(self.generator.device):
            return "float32"
        alone = Search(
            self.generator,
            [replace(planned.run, objective=self.objective(planned, "float32"))],
            strategy=self.options.strategy,
            population=self.options.population,
        )
        codes = alone.ask_codes()[0]
        exact, fast = (
            self.measure(codes, self.objective(planned, precision), precision)
            for precision in ("float32", "bf16")
        )
        return "bf16" if agreement(exact[:, [0, 2]], fast[:, [0, 2]]) >= SMALLEST_TAU else "float32"

    def measure(self, codes: Tensor, objective: Objective, precision: str) -> Tensor:
        return measure(
            self.generator, self.subject, codes, objective, chunk=self.chunk, precision=precision
        )

    def pixel_distance(self, front: Front, planned: Planned) -> dict[str, Tensor]:
        """How far each member is from the reference as an image (L2), whatever the site."""
        if planned.reference is None:
            return {}
        reference = self.subject.see(planned.reference.image.unsqueeze(0))
        parts = [
            self.subject.see(self.generator.generate(pad(codes, self.chunk)))[: len(codes)]
            for codes in front.codes.split(self.chunk)
        ]
        distance = (torch.cat(parts) - reference).flatten(1).norm(dim=1)
        return {"pixel_distance": distance.cpu()}

    def exact(self, outcome: Outcome, planned: Planned) -> Outcome:
        """The outcome with its fronts measured again in float32, and filtered anew."""
        objective = self.objective(planned, "float32")

        def again(front: Front) -> Front:
            scores = self.measure(front.codes, objective, "float32").cpu().unsqueeze(0)
            costs = Objectives([objective], "cpu").costs(scores)
            members = (front.codes, front.generation, front.place)
            empty = Archive.empty(1, front.codes.shape[1])
            return empty.add(costs, scores, *(m.unsqueeze(0) for m in members)).front(0)

        milestone = outcome.milestone
        if milestone:
            milestone = replace(milestone, front=again(milestone.front))
        return replace(outcome, front=again(outcome.front), milestone=milestone)


def _advance(
    group: Sequence[Planned],
    precision: str,
    crew: _Crew,
    watch: Callable[[list[Told], int], None],
) -> None:
    """Advance runs of one precision to their ends, keeping what each finds."""
    context = {**numeric_context(crew.generator.device, crew.chunk), "precision": precision}
    by_name = {p.run.name: p for p in group}
    objectives = {name: crew.objective(p, precision) for name, p in by_name.items()}
    runs = [replace(p.run, objective=objectives[p.run.name]) for p in group]
    with ExitStack() as stack:
        writers = {
            p.run.name: stack.enter_context(RunFolder(crew.out, p.settings, p.labels, context))
            for p in group
        }
        restored = {name: writer.restore() for name, writer in writers.items()}
        search = Search(
            crew.generator,
            runs,
            strategy=crew.options.strategy,
            population=crew.options.population,
            precision=precision,
            restored={name: packed for name, packed in restored.items() if packed},
        )

        def keep(outcome: Outcome) -> None:
            p, writer = by_name[outcome.run.name], writers[outcome.run.name]
            if precision == "bf16":
                outcome = crew.exact(outcome, p)
            save_pictures(writer.path, outcome.front, crew.generator, p)
            activity = crew.objective(p, "float32").target_reference
            writer.finish(
                outcome,
                seconds=time.monotonic() - crew.began,
                tensors=_tensors(p, activity),
                columns=crew.pixel_distance(outcome.front, p),
            )

        with _interrupts() as interrupted:
            for told in search.advance(crew.subject):
                for news in told:
                    _write(search, writers[news.run.name], news)
                    if news.outcome:
                        keep(news.outcome)
                watch(told, sum(news.outcome is not None for news in told))
                if interrupted():
                    break
        if not search.done:
            for outcome in search.interrupted():
                writers[outcome.run.name].checkpoint(search.snapshot(outcome.run.name))
                keep(outcome)
        if interrupted():
            raise KeyboardInterrupt


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Holds Ctrl-C back until a generation is whole; a second one interrupts at once."""
    asked: list[int] = []

    def note(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def _write(search: Search, writer: RunFolder, news: Told) -> None:
    writer.append(news.line)
    if news.outcome is None and writer.checkpoint_due(news.line["generation"]):
        writer.checkpoint(search.snapshot(news.run.name))


def _tensors(planned: Planned, activity: Tensor | None) -> dict[str, Tensor]:
    """What the store keeps of the reference: its image, code and activity."""
    if planned.reference is None:
        return {}
    tensors = {"reference_image": planned.reference.image}
    if planned.reference.code is not None:
        tensors["reference_code"] = planned.reference.code.float().cpu()
    if activity is not None:
        tensors["reference_activity"] = activity.float().cpu()
    return tensors
