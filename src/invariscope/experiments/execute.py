"""Planned runs that advance together, kept in folders."""

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from invariscope.errors import InputError, StoreError, SubjectError
from invariscope.experiments.chunk import choose_chunk, halved
from invariscope.experiments.evaluator import PROBE, Evaluator, check_answers
from invariscope.experiments.pictures import save_pictures
from invariscope.experiments.plan import Planned, SearchOptions
from invariscope.generators.base import Generator
from invariscope.plurals import number_of
from invariscope.search.run import Outcome, StepResult
from invariscope.search.search import SMALLEST_CHUNK, Search
from invariscope.store.context import device_name, numeric_context
from invariscope.store.record import RunRecord, load_run, run_folders
from invariscope.store.run_folder import RESULT, RunFolder, front_table
from invariscope.store.run_toml import read_settings
from invariscope.store.settings import RunSettings
from invariscope.subjects.base import Subject
from invariscope.subjects.trust import check_repeatable

FOLDED = "folded_norms"  # in a numeric context, where there are some


@dataclass(frozen=True)
class ProgressEvent:
    """A generation of the runs that advance together.

    Attributes:
        results: each active run's result.
        total: runs in all, with runs that had ended before.
        ended: runs that have ended.
        images: shown so far in this call.
        seconds: spent so far in this call.
    """

    results: list[StepResult]
    total: int
    ended: int
    images: int
    seconds: float


Watcher = Callable[[ProgressEvent], None]


def check_out(out: Path, planned: Sequence[Planned]) -> None:
    """Make sure that `out` holds no other runs than planned.

    Raises:
        StoreError: another run is there; nothing was written.
    """
    if not out.exists():
        return
    expected = {p.settings.folder_name for p in planned}
    foreign = [path.name for path in run_folders(out) if path.name not in expected]
    if foreign:
        differ = _differences(out / foreign[0], planned)
        raise StoreError(
            f"{str(out)!r} holds another run, {foreign[0]!r}; choose another --out "
            f"(the same settings would go on where they stopped{differ})"
        )


def _differences(folder: Path, planned: Sequence[Planned]) -> str:
    """Name settings that set a folder's run apart from the most similar planned run."""
    try:
        stored = RunSettings(**read_settings(folder)["settings"]).leaves
    except StoreError:
        return ""
    every = [p.settings.leaves for p in planned]
    found = [
        sorted(key for key in stored | asked if stored.get(key) != asked.get(key))
        for asked in every
    ]
    return f"; these differ in {' and '.join(min(found, key=len)[:3])}"


def execute(
    planned: Sequence[Planned],
    subject: Subject,
    generator: Generator,
    out: Path,
    *,
    options: SearchOptions | None = None,
    watch: Watcher | None = None,
) -> list[RunRecord]:
    """Run the planned runs in lockstep, and keep each in a folder of `out`.

    A run that is there with a result is not done again; an interrupted run goes on from its
    last checkpoint. On Ctrl-C all results so far are kept, then the interrupt goes on.

    Args:
        planned: of one generator, strategy and population.
        out: the folder that holds the run folders.
        watch: called after every generation.

    Returns:
        The records of all runs, in the order of `planned`.

    Raises:
        StoreError: the folder cannot be written, or a run of it is being written.
        SubjectError: the subject answered NaN, or its answers depend on more than the image.
    """
    options = options or SearchOptions()
    folders = [out / p.settings.folder_name for p in planned]
    pending = [p for p, folder in zip(planned, folders, strict=True) if not ended(folder)]
    check_repeatable(subject, {site for p in pending for site in p.run.objective.sites})
    check_ended([p for p in planned if p not in pending], subject, generator, options, out)
    began = time.monotonic()
    images, over = 0, len(planned) - len(pending)

    def on_results(results: list[StepResult], newly: int) -> None:
        nonlocal images, over
        images, over = images + len(results) * options.population, over + newly
        if watch:
            watch(ProgressEvent(results, len(planned), over, images, time.monotonic() - began))

    for (chunk, folded), group in _groups(pending, subject, generator, options, out).items():
        with subject.folding() if folded else nullcontext():
            _advance(group, Evaluator(subject, generator, options, chunk), out, on_results)
    return [load_run(folder) for folder in folders]


def _groups(
    planned: Sequence[Planned],
    subject: Subject,
    generator: Generator,
    options: SearchOptions,
    out: Path,
) -> dict[tuple[int, bool], list[Planned]]:
    """Group runs by chunk and whether batch norms are folded; begun runs keep both, and precision.

    Runs of builds that folded nothing go on so, to the bit.
    """
    if not planned:
        return {}
    sites = {site for p in planned for site in p.run.objective.sites}
    chunk = choose_chunk(subject, generator, sites, options.population, len(planned))
    evaluator = Evaluator(subject, generator, options, chunk)
    device = device_name(generator.device)
    groups: dict[tuple[int, bool], list[Planned]] = {}
    for p in planned:
        folder = out / p.settings.folder_name
        if (folder / "run.toml").exists():
            document = read_settings(folder)
            last = [document["context"], *document["context_changes"]][-1]
            same = last.get("device") == device
            own = (last["chunk"], FOLDED in last) if same else (chunk, True)
            begun = replace(p, run=replace(p.run, precision=document["context"]["precision"]))
            groups.setdefault(own, []).append(begun)
        else:
            groups.setdefault((chunk, True), []).append(evaluator.settled(p))
    return groups


def ended(folder: Path) -> bool:
    """Tell if a run folder holds a run that came to its end."""
    if not all((folder / name).exists() for name in RESULT):
        return False
    return load_run(folder).outcome["status"] != "interrupted"


def check_ended(
    planned: Sequence[Planned],
    subject: Subject,
    generator: Generator,
    options: SearchOptions,
    out: Path,
) -> None:
    """Compare probe answers of subject and generator with answers in ended runs.

    One run of each unit and site stands for the others. Runs that were kept without answers, by
    version 0.1, are told of by a warning.

    Raises:
        StoreError: an answer differs; nothing was changed.
    """
    evaluator = Evaluator(subject, generator, options, max(SMALLEST_CHUNK, options.population))
    first = {(p.settings.unit, p.settings.site): p for p in reversed(planned)}
    for p in first.values():
        record = load_run(out / p.settings.folder_name)
        if PROBE in record.tensors:
            check_answers(record.path, record.tensors[PROBE], evaluator.probe(p))
        else:
            warnings.warn(
                f"run {record.path.name!r} was kept by version 0.1 without answers to compare; it "
                "is taken as one of this subject",
                stacklevel=2,
            )


class _LockstepGroup:
    """Runs that advance together, with their writers."""

    def __init__(
        self, evaluator: Evaluator, planned: dict[str, Planned], writers: dict[str, RunFolder]
    ) -> None:
        self.evaluator, self.planned, self.writers = evaluator, planned, writers
        self.began = time.monotonic()
        found = {name: packed for name, w in writers.items() if (packed := w.restore())}
        for name, packed in found.items():
            evaluator.unpack_reference(planned[name], packed)
        self.probes = {name: evaluator.probe(p) for name, p in planned.items()}
        self.search = Search(
            evaluator.generator,
            [evaluator.run(p) for p in planned.values()],
            strategy=evaluator.options.strategy,
            population=evaluator.options.population,
            chunk=evaluator.chunk,
            stage=evaluator.subject,
            restored=self._checked(found),
        )

    def _checked(self, found: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
        """Check that networks answer as when the checkpoints began, and give the checkpoints."""
        for name, packed in found.items():
            began = packed.pop(PROBE, self.probes[name])
            check_answers(self.writers[name].path, began, self.probes[name])
            self.probes[name] = began
        return found

    def advance(self) -> Iterator[list[StepResult]]:
        """Advance by generations, each kept before its results are given."""
        while not self.search.done:
            try:
                results = self.search.step(self.evaluator.subject)
            except torch.OutOfMemoryError:
                for run in self.search.active:
                    self.save(run.name)
                raise
            for result in results:
                writer = self.writers[result.run.name]
                writer.append(result.line)
                if result.outcome:
                    self.save_outcome(result.outcome)
                elif writer.checkpoint_due(result.line["generation"]):
                    self.save(result.run.name)
            yield results

    def save(self, name: str) -> None:
        """Write a run's checkpoint."""
        kept = {PROBE: self.probes[name], **self.evaluator.pack_reference(name)}
        self.writers[name].checkpoint({**self.search.snapshot(name), **kept})

    def save_outcome(self, outcome: Outcome) -> None:
        """Write a run's outcome."""
        evaluator, planned = self.evaluator, self.planned[outcome.run.name]
        writer = self.writers[outcome.run.name]
        if outcome.bf16_generations or evaluator.noisy(planned):
            outcome = evaluator.exact(outcome, planned)
        if len(outcome.front.codes) == 0 and outcome.status != "interrupted":
            raise InputError(
                f"no image of the search {writer.path.name} lies in a cell of its measures; "
                "choose other measures"
            )
        columns = evaluator.describe(outcome.front, planned)
        activity = evaluator.objective(planned, "float32").target_reference
        save_pictures(
            writer.path,
            front_table(outcome.front, columns),
            outcome.front.codes,
            evaluator.generator,
            planned=planned,
            activity=activity,
        )
        writer.finish(
            outcome,
            seconds=time.monotonic() - self.began,
            tensors={**_tensors(planned, activity), PROBE: self.probes[planned.run.name]},
            columns=columns,
        )
        evaluator.forget(outcome.run.name)


def _advance(
    group: Sequence[Planned],
    evaluator: Evaluator,
    out: Path,
    watch: Callable[[list[StepResult], int], None],
) -> None:
    """Advance runs to their ends, and keep their results.

    Where the device's memory does not hold a chunk, the runs go on with half the chunk; their
    `run.toml` notes the change.

    Raises:
        SubjectError: the memory does not hold the smallest chunk.
    """
    left = list(group)
    while left:
        try:
            return _advance_whole(left, evaluator, out, watch)
        except torch.OutOfMemoryError as error:
            chunk = halved(evaluator.chunk)
            if chunk is None:
                raise SubjectError(
                    f"{evaluator.subject.name} and {evaluator.generator.name} need more memory "
                    f"than {evaluator.generator.device} has for "
                    f"{number_of(evaluator.chunk, 'image')} at once, the fewest that are computed "
                    "together; use a device with more"
                ) from error
        torch.cuda.empty_cache()
        evaluator = Evaluator(evaluator.subject, evaluator.generator, evaluator.options, chunk)
        left = [p for p in left if not ended(out / p.settings.folder_name)]
    return None


def _advance_whole(
    group: Sequence[Planned],
    evaluator: Evaluator,
    out: Path,
    watch: Callable[[list[StepResult], int], None],
) -> None:
    """Advance runs in one chunk shape; checkpoints are written when memory runs out."""
    device, compiled = evaluator.generator.device, evaluator.subject.compiled
    context = numeric_context(device, evaluator.chunk, compiled=compiled)
    planned = {p.run.name: p for p in group}
    with ExitStack() as stack:
        writers: dict[str, RunFolder] = {}
        for name, p in planned.items():
            matters = evaluator.batch_place_matters(p)
            own = context | {"precision": p.run.precision, "batch_place_matters": matters}
            folded = evaluator.subject.folded_norms(p.run.objective.sites)
            own |= {FOLDED: folded} if folded else {}
            writers[name] = stack.enter_context(RunFolder(out, p.settings, p.labels, own))
        runs = _LockstepGroup(evaluator, planned, writers)
        with _interrupts() as interrupted:
            for results in runs.advance():
                watch(results, sum(result.outcome is not None for result in results))
                if interrupted():
                    break
        if not runs.search.done:
            for outcome in runs.search.interrupted():
                runs.save(outcome.run.name)
                runs.save_outcome(outcome)
        if interrupted():
            raise KeyboardInterrupt


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back until a generation is whole; a second Ctrl-C interrupts at once."""
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


def _tensors(planned: Planned, activity: Tensor | None) -> dict[str, Tensor]:
    """Collect image, code and activity of the reference for the store."""
    if planned.reference is None:
        return {}
    tensors = {"reference_image": planned.reference.image}
    if planned.reference.code is not None:
        tensors["reference_code"] = planned.reference.code.float().cpu()
    if activity is not None:
        tensors["reference_activity"] = activity.float().cpu()
    return tensors
