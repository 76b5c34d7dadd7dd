"""How much of the front a strategy finds with how few images, with noise as on a rig.

Hypervolume of a run's archive (stretch as a share of the possible × activity kept; silencing:
nearness × activity lost; reference point (0, 0)) against images shown. The stopping rule is off.
The search sees noisy activity; what its archive holds is scored without noise, in float32.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.mei import find_mei
from invariscope.experiments.plan import Planned, SearchOptions, natural_of, plan
from invariscope.experiments.reference import Reference
from invariscope.generators.base import CodeStatistics, Generator
from invariscope.search.precision import bf16_is_native
from invariscope.search.search import SMALLEST_CHUNK, Search
from invariscope.search.strategies import Strategy, load_strategy
from invariscope.store.files import make_folder, replace_file
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.pixels import max_distance, saturation
from invariscope.units import Sites, parse_target

POPULATION = 50  # the papers' candidates a generation
ELSEWHERE = 200  # random images that say how far is not near
# The generator of results that do not name theirs: of all that were made before they did.
UNNAMED = {
    "name": "embedded",
    "kind": "embedded",
    "weights": "6d24dec2627ddc07ceec5617970591cbeaa99749986b534c9faede24a093a5d1",
}
POINTS = (250, 500, 1000, 1500, 2000, 3000, 4000, 5000, 6500, 8000, 10_000, 15_000, 20_000, 25_000)


def hypervolume(points: Tensor) -> float:
    """The area that points dominate above (0, 0), both coordinates to be large.

    Args:
        points: `(n, 2)`; a coordinate below 0 counts as 0.
    """
    points = points.double().clamp(min=0)
    # From the largest first coordinate down, each point adds what lies above the ones before.
    ordered = points[torch.argsort(points[:, 0], descending=True)]
    high = torch.cummax(ordered[:, 1], 0).values if len(ordered) else ordered[:, 1]
    gain = torch.diff(high, prepend=high.new_zeros(1))
    return float((ordered[:, 0] * gain).sum())


@final
class NoisySubject(Subject):
    """A subject whose activity is measured with Gaussian noise, the same in every repetition.

    Args:
        inner: without noise.
        sites: whose responses get the noise, one number an image.
        sd: of the noise, in units of the response.
        name: the first word of the noise's random streams, one for each batch of images.
    """

    def __init__(self, inner: Subject, sites: Sequence[str], sd: float, name: str) -> None:
        self.inner, self.sd, self.stream = inner, sd, name
        self._noisy = frozenset(sites)
        self.name, self.image_size, self.device = inner.name, inner.image_size, inner.device
        self.calls = 0

    @property
    def noisy(self) -> frozenset[str]:
        return self._noisy

    def identity(self) -> dict[str, Any]:
        return {"noisy": self.inner.identity(), "sd": self.sd}

    def _sites(self) -> Sites:
        return {k: v for k, v in self.inner.sites().items() if k != PIXELS}

    def _respond(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
        answers = self.inner.respond(images, sites)
        words = (self.stream, self.calls, "noise")
        noise = self.sd * seeds.normal([words], (len(images),))[0].to(self.device, torch.float32)
        self.calls += 1
        return {
            site: answer + noise.view(-1, *[1] * (answer.ndim - 1))
            if site in self._noisy
            else answer
            for site, answer in answers.items()
        }


@dataclass(frozen=True)
class FrugalityTrial:
    """Runs that differ in their seed alone.

    Attributes:
        unit: an address.
        noise: SD of the noise as a share of the unit's SD over natural images.
        images: shown to each run.
        task: `invariance` or `adversarial`.
    """

    strategy: Strategy
    unit: str
    noise: float
    images: int
    seeds: tuple[int, ...]
    population: int = POPULATION
    task: str = "invariance"

    @property
    def key(self) -> str:
        """Its file's name: readable, and another one for other settings."""
        text = json.dumps(self.plain(), sort_keys=True)
        return (
            f"{self.strategy.name}-{self.unit.replace(':', '.')}-{self.noise:g}-"
            + (f"{seeds.integer('trial', text):016x}"[:8])
        )

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "strategy"}
        if self.task == "invariance":  # as results were named before there was another
            own.pop("task")
        return {"strategy": self.strategy.describe(), **own, "seeds": list(self.seeds)}


def entrant(text: str, statistics: CodeStatistics | None) -> tuple[Strategy, int]:
    """A strategy and its candidates a generation, from `NAME` or `NAME:POPULATION`.

    Args:
        statistics: of the natural codes.

    Raises:
        InputError: an unknown strategy, or no population of at least 2.
    """
    name, colon, size = text.partition(":")
    if colon and not (size.isdecimal() and int(size) > 1):
        raise InputError(
            f"strategy {text!r}; expected NAME or NAME:POPULATION with at least 2 candidates, "
            "such as separable:10"
        )
    strategy = load_strategy(name).with_statistics(statistics)
    return strategy, int(size) if colon else POPULATION


def check_generator(result: dict[str, Any], path: Path, generator: Generator) -> dict[str, Any]:
    """Give a stored result back if it was made with the generator.

    Raises:
        InputError: it was made with another one.
    """
    known, own = result.get("generator", UNNAMED), named(generator)
    if known != own:
        raise InputError(
            f"{str(path)!r} was made with the generator {known['name']!r} ({_short(known)}); this "
            f"one is {own['name']!r} ({_short(own)}): choose another --out"
        )
    return result


def named(generator: Generator) -> dict[str, Any]:
    """Give a generator's name and identity, weights' hash included, as plain data."""
    return {"name": generator.name, **generator.identity()}


def _short(generator: dict[str, Any]) -> str:
    return str(generator.get("weights", generator))[:12]


class FrugalityBench:
    """Trials on one subject and generator, each kept in a folder as it ends.

    Args:
        out: where references and results are kept; a trial that is there is not done again, and
            one of another generator is refused.
        mei_generations: of the search for each unit's reference.
    """

    def __init__(
        self, subject: Subject, generator: Generator, out: Path, *, mei_generations: int = 200
    ) -> None:
        self.subject, self.generator, self.out = subject, generator, make_folder(out)
        self._mei = SearchOptions(generations=mei_generations)
        self._references: dict[str, Reference] = {}

    def reference(self, unit: str) -> Reference:
        """The unit's most exciting image, searched for once."""
        if unit not in self._references:
            folder = self.out / "references" / unit.replace(":", ".")
            self._references[unit] = find_mei(
                self.subject, self.generator, unit, options=self._mei, out=folder
            )
        return self._references[unit]

    def run(
        self, trial: FrugalityTrial, say: Callable[[str], None] = lambda text: None
    ) -> dict[str, Any]:
        """The trial's result: for each seed, images shown and hypervolume."""
        path = self.out / f"{trial.key}.json"
        if path.exists():
            return check_generator(json.loads(path.read_text()), path, self.generator)
        say(path.stem)
        curves: dict[str, list[list[float]]] = {str(seed): [] for seed in trial.seeds}
        ends: dict[str, dict[str, Any]] = {}
        for images, planned, exact, fronts in self._fronts(trial):
            for p, scores, codes in zip(planned, exact, fronts, strict=True):
                seed = str(p.settings.seed)
                curves[seed].append([images, hypervolume(scores.points(codes))])
                ends[seed] = {"images": images, **scores.described(codes)}
        result = {**trial.plain(), "generator": named(self.generator)}
        result |= {"curves": curves, "fronts": ends}
        text = json.dumps(result) + "\n"
        replace_file(path, lambda part: part.write_text(text))
        return result

    def _noisy(self, trial: FrugalityTrial) -> Subject:
        if trial.noise == 0:
            return self.subject
        target = parse_target(trial.unit, self.subject.sites())
        natural = natural_of(self.subject, target)
        if natural is None:
            raise InputError(
                f"unit {trial.unit!r} has no natural statistics; measure them with "
                "`invariscope natural`, since noise is counted in the unit's natural SD"
            )
        return NoisySubject(self.subject, target.sites, trial.noise * natural.sd, trial.key)

    def _precision(self, trial: FrugalityTrial) -> str:
        """With noise two answers never rank alike, and it is far above what bf16 rounds."""
        fast = trial.noise > 0 and bf16_is_native(self.generator.device)
        return "bf16" if fast else "auto"

    def _fronts(
        self, trial: FrugalityTrial
    ) -> "Iterator[tuple[int, list[Planned], list[NoiselessScores], list[Tensor]]]":
        """At each of `POINTS`: images shown, the runs, their scores and their archives' codes."""
        reference = self.reference(trial.unit)
        options = SearchOptions(
            strategy=trial.strategy,
            population=trial.population,
            generations=-(-trial.images // trial.population),
            stop=False,
            precision=self._precision(trial),
        )
        planned = plan(
            self.subject,
            self.generator,
            trial.unit,
            task=trial.task,
            reference=reference,
            run_seeds=trial.seeds,
            options=options,
        )
        chunk = max(SMALLEST_CHUNK, trial.population)
        evaluator = Evaluator(self.subject, self.generator, options, chunk)
        search = Search(
            self.generator,
            [evaluator.run(evaluator.settled(p)) for p in planned],
            strategy=trial.strategy,
            population=trial.population,
            chunk=chunk,
            stage=self.subject,
        )
        shown = self._noisy(trial)
        exact = {p.run.name: NoiselessScores(evaluator, p) for p in planned}
        due = [n for n in POINTS if n <= trial.images]
        for generation, results in enumerate(search.advance(shown), start=1):
            images = generation * trial.population
            while due and images >= due[0]:
                due.pop(0)
                fronts = {t.run.name: t.outcome.front.codes for t in results if t.outcome}
                fronts |= {r.name: search.snapshot(r.name)["front.codes"] for r in search.active}
                yield images, planned, list(exact.values()), [fronts[name] for name in exact]


class NoiselessScores:
    """A run's archive scored without noise in float32; no code is measured twice."""

    def __init__(self, evaluator: Evaluator, planned: Planned) -> None:
        assert planned.reference is not None
        self.evaluator, self.objective = evaluator, evaluator.objective(planned, "float32")
        seen = evaluator.subject.see(planned.reference.image.unsqueeze(0))[0].cpu()
        self.possible = max_distance(seen)
        assert self.objective.target_reference is not None
        self.activity = float(self.objective.target_reference.norm())
        if self.activity == 0:
            raise InputError(
                f"unit {planned.settings.unit!r} answers 0 to its most exciting image, so no "
                "share of its activity can be kept; choose another unit"
            )
        self.silencing = planned.settings.task == "adversarial"
        if self.silencing:
            self.possible = self._elsewhere()
        self.known: dict[bytes, Tensor] = {}

    def _elsewhere(self) -> float:
        """How far images of random natural codes are from the reference, their median."""
        generator = self.evaluator.generator
        codes = seeds.normal([("elsewhere",)], (ELSEWHERE, generator.code_dim))[0]
        if generator.code_statistics is not None:
            codes = generator.code_statistics.mean + generator.code_statistics.sd * codes
        return float(self.evaluator.measure(codes, self.objective, "float32")[:, 0].median())

    def described(self, codes: Tensor) -> dict[str, Any]:
        """The members that keep half (silencing: lose half): how diverse and how extreme they are.

        Returns:
            `members` of the front and `good` ones; of the good ones the median `saturation` and
            `code_norm`, `apart`, their mean pixel distance from one another, and the code of the
            `farthest` (silencing: nearest), its `share` of the possible distance; None without.
        """
        points = self.points(codes)
        good = (points[:, 1] >= 0.5).nonzero()[:, 0]
        found: dict[str, Any] = {"members": len(codes), "good": len(good)}
        if not len(good):
            return found | dict.fromkeys(("saturation", "code_norm", "apart", "farthest", "share"))
        images = self.evaluator.generator.generate(codes[good])
        flat = images.flatten(1).double()
        pairs = torch.pdist(flat)
        best = int(points[good, 0].argmax())
        return found | {
            "saturation": float(saturation(images).median()),
            "code_norm": float(codes[good].double().norm(dim=1).median()),
            "apart": float(pairs.mean()) if len(pairs) else 0.0,
            "farthest": [round(float(v), 4) for v in codes[good[best]]],
            "share": float(points[good[best], 0]),
        }

    def points(self, codes: Tensor) -> Tensor:
        """Shares of the possible stretch and of the activity kept, `(members, 2)`.

        Of a silencing search: how near, from 1 at the reference to 0 at the distance of a random
        image, and the share of the activity that is lost.
        """
        keys = [code.numpy().tobytes() for code in codes]
        if new := [i for i, key in enumerate(keys) if key not in self.known]:
            scores = self.evaluator.measure(codes[new], self.objective, "float32").cpu()
            self.known |= {keys[i]: s for i, s in zip(new, scores, strict=True)}
        scores = torch.stack([self.known[key] for key in keys])
        lost = (scores[:, 1] / self.activity).clamp(0, 1)
        if self.silencing:
            return torch.stack([(1 - scores[:, 0] / self.possible).clamp(min=0), lost], 1)
        kept = 1 - lost
        return torch.stack([scores[:, 0] / self.possible, kept], 1)
