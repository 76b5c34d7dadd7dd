"""Evaluation of the runs of a call: chunk shape, precision, probes, measuring in float32."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from invariscope import seeds
from invariscope.errors import StoreError
from invariscope.experiments.plan import Planned, SearchOptions
from invariscope.experiments.reference import depart_from
from invariscope.generators.base import Generator
from invariscope.search.archive import Archive, Front
from invariscope.search.measure import measure, pad
from invariscope.search.objectives import Objective, Objectives
from invariscope.search.precision import PRECISIONS, bf16_is_native, bulk
from invariscope.search.run import Outcome, Run
from invariscope.search.strategies import Twin, load_strategy
from invariscope.subjects.base import Subject
from invariscope.subjects.pixels import pixel_distance, saturation

REFERENCE = ("reference.site", "reference.target")
NOISY = "noisy"

# A few images whose scores tell whether a run goes on with the network that it began with.
PROBE = "probe"
IMAGES = 8
TOLERANCE = 0.01


def probe_codes(run: Run) -> Tensor:
    """Draw codes around a run's start, `(IMAGES, code_dim)` float64, from the run's name."""
    return run.start + run.sigma * seeds.normal([(run.name, PROBE)], (IMAGES, *run.start.shape))[0]


def check_answers(folder: Path, before: Tensor, now: Tensor) -> None:
    """Compare a run's probe scores now and at the run's beginning.

    Another machine or version of torch changes an answer by its rounding, other weights,
    preprocessing or code by more.

    Args:
        folder: the run's.
        before: `(IMAGES, 3)` scores of the probe when the checkpoint was first written.
        now: the scores of the same codes now.

    Raises:
        StoreError: a score differs by more than `TOLERANCE` of the largest of its kind.
    """
    largest = torch.stack([before, now]).abs().nan_to_num(nan=0.0).amax((0, 1))
    change = (now - before).abs() / largest.clamp(min=torch.finfo(now.dtype).tiny)
    both_missing = before.isnan() & now.isnan()
    worst = float(change.masked_fill(both_missing, 0.0).nan_to_num(nan=torch.inf).max())
    if worst > TOLERANCE:
        raise StoreError(
            f"subject or generator answer otherwise than when {folder.name!r} began (by "
            f"{worst:.0%} on probe images; at most {TOLERANCE:.0%} is taken); go on with those "
            "that it began with, or choose another --out"
        )


class Evaluator:
    """Evaluation of the runs of a call: images made, shown and measured alike.

    Attributes:
        chunk: images that pass at once, of candidates and reference alike.
    """

    def __init__(
        self, subject: Subject, generator: Generator, options: SearchOptions, chunk: int
    ) -> None:
        self.subject, self.generator, self.options = subject, generator, options
        self.chunk = chunk
        self._objectives: dict[tuple[str, str], Objective] = {}

    def noisy(self, planned: Planned) -> bool:
        """Tell if the same image can get other scores the next time."""
        return not self.subject.noisy.isdisjoint(planned.run.objective.sites)

    def objective(self, planned: Planned, precision: str) -> Objective:
        """Give a run's objective with the reference's responses in a precision.

        The reference is shown once in each: all of a run departs from the same numbers.
        """
        if planned.reference is None:
            return planned.run.objective
        key = self._key(planned, precision)
        if key not in self._objectives:
            with bulk(self.generator.device, precision):
                image = planned.reference.image
                objective = depart_from(planned.run.objective, self.subject, image, self.chunk)
            self._objectives[key] = objective
        return self._objectives[key]

    def _key(self, planned: Planned, precision: str) -> tuple[str, str]:
        """Key a run's objectives; under noise one serves every precision."""
        return planned.run.name, NOISY if self.noisy(planned) else precision

    def forget(self, name: str) -> None:
        """Drop the objectives of a run that ended."""
        for precision in (*PRECISIONS, NOISY):
            self._objectives.pop((name, precision), None)

    def pack_reference(self, name: str) -> dict[str, Tensor]:
        """Collect responses to a reference that cannot be measured alike again."""
        objective = self._objectives.get((name, NOISY))
        if objective is None:
            return {}
        responses = (objective.site_reference, objective.target_reference)
        return {k: t.cpu() for k, t in zip(REFERENCE, responses, strict=True) if t is not None}

    def unpack_reference(self, planned: Planned, packed: dict[str, Tensor]) -> None:
        """Take the responses of `pack_reference` out of a checkpoint."""
        if all(key in packed for key in REFERENCE):
            site, target = (packed.pop(key).to(self.subject.device) for key in REFERENCE)
            self._objectives[planned.run.name, NOISY] = replace(
                planned.run.objective, site_reference=site, target_reference=target
            )

    def settled(self, planned: Planned) -> Planned:
        """Settle a plan's precision for this machine.

        `auto` stays where the device multiplies bf16 in hardware and the subject's answers
        repeat; elsewhere it is float32.
        """
        precision = self.options.precision
        if precision == "auto" and (
            self.noisy(planned) or not bf16_is_native(self.generator.device)
        ):
            precision = "float32"
        return replace(planned, run=replace(planned.run, precision=precision))

    def run(self, planned: Planned) -> Run:
        """Add the reference's responses in every possible precision to a run."""
        run = replace(planned.run, objective=self.objective(planned, "float32"))
        if run.precision == "float32":
            return run
        return replace(run, in_bf16=self.objective(planned, "bf16"))

    def measure(
        self, codes: Tensor, objective: Objective, precision: str, repeats: int = 1
    ) -> Tensor:
        """Measure the scores `(n, 3)` of codes in the chunk shape of the candidates."""
        return measure(
            self.generator,
            self.subject,
            codes,
            objective,
            chunk=self.chunk,
            precision=precision,
            repeats=repeats,
        )

    def probe(self, planned: Planned) -> Tensor:
        """Score a few images that follow from a run's name; scores under noise are NaN."""
        objective = self.objective(planned, "float32")
        scores = self.measure(probe_codes(planned.run), objective, "float32").cpu()
        if objective.site in self.subject.noisy:
            scores[:, 0] = torch.nan
        if not self.subject.noisy.isdisjoint(objective.target.sites):
            scores[:, 1:] = torch.nan
        return scores

    def batch_place_matters(self, planned: Planned) -> bool:
        """Tell if an image's answers depend on its place in the batch.

        Where the run begins, a few images fill its chunk again and again: the same image must get
        the same pixels and answers, to the last bit, at each of its places. Answers of noisy sites
        differ anyway, and are left out.
        """
        few = torch.cat([planned.run.start.unsqueeze(0), probe_codes(planned.run)])
        turn = torch.arange(self.chunk) % len(few)
        images = self.generator.generate(few[turn])
        sites = [site for site in planned.run.objective.sites if site not in self.subject.noisy]
        answers = self.subject.respond(images, sites) if sites else {}
        return not all(
            torch.allclose(found, found[turn.to(found.device)], rtol=0, atol=0, equal_nan=True)
            for found in (images, *answers.values())
        )

    def describe(self, front: Front, planned: Planned) -> dict[str, Tensor]:
        """Measure each member's image and code, as columns of the front's table.

        Returns:
            `saturation`, the share of the image's values at an end of the range, and `code_norm`,
            the L2 norm of the code that makes the image (under a bound the bounded one);
            `pixel_distance`, the L2 distance from the reference as the
            subject sees images, where there is a reference; and of a search that fills cells
            each of their measures.
        """
        images = [
            self.generator.generate(pad(codes, self.chunk))[: len(codes)]
            for codes in front.codes.split(self.chunk)
        ]
        columns = {
            "saturation": torch.cat([saturation(part).cpu() for part in images]),
            "code_norm": self.generator.bounded(front.codes).double().norm(dim=1).cpu(),
        }
        strategy = load_strategy(self.options.strategy)
        if isinstance(strategy, Twin) and strategy.cells:
            parts = [strategy.cells.columns(part) for part in images]
            columns |= {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        if planned.reference is not None:
            reference = self.subject.see(planned.reference.image.unsqueeze(0))
            apart = [pixel_distance(self.subject.see(part), reference).cpu() for part in images]
            columns["pixel_distance"] = torch.cat(apart)
        return columns

    def exact(self, outcome: Outcome, planned: Planned) -> Outcome:
        """Measure the fronts of an outcome again in float32, and filter again.

        Answers of noisy sites are averaged over the subject's `repeats`: a candidate that was
        kept for a lucky answer loses that luck. Members of cells are measured and all kept.
        """
        objective = self.objective(planned, "float32")

        def again(front: Front) -> Front:
            scores = self.measure(front.codes, objective, "float32", self.subject.repeats).cpu()
            costs = Objectives([objective], "cpu").costs(scores.unsqueeze(0))[0]
            measured = replace(front, scores=scores)
            if planned.settings.strategy.get("cells"):
                return Archive.of(measured, costs).front(0)
            return Archive.non_dominated(measured, costs).front(0)

        milestone = outcome.milestone
        if milestone:
            milestone = replace(milestone, front=again(milestone.front))
        return replace(outcome, front=again(outcome.front), milestone=milestone)
