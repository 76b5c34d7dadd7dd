"""Twin search: learn the unit from the images shown, and search what was learnt by gradient.

A *twin* of the unit is a Gaussian process of its activity over what a proxy network sees. Through
the generator its prediction, like the stretch, has a gradient in the code; candidates climb both
goals at once, each with a weight of its own, and only where they end is shown. What the front
holds was measured: a wrong twin costs images, never truth.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.generators.base import CodeStatistics
from invariscope.search import gp
from invariscope.search.problem import Problem
from invariscope.search.reductions import aligned
from invariscope.search.strategies.base import State
from invariscope.search.strategies.informed import InformedStrategy
from invariscope.search.strategies.twin_data import Data, Shown, no_images
from invariscope.search.strategies.twin_features import Features, proxy_identity
from invariscope.search.strategies.twin_goals import Goals, front_gain
from invariscope.subjects.base import Subject

FIRST_STEPS, MORE_STEPS = 40, 8  # up the marginal likelihood: at first, and after each batch
LEARNT_ON = 400  # points from which hyperparameters are learnt
BEST = 4  # members that a candidate of a weight may start from
TOGETHER = 8  # runs that an accelerator computes at once
KINDS = ("climb", "fresh", "vary")  # how a candidate is made
FORGET = 0.7  # of a kind's credit that a generation leaves
FLOOR = 0.15  # the least share of a kind


@dataclass(frozen=True)
class TwinState(State):
    """Where some runs stand.

    Attributes:
        mean: `(runs, code_dim)` where each run was to start.
        sigma: `(runs,)` the first step size.
        shown: each run's images.
        learnt: each run's hyperparameters, `(4 + blocks,)`; empty before the first generation.
        credit: `(runs, kinds)` what each kind of candidate has lately added to the front.
    """

    mean: Tensor
    sigma: Tensor
    shown: tuple[Shown, ...]
    learnt: tuple[Tensor, ...]
    credit: Tensor


@final
@dataclass(frozen=True)
class Twin(InformedStrategy):
    """Gradient search on a Gaussian process over a proxy network's features.

    Attributes:
        proxy: a network's address or the network, or `codes`: the code itself is the features.
        steps: of each candidate's climb.
        rate: of a step, in SD of the natural codes.
        optimism: SD of how many SD of the prediction a candidate hopes for or fears.
        most: images from which the twin predicts; beyond, those that matter most and the last.
        spread: whether the SD over places counts besides each channel's mean.
        kinds: how many kinds of candidates there are: climbs from the best members (1), climbs
            from new codes of any size (2), and variations of members without a climb (3).
    """

    name: ClassVar[str] = "twin"
    proxy: str | Subject = "embedded:standard"
    steps: int = 8
    rate: float = 0.25
    optimism: float = 0.5
    most: int = 1000
    spread: bool = False
    kinds: int = 3
    scale: float | None = None

    def __post_init__(self) -> None:
        validate.at_least("steps", self.steps, 1)
        validate.above("rate", self.rate, 0)
        validate.at_least("optimism", self.optimism, 0)
        validate.at_least("most", self.most, 10)
        validate.between("kinds", self.kinds, 1, len(KINDS))

    def with_statistics(self, statistics: CodeStatistics | None) -> "Twin":
        if statistics is None or self.scale is not None:
            return self
        return replace(self, scale=float(statistics.sd.mean()))

    def describe(self) -> dict[str, Any]:
        own = {f: getattr(self, f) for f in self.__dataclass_fields__ if f != "proxy"}
        return {"name": self.name, "proxy": proxy_identity(self.proxy), **own}

    def init(
        self,
        names: Sequence[str],
        mean: Tensor,
        sigma: Tensor,
        population: int,  # noqa: ARG002
    ) -> TwinState:
        mean = mean.to(torch.float64)
        runs = len(names)
        return TwinState(
            names=tuple(names),
            generation=torch.zeros(runs, dtype=torch.int64),
            mean=mean,
            sigma=sigma.to(mean),
            shown=tuple(no_images(row) for row in mean),
            learnt=tuple(mean.new_zeros(0) for _ in names),
            credit=mean.new_ones(runs, len(KINDS)),
        )

    def propose(self, state: TwinState, size: int, problems: Sequence[Problem]) -> Tensor:
        codes: list[Tensor | None] = [None] * len(state)
        for rows in _together(state, problems):
            own = state[rows]
            group = [problems[row] for row in rows]
            enough = min(len(shown) for shown in own.shown) >= BEST
            found = (
                self._climbed(own, size, group) if enough else self._first_codes(own, size, group)
            )
            for row, code in zip(rows, found, strict=True):
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
        features = self._features(problems[0])
        kinds = [self._kinds(state[[row]], size)[0] for row in range(len(state))]
        shown, credit = [], state.credit.clone()
        for row, (own, problem) in enumerate(zip(state.shown, problems, strict=True)):
            with torch.no_grad():
                seen = features(codes[row])[1].double()
            known = ~scores[row].isnan().any(1)
            parts = (codes[row], scores[row].to(codes), errors[row].nan_to_num().to(codes), seen)
            added = [part[known] for part in parts]
            if len(own) >= BEST and bool(known.any()):
                gain = front_gain(Goals.of([problem], [own]), own.scores, added[1])
                made = kinds[row].to(gain.device)[known]
                own_credit = torch.stack([gain[made == k].sum() for k in range(len(KINDS))])
                counts = torch.stack([(made == k).sum() for k in range(len(KINDS))]).clamp(min=1)
                credit[row] = FORGET * credit[row] + (1 - FORGET) * own_credit / counts
            shown.append(
                (own if len(own) else no_images(codes[row, 0], seen.shape[1])).with_more(*added)
            )
        learnt = replace(state, generation=state.generation + 1, shown=tuple(shown), credit=credit)
        return self._learnt(learnt, problems, features)

    def _features(self, problem: Problem) -> Features:
        return Features.of(self.proxy, problem.generator, spread=self.spread)

    def _learnt(
        self, state: TwinState, problems: Sequence[Problem], features: Features
    ) -> TwinState:
        """The state with hyperparameters of its twins."""
        learnt = list(state.learnt)
        for rows in _together(state, problems):
            own = state[rows]
            if min(len(shown) for shown in own.shown) < BEST:
                continue
            data = Data.of(own.shown, [problems[row] for row in rows], LEARNT_ON)
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
        """The SD of natural codes, or what the reference's code says of it."""
        if self.scale is not None:
            return self.scale
        code = problem.reference_code
        return float(code.double().square().mean().sqrt()) if code is not None else 1.0

    def _first_codes(
        self, state: TwinState, size: int, problems: Sequence[Problem]
    ) -> list[Tensor]:
        """Half random codes of several norms, half around the reference's code."""
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
        """How each candidate of a generation is made, `(runs, size)`."""
        shares = state.credit.cpu()[:, : self.kinds]
        shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-12)
        shares = FLOOR + (1 - FLOOR * self.kinds) * shares
        draws = seeds.uniform([(*s, "kind") for s in state.streams("propose")], (size,))
        return (draws.unsqueeze(2) > shares.cumsum(1).unsqueeze(1)).sum(2).clamp(max=self.kinds - 1)

    def _climbed(self, state: TwinState, size: int, problems: Sequence[Problem]) -> Tensor:
        features = self._features(problems[0])
        data = Data.of(state.shown, problems, self.most)
        process = gp.Process.of(
            data.features, data.values, data.errors, torch.stack(state.learnt), features.widths
        )
        goals = Goals.of(problems, state.shown)
        draws = _Draws.of(state, size)
        weights = 0.1 + 0.85 * draws.uniform[..., 0]
        sds = [self._sd(problem) for problem in problems]
        sd = torch.tensor(sds, dtype=weights.dtype, device=weights.device).view(-1, 1, 1)
        how = _How(self._kinds(state, size).to(weights.device), sd)
        with torch.no_grad():
            shrunk = process.predict(data.features)[0] * data.sd + data.mean
        start = self._starts(
            data,
            goals.utility(data.stretch.unsqueeze(1), shrunk.unsqueeze(1), weights.unsqueeze(2)),
            draws,
            how,
        )
        hope = self.optimism * draws.hope

        def climb(codes: Tensor) -> Tensor:
            runs, size, n = codes.shape
            images, seen = features(codes.reshape(-1, n))
            seen = data.standardise(seen.double().unflatten(0, (runs, size)))
            mean, doubt = process.predict(seen)
            activity = data.mean + data.sd * (mean + hope * doubt)
            stretch = goals.stretch(images.unflatten(0, (runs, size)))
            return goals.utility(stretch.double(), activity, weights)

        found = self._ascend(start, climb, self.rate * sd)
        return torch.where((how.kinds == KINDS.index("vary")).unsqueeze(2), start, found)

    def _ascend(self, start: Tensor, climb: Callable[[Tensor], Tensor], rates: Tensor) -> Tensor:
        """The best code of each climb by Adam, on the scale where a step is 1."""
        moving = (start / rates).detach().clone().requires_grad_()
        optimiser = torch.optim.Adam([moving], lr=1.0)
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
        return kept

    def _starts(self, data: Data, utility: Tensor, draws: "_Draws", how: "_How") -> Tensor:
        """Where each candidate begins, `(runs, size, code_dim)`.

        Args:
            utility: `(runs, size, images)` of each image shown for each candidate's weight.
        """
        best = utility.topk(BEST, 2).indices
        pick = (draws.uniform[..., 1:2] * BEST).long().clamp(max=BEST - 1)
        member = best.gather(2, pick)
        own = data.codes.gather(1, member.expand(-1, -1, data.codes.shape[2]))
        u = draws.uniform[..., 2:3]
        vary, fresh = ((how.kinds == KINDS.index(k)).unsqueeze(2) for k in ("vary", "fresh"))
        jitter = torch.where(vary, 0.02 * 20**u, 0.05 * 8**u)
        near = own + jitter * how.sd * draws.normal
        return torch.where(fresh, (0.5 + 2.5 * u) * how.sd * draws.normal, near)

    def pack(self, state: TwinState) -> dict[str, Tensor]:
        shown = state.shown[0]
        return state.tensors() | {
            "learnt": state.learnt[0].cpu(),
            **{f"shown.{name}": value.cpu() for name, value in vars(shown).items()},
        }

    def unpack(
        self, name: str, mean: Tensor, sigma: Tensor, population: int, packed: dict[str, Tensor]
    ) -> TwinState:
        own = {k: v for k, v in packed.items() if k != "learnt" and not k.startswith("shown.")}
        state = self.init([name], mean, sigma, population).with_tensors(own)
        device = state.mean.device
        shown = Shown(
            *(aligned(packed[f"shown.{key}"].to(device)) for key in Shown.__dataclass_fields__)
        )
        return replace(state, shown=(shown,), learnt=(packed["learnt"].to(device),))


@dataclass(frozen=True)
class _How:
    """How candidates are made: `kinds` `(runs, size)`, and the codes' SD `(runs, 1, 1)`."""

    kinds: Tensor
    sd: Tensor


@dataclass(frozen=True)
class _Draws:
    """A generation's random numbers, each run's from streams of its own."""

    normal: Tensor
    uniform: Tensor
    hope: Tensor

    @classmethod
    def of(cls, state: TwinState, size: int) -> "_Draws":
        streams = state.streams("propose")
        n, like = state.mean.shape[1], state.mean
        return cls(
            seeds.normal([(*s, "step") for s in streams], (size, n)).to(like),
            seeds.uniform([(*s, "choice") for s in streams], (size, 3)).to(like),
            seeds.normal([(*s, "hope") for s in streams], (size,)).to(like),
        )


def _together(state: TwinState, problems: Sequence[Problem]) -> Iterator[list[int]]:
    """Rows that are computed at once: one on a CPU, alike ones on an accelerator."""
    if state.mean.device.type == "cpu":
        yield from ([row] for row in range(len(state)))
        return
    groups: dict[Any, list[int]] = {}
    for row, (shown, problem) in enumerate(zip(state.shown, problems, strict=True)):
        o = problem.objective
        single = len(o.target.units) == 1
        key = (len(shown), len(state.learnt[row]), o.task, o.site, o.direction, single)
        groups.setdefault(key, []).append(row)
    for rows in groups.values():
        for first in range(0, len(rows), TOGETHER):
            yield rows[first : first + TOGETHER]
