"""A search with people as the unit: a generation is judged, told, and the next is asked for.

What people answer is how different a candidate looks from the reference (`analysis.detection`);
the search wants images far at a network's site that nobody can tell from the reference. What it
found is judged again by judgements that had no part in it, as on a rig.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy import stats
from torch import Tensor

from invariscope import seeds
from invariscope.analysis.detection import Sensitivity, d_prime, share_different
from invariscope.analysis.intervals import LEVEL
from invariscope.errors import InputError
from invariscope.experiments.chunk import choose_chunk
from invariscope.experiments.plan import Planned, SearchOptions, plan
from invariscope.experiments.reference import Reference, image_reference
from invariscope.generators.base import Generator
from invariscope.photos.read import read_photo
from invariscope.plurals import number_of
from invariscope.rig.held_back import held_back, spread_members
from invariscope.search.archive import Front
from invariscope.search.objectives import Objectives, read_site
from invariscope.search.run import Outcome
from invariscope.search.search import Search
from invariscope.store.context import numeric_context
from invariscope.store.files import replace_file, replace_tensors
from invariscope.store.record import FRONT_IMAGES
from invariscope.store.run_folder import RunFolder
from invariscope.subjects import HybridSubject, RigSubject, Subject
from invariscope.subjects.base import PIXELS
from invariscope.subjects.rig.subject import SITE
from invariscope.survey.difference_model import DifferenceModel, descriptions
from invariscope.survey.judgements import JudgementBook
from invariscope.survey.search_design import SearchDesign, trials_for

GENERATED = "generated:"
FIRST, FINAL, DONE = "same", "held back", "done"
JUDGED, KNOWN = "held_back.parquet", "judgements.safetensors"
Floats = NDArray[np.float64]


def departure(design: SearchDesign, generator: Generator, folder: Path) -> Reference:
    """Load the image to depart from, with its code.

    Raises:
        InputError: a seed that is none, an image of another size.
    """
    asked = design.search.reference
    if asked.startswith(GENERATED):
        seed = asked.removeprefix(GENERATED)
        if not seed.isdecimal():
            raise InputError(f"reference is {asked!r}; expected generated:SEED, or a file")
        known = generator.code_statistics
        code = seeds.normal([("reference", int(seed))], (generator.code_dim,))[0]
        code = known.mean + known.sd * code if known else code
        image = generator.generate(code.float().unsqueeze(0).to(generator.device))[0].cpu()
    else:
        image = read_photo(folder / asked).float() / 255
        size = (generator.image_size, generator.image_size)
        if tuple(image.shape[1:]) != size:
            raise InputError(f"{asked!r} has {tuple(image.shape[1:])} pixels; expected {size}")
        code = generator.invert(image[None]).codes[0].double().cpu()
        # People compare with what the generator can make, not with what it cannot.
        image = generator.generate(code.float().unsqueeze(0).to(generator.device))[0].cpu()
    return image_reference(as_shown(image), generator.image_size, code)


def catch_image(reference: Tensor) -> Tensor:
    """Make an image with a difference that nobody overlooks: the turned negative."""
    return (1 - reference).flip(-2).clamp(0, 1)


def generation_phase(generation: int) -> str:
    """Name a generation's phase of judgements."""
    return f"g{generation:04d}"


def as_shown(images: Tensor) -> Tensor:
    """Round images to the 8 bits that people see, on the CPU: the network is shown the same."""
    return (images.detach().cpu() * 255).round().clamp(0, 255) / 255


class PeopleSearch:
    """One search, from the first judgement to the last.

    Args:
        design: what is asked.
        network: whose site is stretched.
        generator: makes the images.
        out: a folder of run folders.
        reference: to depart from (`departure`).
        say: is told what happens.

    Attributes:
        book: who judges what.
        phase: `same`, a generation (`g0001`), `held back` or `done`.
        images: of the phase, `(candidates, 3, height, width)` on the CPU.
        reference: `(3, height, width)`.
    """

    def __init__(
        self,
        design: SearchDesign,
        network: Subject,
        generator: Generator,
        out: Path,
        *,
        reference: Reference,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.design, self.network, self.generator, self.say = design, network, generator, say
        self.out, self.reference = out, reference.image
        self.book = JudgementBook(design.rules())
        judges = RigSubject(f"people: {design.name}", ("difference",), generator.image_size)
        self.stage = HybridSubject(judges, network, prefix="network.")
        self.planned = self._plan(reference)
        self._began = time.monotonic()
        self._writer = self._opened(out)
        self._search = self._begin()
        self._front: Front | None = None
        self._members: Front | None = None
        self._outcome: Outcome | None = None
        self._known = self._restored()
        self.phase, self.images = FIRST, self.reference[None][:0]
        self.book.open(FIRST, 0, design.people.same_first)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._writer.path

    @property
    def generation(self) -> int:
        """The generations that were told."""
        if self._outcome is not None:
            return self._outcome.generations
        return int(self._search.snapshot(self.planned.run.name)["strategy.generation"])

    @property
    def judged_again(self) -> bool:
        """Whether the front is fixed, and its members are judged anew."""
        return self._members is not None

    def front_so_far(self) -> Front:
        """Collect the front as told; at the end the members that are judged again."""
        return self._members or self._search.interrupted()[0].front

    def pictures(self, codes: Tensor) -> Tensor:
        """Make the images of codes as people see images, `(n, 3, height, width)`."""
        return as_shown(self.generator.generate(codes.to(self.generator.device)))

    def _plan(self, reference: Reference) -> Planned:
        asked = self.design.search
        site = asked.stretch if asked.stretch == PIXELS else f"network.{asked.stretch}"
        planned = plan(
            self.stage,
            self.generator,
            f"{SITE}:0",
            task=asked.task,
            reference=reference,
            site=site,
            run_seeds=(asked.seed,),
            options=self._options(),
        )[0]
        # Near the reference people begin to see differences: the search departs from there.
        start = {**planned.settings.start, "mean": "reference"}
        settings = planned.settings.model_copy(update={"start": start})
        assert reference.code is not None
        objective = planned.run.objective
        responses = self._seen(reference.image.unsqueeze(0))
        objective = replace(
            objective,
            site_reference=read_site(responses[objective.site or PIXELS], objective.subset)[0],
            target_reference=torch.zeros(1),  # of an image to itself, by definition
        )
        run = replace(
            planned.run,
            name=settings.name,
            start=reference.code.double().cpu(),
            objective=objective,
        )
        return replace(planned, settings=settings, run=run)

    def _options(self) -> SearchOptions:
        asked = self.design.search
        return SearchOptions(
            strategy=asked.strategy,
            population=asked.population,
            generations=asked.generations,
            stop=False,
            sigma=asked.sigma,
            precision="float32",
        )

    def _opened(self, out: Path) -> RunFolder:
        chunk = choose_chunk(self.network, self.generator, (), self.design.search.population, 1)
        context = numeric_context(self.generator.device, chunk) | {"precision": "float32"}
        return RunFolder(out, self.planned.settings, self.planned.labels, context)

    def _begin(self) -> Search:
        writer = self._writer.__enter__()
        packed = writer.restore()
        name = self.planned.run.name
        return Search(
            self.generator,
            [self.planned.run],
            strategy=self.design.search.strategy,
            population=self.design.search.population,
            stage=self.stage,
            restored={name: packed} if packed else None,
        )

    def close(self) -> None:
        """Give the run folder back."""
        self._writer.__exit__(None, None, None)

    def _seen(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the network's response at the stretch site."""
        site = self.design.search.stretch
        name = site if site == PIXELS else f"network.{site}"
        return {name: self.network.respond(images.to(self.network.device), [site])[site].cpu()}

    def _measured(self) -> Sensitivity:
        """Estimate the visible difference of the phase's images."""
        said, judged = self.book.counts()
        false, same = self.book.same_counts()
        measure = share_different if self.design.people.measure == "share" else d_prime
        return measure(said, judged, false, same)

    def advance(self) -> bool:
        """Go on to the next phase if the present phase has all its judgements.

        Returns:
            Whether it did.
        """
        if self.phase == DONE or not self.book.complete:
            return False
        if self.phase == FINAL:
            self._finish()
            return True
        if self.phase != FIRST:
            self._tell()
        self._next()
        return True

    def _modelled(self) -> Sensitivity:
        """d′ of the phase's images from the judgements of all phases."""
        said, judged = (counts.astype(float) for counts in self.book.counts())
        squares = descriptions(self.images, self.reference, self.network)
        self._known.append((squares, said, judged))
        parts = (np.concatenate(p) for p in zip(*self._known, strict=True))
        false, same = self.book.same_counts()
        model = DifferenceModel.fit(*parts, false=false, same=same)
        value, error = model.posterior(squares, said, judged)
        names = ("squares", "said", "judged")
        kept = {
            f"{k:05d}.{name}": torch.from_numpy(np.ascontiguousarray(values, float))
            for k, part in enumerate(self._known)
            for name, values in zip(names, part, strict=True)
        }
        replace_tensors(self.folder / KNOWN, kept)
        return Sensitivity(value, error, 0.0)

    def _restored(self) -> list[tuple[Floats, Floats, Floats]]:
        """Read an earlier process's record of its told generations."""
        path = self.folder / KNOWN
        found = load_file(path) if path.exists() else {}
        names = ("squares", "said", "judged")
        return [
            tuple(found[f"{k:05d}.{name}"].numpy() for name in names)  # type: ignore[misc]
            for k in range(min(len(found) // 3, self.generation))
        ]

    def _tell(self) -> None:
        modelled = self.design.people.measure == "model"
        found = self._modelled() if modelled else self._measured()
        responses = {
            **self._seen(self.images),
            SITE: torch.from_numpy(found.value).float().unsqueeze(1),
        }
        # What all candidates share (the false alarms) changes no order among them.
        errors = {SITE: torch.from_numpy(found.error).float().unsqueeze(1)}
        news = self._search.tell(responses, errors)[0]
        self._writer.append({**news.line, "judgements": self.book.given})
        self.say(f"{self.phase}: {number_of(self.book.given, 'judgement')}")
        if news.outcome:
            self._front, self._outcome = news.outcome.front, news.outcome
        else:
            self._writer.checkpoint(self._search.snapshot(self.planned.run.name))

    def _next(self) -> None:
        """Ask for the next generation, or for the front again at the end of the budget."""
        asked, final = self.design.people, self.design.final
        own = self.design.search.population * asked.repeats
        needed = trials_for(self.design, own + final.members * final.repeats)
        if self._front is None and (
            self.generation == 0 or self.book.given + needed <= asked.judgements
        ):
            self.phase = generation_phase(self.generation + 1)
            self.images = as_shown(self._search.ask())
            self.book.open(self.phase, len(self.images), asked.repeats)
            return
        if self._front is None:
            self._outcome = self._search.interrupted()[0]
            self._front = self._outcome.front
        self._members = spread_members(self._front, final.members)
        self.phase, self.images = FINAL, self.pictures(self._members.codes)
        self.book.open(FINAL, len(self.images), final.repeats)

    def _finish(self) -> None:
        """Save the front as measured by the held-back judgements."""
        found, members = self._measured(), self._members
        assert members is not None
        objective = self.planned.run.objective
        responses = {
            **self._seen(self.images),
            SITE: torch.from_numpy(found.value).float().unsqueeze(1),
        }
        scores = Objectives([objective], "cpu").score(
            responses, torch.zeros(len(self.images), dtype=torch.int64)
        )
        kept = held_back(members, scores, objective)
        table = self.table(members, scores, found, kept)
        replace_file(self.folder / JUDGED, table.to_parquet)
        order = torch.argsort(scores[:, 0], stable=True)
        order = order[kept[order]]
        front = Front(
            scores[order],
            *(p[order] for p in (members.codes, members.generation, members.candidate)),
        )
        assert self._outcome is not None
        outcome = replace(self._outcome, status="finished", front=front, milestone=None)
        tensors = {FRONT_IMAGES: self.images[order], "reference_image": self.reference}
        columns = {
            name: torch.tensor(table[name].to_numpy(float))[order]
            for name in ("selected_activation", "error", "p", "q")
        }
        self._writer.finish(
            outcome, seconds=time.monotonic() - self._began, tensors=tensors, columns=columns
        )
        self.phase, self.images = DONE, self.images[:0]
        holding = table["holds"].to_numpy(bool).sum()
        given = number_of(self.book.given, "judgement")
        self.say(f"done: {given}; the claim holds for {number_of(holding, 'member')}")

    def table(
        self, members: Front, scores: Tensor, found: Sensitivity, kept: Tensor
    ) -> pd.DataFrame:
        """Tabulate a row a member: both measurements, an interval, and a flag below the bound.

        False discoveries among the members are held at 5 % (`q`, Benjamini and Hochberg 1995), for
        people with one criterion; criteria that differ make the pooled d′ smaller than theirs.
        """
        said, judged = self.book.counts()
        error = np.hypot(found.error, found.shared)
        half = stats.norm.ppf(0.5 + LEVEL / 2) * error
        bound = self.design.final.bound
        p = stats.norm.cdf((found.value - bound) / error)
        if self.design.search.task == "adversarial":
            p = 1 - p
        q = stats.false_discovery_control(p)
        return pd.DataFrame(
            {
                "stretch": scores[:, 0].double().numpy(),
                "difference": found.value,
                "low": found.value - half,
                "high": found.value + half,
                "error": error,
                "selected_activation": members.scores[:, 2].double().numpy(),
                "said_different": said,
                "judgements": judged,
                "p": p,
                "q": q,
                "holds": q <= 1 - LEVEL,
                "front": kept.numpy(),
            }
        )
