"""Twin search: learn the unit from the images shown, and climb the learnt model by gradient.

A *twin* of the unit is a Gaussian process of its activity over a proxy network's features. Through
the generator its prediction, like the stretch, has a gradient in the code. Each candidate has a
level of the unit's goal, and climbs the stretch as far as the twin is sure that the level is met;
only the ends of climbs are shown. Members of the front were measured: a wrong twin costs images,
never truth.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.generators.base import CodeStatistics, Generator
from invariscope.search import gp
from invariscope.search.problem import Problem
from invariscope.search.stopping import SETTLED, SETTLING
from invariscope.search.strategies.informed import InformedStrategy, ShownImages
from invariscope.search.strategies.isotropic import Isotropic
from invariscope.search.strategies.twin_cells import Cells
from invariscope.search.strategies.twin_data import (
    Observations,
    RandomNumbers,
    TrainingSet,
    no_images,
)
from invariscope.search.strategies.twin_features import Features, check_gradients, proxy_identity
from invariscope.search.strategies.twin_filling import AimedCells, FilledCells
from invariscope.search.strategies.twin_goals import Goals, front_area, front_gain
from invariscope.search.strategies.twin_state import (
    BEST,
    TwinState,
    enough,
    handed_over,
    plain_order,
    together,
)
from invariscope.search.strategies.twin_taught import taught_observations
from invariscope.subjects.base import Subject

FIRST_STEPS, MORE_STEPS = 40, 8  # up the marginal likelihood: at first, and after each batch
LEARNT_ON = 400  # points from which hyperparameters are learnt
KINDS = ("member", "fresh")  # what a climb starts from: a member of the front, or a new code
FORGET = 0.7  # of a kind's credit that a generation leaves
FLOOR = 0.15  # the least share of a kind
PLAIN = Isotropic()  # what goes on where the front has settled
UNLIKE = ("proxy", "cells")  # parameters that are told by a description of their own


@final
@dataclass(frozen=True)
class Twin(InformedStrategy):
    """Gradient search on a Gaussian process over a proxy network's features.

    Attributes:
        proxy: a network's address or the network, or `codes`: the code itself is the features.
        steps: of each candidate's climb.
        rate: of the first step, in SD of the natural codes; later ones are shorter.
        caution: SD of the number of predicted SDs by which a climb meets its level for sure (in a
            search for excitation: that it hopes for).
        most: images from which the twin predicts; beyond, the most telling and the last.
        scale: the natural codes' SD; by default the generator's.
        cells: to fill with images of every kind, each the best of its cell, instead of one front.
    """

    name: ClassVar[str] = "twin"
    budget: ClassVar[int] = 40
    proxy: str | Subject = "embedded:robust"
    steps: int = 24
    rate: float = 1.0
    caution: float = 1.0
    most: int = 1000
    scale: float | None = None
    cells: Cells | None = None

    def __post_init__(self) -> None:
        validate.at_least("steps", self.steps, 1)
        validate.above("rate", self.rate, 0)
        validate.at_least("caution", self.caution, 0)
        validate.at_least("most", self.most, 10)
        validate.above("scale", 1.0 if self.scale is None else self.scale, 0)

    def with_statistics(self, statistics: CodeStatistics | None) -> "Twin":
        if statistics is None or self.scale is not None:
            return self
        return replace(self, scale=float(statistics.sd.mean()))

    def for_generator(self, generator: Generator) -> "Twin":
        check_gradients(self.proxy, generator, self.cells)
        return self.with_statistics(generator.code_statistics)

    def describe(self) -> dict[str, Any]:
        own = {f: getattr(self, f) for f in self.__dataclass_fields__ if f not in UNLIKE}
        cells = {"cells": self.cells.describe()} if self.cells else {}
        return {"name": self.name, "proxy": proxy_identity(self.proxy), **own, **cells}

    def init(self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int) -> TwinState:
        mean = mean.to(torch.float64)
        runs = len(names)
        return TwinState(
            names=tuple(names),
            generation=torch.zeros(runs, dtype=torch.int64),
            mean=mean,
            sigma=sigma.to(mean),
            path=torch.zeros_like(mean),
            settled=torch.zeros(runs, dtype=torch.bool),
            observations=tuple(no_images(row) for row in mean),
            learnt=tuple(mean.new_zeros(0) for _ in names),
            credit=mean.new_ones(runs, len(KINDS)),
        )

    def propose(self, state: TwinState, size: int, problems: Sequence[Problem]) -> Tensor:
        state = self._taught(state, problems)
        codes: list[Tensor | None] = [None] * len(state)
        for row, settled in enumerate(state.settled.tolist()):
            if settled:
                codes[row] = PLAIN.ask(state[[row]], size)[0]
        for rows in together(state, problems):
            own = state[rows]
            group = [problems[row] for row in rows]
            propose = self._climbed if enough(own) else self._first_codes
            for row, code in zip(rows, propose(own, size, group), strict=True):
                codes[row] = code
        return torch.stack([code for code in codes if code is not None])

    def learn(
        self,
        state: TwinState,
        codes: Tensor,
        scores: Tensor,
        errors: Tensor,
        problems: Sequence[Problem],
    ) -> TwinState:
        size = codes.shape[1]
        state, features = self._taught(state, problems), self._features(problems[0])
        observations, credit, moved = [], state.credit.clone(), []
        for row, (own, problem) in enumerate(zip(state.observations, problems, strict=True)):
            told = scores[row].to(codes), errors[row].nan_to_num().to(codes)
            known = ~scores[row].isnan().any(1)
            if state.settled[row]:
                order = plain_order(problem, told[0], state.streams("shuffle")[row])
                moved.append(PLAIN.tell(state[[row]], codes[[row]], order, known[None]))
                entries = measured = codes.new_zeros(size, 0)
            else:
                moved.append(state[[row]])
                with torch.no_grad():
                    images, entries = features(codes[row])
                    measured = self.cells.measured(images) if self.cells else entries[:, :0]
            generation = int(state.generation[row]) + 1
            after = own.with_generation(generation, codes[row], told, entries, measured)
            observations.append(after)
            if BEST <= len(own) < len(after):
                gain = self._gain(problem, own, after)
                kinds = self._kinds(state[[row]], size)[0].to(gain.device)[known]
                of_kind = [kinds == k for k in range(len(KINDS))]
                gains = torch.stack([gain[rows].sum() for rows in of_kind])
                counts = torch.stack([rows.sum() for rows in of_kind]).clamp(min=1)
                credit[row] = FORGET * credit[row] + (1 - FORGET) * gains / counts
        settled = [*map(self._settled, state.settled.tolist(), observations, problems)]
        after = replace(
            TwinState.cat(moved),
            generation=state.generation + 1,
            observations=tuple(observations),
            credit=credit,
        )
        return self._learnt(handed_over(after, settled, problems), problems, features)

    def _taught(self, state: TwinState, problems: Sequence[Problem]) -> TwinState:
        """Learn from earlier runs' images, for runs that have none of their own."""
        observations, learnt = list(state.observations), list(state.learnt)
        for row, problem in enumerate(problems):
            if problem.taught is not None and not len(observations[row]):
                features = self._features(problem)
                own = taught_observations(problem, features, self.cells, state.mean.device)
                one = replace(state[[row]], observations=(own,))
                observations[row] = own
                learnt[row] = self._learnt(one, [problem], features).learnt[0]
        return replace(state, observations=tuple(observations), learnt=tuple(learnt))

    def _settled(self, before: bool, shown: Observations, problem: Problem) -> bool:
        """Tell if the plain strategy goes on from here, from the run's own start.

        With noise the twin goes on: the order of few candidates says little then.
        """
        shown = shown.shown()
        if before or self.cells or len(shown) < BEST or bool((shown.errors > 0).any()):
            return before
        found = Goals.of([problem], [shown.scores]).modelled(shown.scores[None])[0]
        return self._growth(problem, shown, found) < SETTLED

    def expected(self, state: TwinState, problems: Sequence[Problem]) -> list[ShownImages | None]:
        return [self._expected(state[[row]], problem) for row, problem in enumerate(problems)]

    def _expected(self, state: TwinState, problem: Problem) -> ShownImages | None:
        (every,) = state.observations
        own = every.shown()
        if len(own) < BEST:
            return None
        goals = Goals.of([problem], [own.scores])
        found = goals.modelled(own.scores[None])[0]
        if bool((own.errors > 0).any()):
            data, process = self._twin(state, [problem])
            rows = every.generation > 0
            with torch.no_grad():
                predicted = process.predict(every.standardised(rows)[None])[0]
            found = (predicted * data.sd + data.mean)[0]
        filled = FilledCells.of(self.cells, problem, own, found) if self.cells else None
        shown = own.codes, own.scores, found, own.generation, own.candidate
        growth = self._growth(problem, own, found)
        return ShownImages(*shown, growth=growth, members=filled.best() if filled else None)

    def _growth(self, problem: Problem, own: Observations, modelled: Tensor) -> float:
        """Measure the last images' share of the front's area, or of the sum over cells."""
        every = torch.ones_like(own.generation, dtype=torch.bool)
        earlier = own.generation <= int(own.generation.max()) - own.generations_of(SETTLING)
        if self.cells:
            filled = FilledCells.of(self.cells, problem, own, modelled)
            before, now = (filled.total(rows) for rows in (earlier, every))
        else:
            goals, stretch = Goals.of([problem], [own.scores]), own.scores[:, 0]
            before, now = (front_area(goals, stretch[r], modelled[r]) for r in (earlier, every))
        return 1 - before / now if now > 0 else math.nan

    def _gain(self, problem: Problem, before: Observations, after: Observations) -> Tensor:
        """Measure the gain of each new image alone, `(new,)`."""
        if self.cells:
            return FilledCells.of(self.cells, problem, after).gain(len(before))
        goals = Goals.of([problem], [before.scores])
        return front_gain(goals, before.scores, after.scores[len(before) :])

    def _twin(
        self, state: TwinState, problems: Sequence[Problem]
    ) -> tuple[TrainingSet, gp.Process]:
        """Fit the twins of some runs to their images."""
        data = TrainingSet.of(state.observations, problems, self.most)
        widths = self._features(problems[0]).widths
        parameters = torch.stack(state.learnt)
        return data, gp.Process.of(data.features, data.values, data.errors, parameters, widths)

    def _features(self, problem: Problem) -> Features:
        return Features.of(self.proxy, problem.generator)

    def _learnt(
        self, state: TwinState, problems: Sequence[Problem], features: Features
    ) -> TwinState:
        """Learn the hyperparameters of the twins."""
        learnt = list(state.learnt)
        for rows in together(state, problems):
            own = state[rows]
            if not enough(own):
                continue
            group = [problems[row] for row in rows]
            data = TrainingSet.of(own.observations, group, LEARNT_ON)
            fresh = len(own.learnt[0]) == 0
            first = (
                gp.first_parameters(len(rows), len(features.widths), state.mean.device)
                if fresh
                else torch.stack(own.learnt)
            )
            found = gp.learn_parameters(
                data.features,
                data.values,
                data.errors,
                first,
                blocks=features.widths,
                steps=FIRST_STEPS if fresh else MORE_STEPS,
            )
            for row, parameters in zip(rows, found, strict=True):
                learnt[row] = parameters
        return replace(state, learnt=tuple(learnt))

    def _sd(self, problem: Problem) -> float:
        """Give the SD of natural codes, or the reference's code's root mean square."""
        if self.scale is not None:
            return self.scale
        code = problem.reference_code
        return float(code.double().square().mean().sqrt()) if code is not None else 1.0

    def _first_codes(
        self, state: TwinState, size: int, problems: Sequence[Problem]
    ) -> list[Tensor]:
        """Draw half random codes of several norms, half around the reference's code."""
        n, found = state.mean.shape[1], []
        for row, problem in enumerate(problems):
            stream = state.streams("first")[row]
            noise = seeds.normal([stream], (size, n))[0].to(state.mean)
            u = seeds.uniform([(*stream, "size")], (size, 1))[0].to(state.mean)
            sd = self._sd(problem)
            codes = (0.5 + 1.5 * u) * sd * noise
            if problem.reference_code is not None:
                half = size // 2
                own = problem.reference_code.to(codes)
                codes[half:] = own + (0.2 + 0.8 * u[half:]) * sd * noise[half:]
            found.append(codes)
        return found

    def _kinds(self, state: TwinState, size: int) -> Tensor:
        """Draw the kind of each candidate of a generation, `(runs, size)`."""
        shares = state.credit.cpu()
        shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-12)
        shares = FLOOR + (1 - FLOOR * len(KINDS)) * shares
        draws = seeds.uniform([(*s, "kind") for s in state.streams("propose")], (size,))
        return (draws.unsqueeze(2) > shares.cumsum(1).unsqueeze(1)).sum(2).clamp(max=len(KINDS) - 1)

    def _climbed(self, state: TwinState, size: int, problems: Sequence[Problem]) -> list[Tensor]:
        features = self._features(problems[0])
        data, process = self._twin(state, problems)
        goals = Goals.of(problems, [own.scores for own in state.observations])
        draws = RandomNumbers.of(state.streams("propose"), state.mean, size)
        levels = 0.05 + 0.9 * draws.uniform[..., 0]
        sds = [self._sd(problem) for problem in problems]
        sd = torch.tensor(sds, dtype=levels.dtype, device=levels.device).view(-1, 1, 1)
        kinds = self._kinds(state, size).to(levels.device)
        with torch.no_grad():
            shrunk = process.predict(data.features)[0] * data.sd + data.mean
        shown = data.stretch.unsqueeze(1), shrunk.unsqueeze(1)
        aims = self._aims(state, problems, size)
        if aims is None:
            utility = goals.utility(*shown, levels.unsqueeze(2))
        else:
            outside = aims.outside(data.stretch / goals.farthest, data.measured, each=True)
            utility = goals.cell_utility(*shown, outside)
        start = self._starts(data, utility, draws, kinds, sd)
        doubt = self.caution * draws.doubt.abs() * data.sd

        def climb(codes: Tensor) -> Tensor:
            runs, size, n = codes.shape
            images, entries = features(codes.reshape(-1, n))
            entries = data.standardise(entries.double().unflatten(0, (runs, size)))
            mean, deviation = process.predict(entries)
            modelled = data.mean + data.sd * mean
            stretch = goals.stretch(images.unflatten(0, (runs, size))).double()
            if aims is None:
                return goals.utility(stretch, modelled, levels, doubt * deviation)
            measured = aims.cells.measured(images).double().unflatten(0, (runs, size))
            outside = aims.outside(stretch / goals.farthest, measured)
            return goals.cell_utility(stretch, modelled, outside, doubt * deviation)

        return list(self._ascend(start, climb, self.rate * sd))

    def _aims(self, state: TwinState, problems: Sequence[Problem], size: int) -> AimedCells | None:
        """Choose the cells that the candidates are to fill, where cells are to be filled."""
        if not self.cells:
            return None
        found = []
        runs = zip(state.streams("aim"), state.observations, problems, strict=True)
        for stream, own, problem in runs:
            u = seeds.uniform([stream], (size, 2 + len(self.cells.axes)))[0].to(own.codes)
            found.append(FilledCells.of(self.cells, problem, own).aims(u))
        return AimedCells(self.cells, torch.stack(found))

    def _ascend(self, start: Tensor, climb: Callable[[Tensor], Tensor], rates: Tensor) -> Tensor:
        """Climb by Adam with steps from 1 down to 0, and give each climb's best code."""
        moving = (start / rates).detach().clone().requires_grad_()
        optimiser = torch.optim.Adam([moving], lr=1.0)
        shorter = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: math.sqrt(max(0.0, 1 - step / self.steps))
        )
        best, kept = None, start
        with torch.enable_grad():
            for step in range(self.steps + 1):
                codes = moving * rates
                utility = climb(codes)
                value = utility.detach()
                better = torch.ones_like(value, dtype=torch.bool) if best is None else value > best
                kept = torch.where(better.unsqueeze(2), codes.detach(), kept)
                best = value if best is None else torch.where(better, value, best)
                if step < self.steps:
                    optimiser.zero_grad()
                    (-utility.sum()).backward()
                    if moving.grad is not None:
                        moving.grad.nan_to_num_()
                    optimiser.step()
                    shorter.step()
        return kept

    def _starts(
        self, data: TrainingSet, utility: Tensor, draws: RandomNumbers, kinds: Tensor, sd: Tensor
    ) -> Tensor:
        """Choose the first code of each candidate, `(runs, size, code_dim)`.

        Args:
            utility: `(runs, size, images)` of each image shown for each candidate's level.
            kinds: `(runs, size)`.
            sd: `(runs, 1, 1)` of the codes.
        """
        best = utility.topk(BEST, 2).indices
        pick = (draws.uniform[..., 1:2] * BEST).long().clamp(max=BEST - 1)
        member = best.gather(2, pick)
        own = data.codes.gather(1, member.expand(-1, -1, data.codes.shape[2]))
        u = draws.uniform[..., 2:3]
        fresh = (kinds == KINDS.index("fresh")).unsqueeze(2)
        near = own + 0.05 * 8**u * sd * draws.normal
        return torch.where(fresh, (0.5 + 2.5 * u) * sd * draws.normal, near)
