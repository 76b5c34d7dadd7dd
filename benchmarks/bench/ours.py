"""The engine's own loop, a generation at a time, with its store."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, final

from bench.cases import Case
from bench.timers import Watched
from invariscope.experiments.chunk import choose_chunk
from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.plan import SearchOptions, plan
from invariscope.experiments.reference import image_reference
from invariscope.search import ranking
from invariscope.search.archive import Archive
from invariscope.search.objectives import Objectives
from invariscope.search.run import StepResult
from invariscope.search.search import Search
from invariscope.store.context import numeric_context
from invariscope.store.run_folder import RunFolder


@final
class LockstepLoop:
    """Many invariance runs of a case in lockstep, each with its run folder.

    Args:
        case: what is searched.
        runs: how many; they differ in their seed.
        out: the folder for the run folders.
        options: of the search; the stopping rule is off, so that every generation is whole.
    """

    def __init__(self, case: Case, runs: int, out: Path, options: SearchOptions) -> None:
        self.case, self._out, self._stack = case, out, ExitStack()
        self._stack.enter_context(case.subject.folding())
        self.options = replace(options, stop=False)
        sites = (case.site, case.readout)
        chunk = choose_chunk(case.subject, case.generator, sites, options.population, runs)
        self.evaluator = Evaluator(case.subject, case.generator, self.options, chunk)
        code = case.reference
        image = case.generator.generate(code.unsqueeze(0))[0]
        self.planned = plan(
            case.subject,
            case.generator,
            case.address,
            task="invariance",
            reference=image_reference(image, case.generator.image_size, code),
            site=case.site,
            run_seeds=range(runs),
            options=self.options,
        )
        self.search = Search(
            case.generator,
            [self.evaluator.run(self.evaluator.settled(p)) for p in self.planned],
            strategy=options.strategy,
            population=options.population,
            chunk=chunk,
        )
        self._writers: dict[str, RunFolder] = {}

    @property
    def precision(self) -> str:
        """In which the first run is now."""
        fast = bool(self.search.snapshot(self.planned[0].run.name)["bf16.now"])
        return "bf16" if fast else "float32"

    def __enter__(self) -> Self:
        context = numeric_context(self.case.generator.device, self.evaluator.chunk)
        for p in self.planned:
            folder = RunFolder(self._out, p.settings, p.labels, context)
            self._writers[p.run.name] = self._stack.enter_context(folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def journal(self, results: list[StepResult]) -> None:
        """What the store keeps of every generation."""
        for news in results:
            self._writers[news.run.name].append(news.line)

    def generation(self) -> None:
        """One generation of every run, without a checkpoint."""
        self.journal(self.search.step(self.case.subject))

    def checkpoint(self) -> None:
        """A checkpoint of every run."""
        for name, writer in self._writers.items():
            writer.checkpoint(self.search.snapshot(name))

    def bytes(self) -> dict[str, int]:
        """Of the first run: its strategy's state, and its checkpoint on disk."""
        name = self.planned[0].run.name
        state = self.search.snapshot(name)
        own = [t.nbytes for key, t in state.items() if key.startswith("strategy.")]
        file = self._writers[name].path / "checkpoint.safetensors"
        return {"state": sum(own), "checkpoint": file.stat().st_size}

    def watched(self) -> list[Watched]:
        """The functions to time, and the part that each is."""
        strategy = type(self.search.strategy)
        return [
            (strategy, "ask", "strategy"),
            (strategy, "tell", "strategy"),
            (type(self.case.generator), "generate", "generator"),
            (type(self.case.subject), "respond", "subject"),
            (Objectives, "score", "objectives"),
            (ranking, "order", "ranking"),
            (ranking, "fronts", "ranking"),
            (Archive, "add", "archive"),
            (LockstepLoop, "journal", "store"),
        ]
