"""`Search`: the loop of many runs that advance together, a generation at a time."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from invariscope import validate
from invariscope.devices import upload
from invariscope.errors import InputError
from invariscope.generators.base import Generator
from invariscope.search import noise, ranking
from invariscope.search.archive import Archive, pack_front, unpack_front
from invariscope.search.evaluation import MixedPrecisionEvaluation
from invariscope.search.expected import expected_archive
from invariscope.search.measure import check_scores, generate_chunks
from invariscope.search.monitor import FrontProgress, StoppingMonitor
from invariscope.search.objectives import Objectives, responses_by_site
from invariscope.search.problem import Problem
from invariscope.search.run import Outcome, Run, StepResult, check_runs, journal_line
from invariscope.search.strategies import State, Strategy, load_strategy
from invariscope.search.strategies.informed import InformedStrategy
from invariscope.subjects.base import Subject

SMALLEST_CHUNK = 32
ENDED = "ended"


@final
class Search:
    """Runs in lockstep through one generator and one subject (PAPERS §1).

    Each generation: `ask` for images, show the images, `tell` the responses; `step` and `advance`
    do that with a subject. `ask` again before `tell` gives the same images; each `tell` needs an
    `ask`. A stopped run's slot goes to the next waiting run. Runs do not depend on each other.

    Args:
        generator: makes images from codes.
        runs: the runs to search for; names must differ.
        strategy: a name or a `Strategy`.
        population: candidates a generation and run.
        slots: runs that advance together; by default all.
        chunk: images that pass at once, padded where fewer; by default the population, at least
            32. Part of a run's numeric context.
        restored: the `snapshot` of some runs, by name.
        stage: for a strategy that sees the problem, the subject whose stretch site counts.

    Raises:
        InputError: no runs, two with one name, no slot, a start that does not fit the generator,
            or a strategy that needs statistics the generator does not have.

    Example:
        >>> import invariscope as iv
        >>> generator = iv.load_generator("embedded")
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> search = iv.open_search(generator, options=short)
        >>> isinstance(search, iv.Search), search.ask().shape
        (True, torch.Size([10, 3, 96, 96]))
        >>> [step.line["generation"] for step in search.tell([0.5] * 10)]
        [1]
    """

    def __init__(
        self,
        generator: Generator,
        runs: Sequence[Run],
        *,
        strategy: str | Strategy = "isotropic",
        population: int = 50,
        slots: int | None = None,
        chunk: int | None = None,
        restored: Mapping[str, dict[str, Tensor]] | None = None,
        stage: Subject | None = None,
    ) -> None:
        validate.at_least("population", population, 2)
        if slots is not None:
            validate.at_least("slots", slots, 1)
        check_runs(runs, generator)
        self.generator = generator
        self.strategy = load_strategy(strategy).for_generator(generator)
        self.population = population
        self.chunk = max(SMALLEST_CHUNK, chunk or population)
        # Strategy state is float64, which only CPU and CUDA have.
        self._device = generator.device if generator.device.type == "cuda" else torch.device("cpu")
        self._evaluation = MixedPrecisionEvaluation(generator, self.chunk)
        self._stage = stage
        self._slots = slots or len(runs)
        self._waiting = deque(runs)
        self._restored = dict(restored or {})
        self._active: list[Run] = []
        self._monitor = StoppingMonitor(population)
        self._codes: Tensor | None = None
        self._images: Tensor | None = None
        self._runs = tuple(runs)
        self._refill()

    @property
    def active(self) -> tuple[Run, ...]:
        """The runs that advance now, in the order of their images."""
        return tuple(self._active)

    @property
    def done(self) -> bool:
        """Whether every run has ended."""
        return not self._active

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites of the responses that `tell` needs."""
        return self._objectives.sites

    def _refill(self) -> None:
        """Give free slots to waiting runs."""
        free = self._slots - len(self._active)
        new = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        if new:
            before = [(self._state, self._archive)] if self._active else []
            states, archives = zip(*before, *map(self._begin, new), strict=True)
            self._state = type(states[0]).cat(states)
            self._archive = Archive.cat(archives)
            self._active += new
        self._objectives = Objectives([r.objective for r in self._active], self._device)

    def _begin(self, run: Run) -> tuple[State, Archive]:
        device = self._device
        mean = run.start.to(device, torch.float64).unsqueeze(0)
        sigma = torch.tensor([run.sigma], dtype=torch.float64, device=device)
        packed = self._restored.pop(run.name, {})
        self._evaluation.begin(run, packed)
        self._monitor.begin(run, packed)
        strategy = self.strategy.with_budget(run.generations)
        if not packed:
            archive = Archive.empty(1, self.generator.code_dim, device=device)
            return strategy.init([run.name], mean, sigma, self.population), archive
        own = {k.removeprefix("strategy."): v for k, v in packed.items() if "strategy." in k}
        state = strategy.unpack(run.name, mean, sigma, self.population, own)
        front = unpack_front(packed, "front")
        costs = Objectives([run.objective], device).costs(front.scores.unsqueeze(0))[0]
        return state, Archive.of(front, costs, device)

    def snapshot(self, name: str) -> dict[str, Tensor]:
        """Collect all that a later search needs to go on with an active run, as CPU tensors."""
        row = [run.name for run in self._active].index(name)
        own = self.strategy.pack(self._state[[row]])
        packed = {f"strategy.{key}": value for key, value in own.items()}
        front = pack_front("front", self._archive.front(row))
        return packed | front | self._evaluation.pack(name) | self._monitor.pack(name)

    def state_dict(self) -> dict[str, Tensor]:
        """Collect the state of every run, as CPU tensors, for `load_state_dict`."""
        names = [run.name for run in self._active]
        state = {f"{name}/{key}": v for name in names for key, v in self.snapshot(name).items()}
        ended = {run.name for run in self._runs} - {r.name for r in (*self._active, *self._waiting)}
        return state | {f"{name}/{ENDED}": torch.tensor(1) for name in sorted(ended)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from where a search with the same runs, strategy and population stood.

        `ask` then gives the images that the other search would have given.

        Raises:
            InputError: the state holds a run that this search has not.
        """
        packed: dict[str, dict[str, Tensor]] = {}
        for key, value in state.items():
            name, _, own = key.rpartition("/")
            packed.setdefault(name, {})[own] = value
        if others := sorted(packed.keys() - {run.name for run in self._runs}):
            raise InputError(f"the state holds run {others[0]!r}, which this search has not")
        self._restored = {name: own for name, own in packed.items() if ENDED not in own}
        ended = packed.keys() - self._restored.keys()
        self._waiting = deque(run for run in self._runs if run.name not in ended)
        self._active, self._codes, self._images = [], None, None
        self._refill()

    def ask_codes(self) -> Tensor:
        """Propose the codes of the images to show next, `(active runs, population, code_dim)`."""
        if self.done:
            raise InputError("every run of this search has ended; there is nothing to ask")
        if self._codes is None:
            state, size = self._state, self.population
            if isinstance(self.strategy, InformedStrategy):
                self._codes = self.strategy.propose(state, size, self._problems())
            else:
                self._codes = self.strategy.ask(state, size)
        return self._codes

    def _problems(self) -> list[Problem]:
        return [Problem.of(run, self.generator, self._stage) for run in self._active]

    def ask(self) -> Tensor:
        """Make the images to show next; asked again before `tell`, the same images.

        Returns:
            `(active runs × population, 3, image_size, image_size)` in [0, 1], run by run.
        """
        codes = self.ask_codes().flatten(0, 1)
        if self._images is None:
            self._images = generate_chunks(self.generator, codes, self._rows(), self.chunk)
        return self._images

    def tell(
        self,
        responses: Mapping[str, Tensor] | ArrayLike,
        errors: Mapping[str, Tensor] | None = None,
    ) -> list[StepResult]:
        """Take the responses to the images that `ask` gave.

        Args:
            responses: for each of `sites`, `(active runs × population, *shape)`; NaN where a
                candidate was not recorded. `pixels` may be left out: the asked images count.
                Plain numbers, `(images,)` or `(images, units)`, are responses of the other site.
            errors: standard errors of noisy responses, of the same shapes: the order respects
                them (`ranking.expected_fronts`); scores count less luck (`noise.shrunk`).

        Returns:
            Each run's result, in the order of `active` before the call.

        Raises:
            InputError: a missing site, responses to another number of images, or nothing was
                asked since the last `tell`.
        """
        by_site = self._responses(responses)
        measured = scores = self._objectives.score(by_site, self._rows())
        drawn = deviations = None
        if errors:
            drawn = self._drawn(scores, by_site, errors)
            deviations = self._objectives.errors(by_site, errors, self._rows())
            scores = self._objectives.shrunk(scores, by_site, errors, self._rows())
        return self._tell_scores(scores, measured, deviations=deviations, drawn=drawn)

    def p_top_half(
        self, responses: Mapping[str, Tensor] | ArrayLike, errors: Mapping[str, Tensor]
    ) -> Tensor:
        """Estimate the probability that a candidate is in its population's better half.

        0 or 1 is settled; near ½, another measurement can change the order told to the strategy.

        Args:
            responses, errors: as for `tell`.

        Returns:
            `(active runs × population,)` in [0, 1]; 0 for a candidate that was not recorded.
        """
        by_site = self._responses(responses)
        scores = self._objectives.score(by_site, self._rows())
        drawn = self._drawn(scores, by_site, errors)
        return noise.p_top_half(drawn, lambda scores: self._ranked(scores)[2]).flatten()

    def _responses(self, responses: Mapping[str, Tensor] | ArrayLike) -> dict[str, Tensor]:
        """Check the responses to the images that were asked, by site."""
        if self._codes is None:
            raise InputError("nothing was asked since the last tell; call ask first")
        return responses_by_site(responses, self.sites, len(self._rows()), self.ask)

    def _drawn(
        self, scores: Tensor, by_site: Mapping[str, Tensor], errors: Mapping[str, Tensor]
    ) -> Tensor:
        """Draw scores within the errors, `(draws, runs, population, 3)`."""
        normal = noise.normal(self._state.streams("noise"), self.population)
        drawn = self._objectives.resampled(scores, by_site, errors, self._rows(), normal)
        return drawn.cpu().unflatten(1, (-1, self.population))

    def _rows(self) -> Tensor:
        """Number the active run of each image of a generation, `(images,)`."""
        return torch.arange(len(self._active)).repeat_interleave(self.population)

    def step(self, subject: Subject) -> list[StepResult]:
        """Advance every active run by a generation, with a subject that answers at once.

        A stop in bf16 is confirmed in float32.

        Raises:
            SubjectError: NaN or infinity from a subject whose answers should be complete, or no
                answer to any image of the first generation.
        """
        codes = self.ask_codes()
        generations = [number + 1 for number in self._state.generation.tolist()]
        scores, in_bf16 = self._evaluation.scores(
            subject, codes, self._active, generations, self._device
        )
        check_scores(scores, subject, first=max(generations) == 1)

        def confirm(row: int, front: FrontProgress) -> bool:
            """Tell if the stopping rule holds for the same candidates in float32."""
            if not in_bf16[row]:
                return True
            run = self._active[row]
            again = self._evaluation.activations(subject, codes[row], run)
            return run.stop.met(self._monitor.progress(run.name, generations[row], again, front))

        return self._tell_scores(scores, scores, confirm)

    def advance(self, subject: Subject) -> Iterator[list[StepResult]]:
        """Step until every run has ended, giving the results of each generation."""
        while not self.done:
            yield self.step(subject)

    def _ranked(self, scores: Tensor, drawn: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Rank scores `(runs, population, 3)`: costs, fronts, and order, best first."""
        costs = self._objectives.costs(scores)
        front = fronts = ranking.fronts(costs)
        if drawn is not None:
            front = ranking.expected_fronts(torch.stack([*map(self._objectives.costs, drawn)]))
        rules = [run.objective.tie_break for run in self._active]
        streams = self._state.streams("shuffle")
        tie_break = ranking.within_fronts(costs, scores[..., 1], fronts, rules, streams)
        return costs, fronts, ranking.order(costs, tie_break, front)

    def _tell_scores(
        self,
        flat: Tensor,
        measured: Tensor,
        confirm: Callable[[int, FrontProgress], bool] | None = None,
        *,
        deviations: Tensor | None = None,
        drawn: Tensor | None = None,
    ) -> list[StepResult]:
        """Rank a generation by `flat` scores `(runs × population, 3)`, and tell all parts.

        An informed strategy learns `measured` scores, with `deviations` `(runs × population,)`.
        """
        codes = self.ask_codes()
        scores = flat.cpu().unflatten(0, (-1, self.population))
        costs, fronts, order = self._ranked(scores, drawn)
        observed = ~costs.isnan().any(-1)
        if isinstance(self.strategy, InformedStrategy):
            sd = torch.zeros_like(measured[:, 0]) if deviations is None else deviations
            own, errors = (t.unflatten(0, observed.shape).to(codes.device) for t in (measured, sd))
            self._state = self.strategy.learn(self._state, codes, own, errors, self._problems())
        else:
            ranked = upload(order, codes.device), upload(observed, codes.device)
            self._state = self.strategy.tell(self._state, codes, *ranked)
        generation = self._state.generation.unsqueeze(1).expand_as(observed)
        candidate = torch.arange(self.population).expand_as(observed)
        self._archive = self._archive.add(costs, scores, codes, generation, candidate)
        growth = [math.nan] * len(self._active)
        if isinstance(self.strategy, InformedStrategy):
            shown = self.strategy.expected(self._state, self._problems())
            noisy = deviations is not None
            self._archive = expected_archive(shown, self._archive, self._objectives, noisy=noisy)
            growth = [images.growth if images else math.nan for images in shown]
        self._codes, self._images = None, None
        first, members = (fronts == 0).logical_and(observed).sum(1), self._archive.alive.sum(1)
        counts = torch.stack([self._state.generation, first, members], 1).tolist()
        results = [
            self._result(row, own, counts[row], growth[row], confirm)
            for row, own in enumerate(scores.numpy())
        ]
        going_on = [row for row, result in enumerate(results) if result.outcome is None]
        if len(going_on) < len(results):
            self._state, self._archive = self._state[going_on], self._archive[going_on]
            self._active = [self._active[row] for row in going_on]
            self._refill()
        return results

    def _result(
        self,
        row: int,
        scores: NDArray[np.floating[Any]],
        counts: list[int],
        growth: float,
        confirm: Callable[[int, FrontProgress], bool] | None,
    ) -> StepResult:
        """Report a run's generation; `counts`: generations, first front, archive members."""
        run, (generation, first, members) = self._active[row], counts
        front = self._archive.scores[row, self._archive.alive[row], 2].numpy(), growth
        progress = self._monitor.progress(run.name, generation, scores[:, 2], front)
        line = journal_line(run, progress, scores, first, members)
        stopped = run.stop.met(progress) and (confirm is None or confirm(row, front))
        self._monitor.update(run, progress, self._archive, row)
        status = "stopped" if stopped else "finished" if generation >= run.generations else None
        return StepResult(run, line, self._outcome(row, status) if status else None)

    def _outcome(self, row: int, status: str) -> Outcome:
        run, generation = self._active[row], int(self._state.generation[row])
        return Outcome(
            run=run,
            status=status,
            generations=generation,
            images=generation * self.population,
            front=self._archive.front(row),
            milestone=self._monitor.milestone(run.name),
            bf16_generations=self._evaluation.generations(run.name),
        )

    def interrupted(self) -> list[Outcome]:
        """Give the outcomes of the active runs so far; the runs go on."""
        return [self._outcome(row, "interrupted") for row in range(len(self._active))]
