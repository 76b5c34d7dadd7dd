"""How the runs of a call are evaluated: chunk shape, precision, and measuring again in float32."""

from dataclasses import replace

import torch
from torch import Tensor

from invariscope.experiments.plan import Planned, SearchOptions
from invariscope.experiments.probe import probe_codes
from invariscope.experiments.reference import depart_from
from invariscope.generators.base import Generator
from invariscope.search.archive import Archive, Front
from invariscope.search.measure import measure, pad
from invariscope.search.objectives import Objective, Objectives
from invariscope.search.precision import bf16_is_native, bulk
from invariscope.search.run import Outcome, Run
from invariscope.subjects.base import Subject
from invariscope.subjects.pixels import pixel_distance

REFERENCE = ("reference.site", "reference.target")


class Evaluator:
    """What the runs of a call share: how images are made, shown and measured.

    Attributes:
        chunk: images that pass at once, of candidates and reference alike.
    """

    def __init__(
        self, subject: Subject, generator: Generator, options: SearchOptions, chunk: int
    ) -> None:
        self.subject, self.generator, self.options = subject, generator, options
        self.chunk = chunk
        self._noisy: dict[str, Objective] = {}

    def noisy(self, planned: Planned) -> bool:
        """Whether the same image can get other scores the next time."""
        return not self.subject.noisy.isdisjoint(planned.run.objective.sites)

    def objective(self, planned: Planned, precision: str) -> Objective:
        """A run's objective with the reference's responses in that precision.

        Those of a noisy subject are measured once: all of a run departs from the same numbers.
        """
        if planned.reference is None:
            return planned.run.objective
        if planned.run.name in self._noisy:
            return self._noisy[planned.run.name]
        with bulk(self.generator.device, precision):
            image = planned.reference.image
            objective = depart_from(planned.run.objective, self.subject, image, self.chunk)
        if self.noisy(planned):
            self._noisy[planned.run.name] = objective
        return objective

    def pack_reference(self, name: str) -> dict[str, Tensor]:
        """What a run's checkpoint keeps of a reference that cannot be measured alike again."""
        objective = self._noisy.get(name)
        if objective is None:
            return {}
        responses = (objective.site_reference, objective.target_reference)
        return {k: t.cpu() for k, t in zip(REFERENCE, responses, strict=True) if t is not None}

    def unpack_reference(self, planned: Planned, packed: dict[str, Tensor]) -> None:
        """Take what `pack_reference` gave out of a checkpoint, and depart from it again."""
        if all(key in packed for key in REFERENCE):
            site, target = (packed.pop(key).to(self.subject.device) for key in REFERENCE)
            self._noisy[planned.run.name] = replace(
                planned.run.objective, site_reference=site, target_reference=target
            )

    def settled(self, planned: Planned) -> Planned:
        """The plan with the precision that the options mean on this machine.

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
        """The run with the reference's responses in every precision that it may be in."""
        run = replace(planned.run, objective=self.objective(planned, "float32"))
        if run.precision == "float32":
            return run
        return replace(run, in_bf16=self.objective(planned, "bf16"))

    def measure(
        self, codes: Tensor, objective: Objective, precision: str, repeats: int = 1
    ) -> Tensor:
        """The scores `(n, 3)` of codes in the chunk shape of the candidates."""
        how = {"chunk": self.chunk, "precision": precision, "repeats": repeats}
        return measure(self.generator, self.subject, codes, objective, **how)

    def probe(self, planned: Planned) -> Tensor:
        """What a run's unit and site answer to a few images that follow from its name.

        Scores that noise changes are NaN: nothing can be told from them.
        """
        objective = self.objective(planned, "float32")
        scores = self.measure(probe_codes(planned.run), objective, "float32").cpu()
        if objective.site in self.subject.noisy:
            scores[:, 0] = torch.nan
        if not self.subject.noisy.isdisjoint(objective.target.sites):
            scores[:, 1:] = torch.nan
        return scores

    def batch_place_matters(self, planned: Planned) -> bool:
        """Whether an image's answers depend on its place among those that pass at once.

        Where the run begins, a few images fill its chunk again and again: the same image must get
        the same pixels and answers, to the last bit, at each of its places. Answers of noisy sites
        are left out: they differ anyway.
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

    def pixel_distance(self, front: Front, planned: Planned) -> dict[str, Tensor]:
        """How far each member is from the reference as an image (L2), whatever the site."""
        if planned.reference is None:
            return {}
        reference = self.subject.see(planned.reference.image.unsqueeze(0))
        parts = [
            self.subject.see(self.generator.generate(pad(codes, self.chunk)))[: len(codes)]
            for codes in front.codes.split(self.chunk)
        ]
        return {"pixel_distance": pixel_distance(torch.cat(parts), reference).cpu()}

    def exact(self, outcome: Outcome, planned: Planned) -> Outcome:
        """The outcome with its fronts measured again in float32, and filtered anew.

        Answers of noisy sites are averaged over the subject's `repeats`: a candidate that was
        kept for a lucky answer loses what luck gave it.
        """
        objective = self.objective(planned, "float32")

        def again(front: Front) -> Front:
            scores = self.measure(front.codes, objective, "float32", self.subject.repeats)
            scores = scores.cpu().unsqueeze(0)
            costs = Objectives([objective], "cpu").costs(scores)
            members = (front.codes, front.generation, front.candidate)
            empty = Archive.empty(1, front.codes.shape[1])
            return empty.add(costs, scores, *(m.unsqueeze(0) for m in members)).front(0)

        milestone = outcome.milestone
        if milestone:
            milestone = replace(milestone, front=again(milestone.front))
        return replace(outcome, front=again(outcome.front), milestone=milestone)
