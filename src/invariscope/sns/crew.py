"""How the runs of a call are evaluated: chunk shape, precision, and measuring again in float32."""

from dataclasses import replace

import torch
from torch import Tensor

from invariscope.generators.base import Generator
from invariscope.search.archive import Archive, Front
from invariscope.search.measure import measure, pad
from invariscope.search.objectives import Objective, Objectives
from invariscope.search.precision import SMALLEST_TAU, agreement, bf16_is_native, bulk
from invariscope.search.run import Outcome
from invariscope.search.search import Search
from invariscope.sns.plan import Planned, SearchOptions
from invariscope.sns.probe import probe_codes
from invariscope.sns.reference import depart_from
from invariscope.subjects.base import Subject


class Crew:
    """What the runs of a call share: how images are made, shown and measured.

    Attributes:
        chunk: images that pass at once, of candidates and reference alike.
    """

    def __init__(
        self, subject: Subject, generator: Generator, options: SearchOptions, chunk: int
    ) -> None:
        self.subject, self.generator, self.options = subject, generator, options
        self.chunk = chunk

    def objective(self, planned: Planned, precision: str) -> Objective:
        """A run's objective with the reference's responses in that precision."""
        if planned.reference is None:
            return planned.run.objective
        with bulk(self.generator.device, precision):
            image = planned.reference.image
            return depart_from(planned.run.objective, self.subject, image, self.chunk)

    def precision(self, planned: Planned) -> str:
        """What `auto` means for this run: bf16 where it ranks the first candidates alike."""
        if self.options.precision != "auto":
            return self.options.precision
        if not bf16_is_native(self.generator.device):
            return "float32"
        alone = Search(
            self.generator,
            [replace(planned.run, objective=self.objective(planned, "float32"))],
            strategy=self.options.strategy,
            population=self.options.population,
            chunk=self.chunk,
        )
        codes = alone.ask_codes()[0]
        exact, fast = (
            self.measure(codes, self.objective(planned, precision), precision)
            for precision in ("float32", "bf16")
        )
        return "bf16" if agreement(exact[:, [0, 2]], fast[:, [0, 2]]) >= SMALLEST_TAU else "float32"

    def measure(self, codes: Tensor, objective: Objective, precision: str) -> Tensor:
        """The scores `(n, 3)` of codes in the chunk shape of the candidates."""
        return measure(
            self.generator, self.subject, codes, objective, chunk=self.chunk, precision=precision
        )

    def probe(self, planned: Planned) -> Tensor:
        """What a run's unit and site answer to a few images that follow from its name."""
        objective = self.objective(planned, "float32")
        return self.measure(probe_codes(planned.run), objective, "float32").cpu()

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
