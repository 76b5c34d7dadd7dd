"""One search on a rig: ask, show, tell; a generation is kept before the next is shown."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.experiments.chunk import choose_chunk
from invariscope.experiments.pictures import write_png
from invariscope.experiments.plan import Planned, SearchOptions
from invariscope.generators.base import Generator
from invariscope.recordings.noise import Floats
from invariscope.rig.again import UnitRepeats, measure_again
from invariscope.rig.file import HeldBackRequest
from invariscope.rig.held_back import HeldBackClaim, held_back, spread_members
from invariscope.rig.ledger import REFERENCE
from invariscope.rig.presenter import BlockPlan, MeasuredResponses, Presenter
from invariscope.rig.repeats import RepeatPolicy
from invariscope.search.archive import Front
from invariscope.search.objectives import Objective, Objectives
from invariscope.search.run import Outcome
from invariscope.search.search import Search
from invariscope.search.strategies import Twin, load_strategy
from invariscope.store.context import numeric_context
from invariscope.store.files import make_folder, replace_file
from invariscope.store.record import FRONT_IMAGES
from invariscope.store.run_folder import RunFolder
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.pixels import pixel_distance, saturation
from invariscope.subjects.rig.subject import SITE

HELD_BACK = "held_back.parquet"


class RigSearch:
    """A planned run on a rig.

    Args:
        planned: the run; its reference's responses are measured on the rig.
        block_plan: of its trials; a reference is shown among the candidates too.
        stage: the rig, or the rig and a proxy network as one: what is stretched.
        repeats: of each candidate.
        final: how the front is measured again.
        presentations: at most, controls counted; the held-back repeats come on top.
        out: the folder of run folders.
    """

    def __init__(
        self,
        planned: Planned,
        presenter: Presenter,
        block_plan: BlockPlan,
        stage: Subject,
        generator: Generator,
        *,
        options: SearchOptions,
        repeats: RepeatPolicy,
        final: HeldBackRequest,
        presentations: int,
        out: Path,
    ) -> None:
        self.planned, self.presenter, self.stage = planned, presenter, stage
        self.generator, self.options, self.repeats = generator, options, repeats
        self.final, self.presentations, self.out = final, presentations, out
        self.key = planned.settings.name[:12]
        self.reference_found: MeasuredResponses | None = None
        self.block_plan = block_plan
        self.objective = self._objective()
        if planned.reference is not None:
            image = stage.see(planned.reference.image.unsqueeze(0))
            number, names = presenter.blocks.reference, presenter.store(image)
            self.block_plan = block_plan.with_control("reference", number, names)

    def _objective(self) -> Objective:
        """Make the objective with the reference's responses."""
        objective, reference = self.planned.run.objective, self.planned.reference
        if reference is None:
            return objective
        image = reference.image.unsqueeze(0)
        units = "-".join(map(str, self.block_plan.targets))  # which must be recorded in a trial
        key = f"{REFERENCE}{self.presenter.store(image)[0]}-{units}"
        often = RepeatPolicy(self.final.reference, max_retries=self.repeats.max_retries)
        found = self.presenter.measure(key, image, often, self.block_plan)
        self.reference_found = found
        responses = self._responses(found, objective)
        site = objective.site or PIXELS
        return replace(
            objective,
            site_reference=responses[site][0].flatten().float(),
            target_reference=objective.target.read(responses)[0],
        )

    def _errors(self, found: MeasuredResponses) -> Floats:
        assert self.presenter.noise is not None
        return self.presenter.noise.errors(found.means, found.counts)

    def _responses(self, found: MeasuredResponses, objective: Objective) -> dict[str, Tensor]:
        """Measure images as shown at every site of the objective."""
        inside = [site for site in objective.sites if site != SITE]
        responses = self.stage.respond(found.images, inside) if inside else {}
        return responses | {SITE: torch.from_numpy(found.means).float()}

    def run(self) -> Outcome:
        """Search, measure the front again and keep both; a run that is there is gone on with.

        Raises:
            StoreError: the run folder or the session cannot be written.
        """
        chunk = choose_chunk(self.stage, self.generator, (), self.options.population, 1)
        context = numeric_context(self.generator.device, chunk) | {"precision": "float32"}
        began = time.monotonic()
        labels = self.planned.labels
        with RunFolder(self.out, self.planned.settings, labels, context) as writer:
            packed = writer.restore()
            search = Search(
                self.generator,
                [replace(self.planned.run, objective=self.objective)],
                strategy=self.options.strategy,
                population=self.options.population,
                chunk=chunk,
                stage=self.stage,
                restored={self.planned.run.name: packed} if packed else None,
            )
            done = int(packed["strategy.generation"]) if packed else 0
            outcome = self._advance(search, writer, done)
            outcome, columns, shown = self._again(outcome, writer.path)
            self._save_pictures(writer.path, shown)
            writer.finish(
                outcome,
                seconds=time.monotonic() - began,
                tensors={FRONT_IMAGES: shown, **self._reference_tensors()},
                columns=columns,
            )
        return outcome

    def _advance(self, search: Search, writer: RunFolder, done: int) -> Outcome:
        """Show generations, after the ended generations, until the search ends."""
        generation = done
        while True:
            generation += 1
            if self._spent() + self._cost() > self.presentations:
                return replace(search.interrupted()[0], status="finished")
            found = self._generation(search, generation)
            responses = self._responses(found, self.objective)
            errors = {SITE: torch.from_numpy(self._errors(found)).float()}
            news = search.tell(responses, errors)[0]
            writer.append({**news.line, "presentations": self._spent()})
            if news.outcome:
                return news.outcome
            writer.checkpoint(search.snapshot(self.planned.run.name))

    def _generation(self, search: Search, generation: int) -> MeasuredResponses:
        """Show a generation."""
        codes = search.ask_codes()[0]
        images = self.stage.see(search.ask()).cpu()
        inside = [site for site in self.objective.sites if site != SITE]
        fixed = self.stage.respond(images, inside) if inside else {}

        def likely(means: Floats, errors: Floats) -> Floats:
            given = fixed | {SITE: torch.from_numpy(means).float()}
            chances = search.p_top_half(given, {SITE: torch.from_numpy(errors).float()})
            return chances.double().numpy()

        return self.presenter.measure(
            f"{self.key}/{generation:04d}",
            images,
            self.repeats,
            self.block_plan,
            codes=codes,
            likely=likely if self.repeats.max_repeats > self.repeats.first else None,
        )

    def _cost(self) -> int:
        """Count presentations of a generation with every trial recorded."""
        trials, blocks = self.options.population * self.repeats.first, self.presenter.blocks
        controls = sum(n for n, _ in self.block_plan.controls.values())
        return trials + -(-trials // blocks.trials) * controls

    def _spent(self) -> int:
        """Count presentations of this search so far, with its blocks' controls."""
        ledger = self.presenter.ledger
        blocks = {
            trial.block
            for key in ledger.requests
            if key.startswith(f"{self.key}/") and not key.endswith("/final")
            for trial in ledger.of(key)
        }
        return sum(len(ledger.blocks[block]) for block in blocks)

    def _again(self, outcome: Outcome, folder: Path) -> tuple[Outcome, dict[str, Tensor], Tensor]:
        """Measure the front on held-back repeats alone: columns of the table, and images as shown.

        The table beside it has both measurements.
        """
        if self.objective.task == "excitation":
            members = self._strongest()
        else:
            members = spread_members(outcome.front, self.final.members)
        found, at = self._shown_again(members)
        own = Objectives([self.objective], "cpu")
        rows = torch.zeros(len(members.codes), dtype=torch.int64)
        scores = own.score(self._responses(found, self.objective), rows)
        kept = held_back(members, scores, self.objective)
        if self.planned.settings.strategy.get("cells"):
            kept = torch.ones_like(kept)
        table = self._table(members, scores, found, at, kept)
        replace_file(folder / HELD_BACK, table.to_parquet)
        order = torch.argsort(scores[:, 0], stable=True)
        order = order[kept[order]]
        parts = (members.codes, members.generation, members.candidate)
        front = Front(scores[order], *(part[order] for part in parts))
        columns = {
            name: torch.tensor(table[name].to_numpy(float))[order]
            for name in ("selected_squeeze", "selected_activation", "error", "p", "q")
            if name in table
        }
        columns["saturation"] = saturation(found.images).cpu()[order]
        bounded = self.generator.bounded(members.codes)
        columns["code_norm"] = bounded.double().norm(dim=1).cpu()[order]
        strategy = load_strategy(self.options.strategy)
        if isinstance(strategy, Twin) and strategy.cells:
            measured = strategy.cells.columns(found.images)
            columns |= {name: column[order] for name, column in measured.items()}
        if self.reference_found is not None:
            columns["pixel_distance"] = pixel_distance(
                self.stage.see(found.images), self.stage.see(self.reference_found.images)
            ).cpu()[order]
        return replace(outcome, front=front, milestone=None), columns, found.images[order]

    def _shown_again(self, members: Front) -> tuple[MeasuredResponses, MeasuredResponses | None]:
        """Show members on held-back repeats, with the reference spread among the members.

        The second part is what the bound of the test is taken from. A session whose members an
        earlier build began to show has no such repeats, and keeps those from before the search.
        """
        images = self.stage.see(self.generator.generate(members.codes)).cpu()
        reference, final = self.planned.reference, self.final
        shown = self.stage.see(reference.image.unsqueeze(0)).cpu() if reference else None
        often = RepeatPolicy(final.repeats, 0, self.repeats.max_retries, reference=final.reference)
        key, codes = f"{self.key}/final", members.codes
        found, at = measure_again(
            self.presenter, key, images, shown, often, block_plan=self.block_plan, codes=codes
        )
        return found, at or self.reference_found

    def _strongest(self) -> Front:
        """Choose the candidates of all generations that seemed to drive the target most.

        The best of a search for activity alone is the luckiest; the best of these on held-back
        repeats is less so.
        """
        presenter, parts = self.presenter, []
        target, most = list(self.block_plan.targets), self.final.members
        for key, told in presenter.ledger.measured.items():
            run, _, generation = key.partition("/")
            if run == self.key and generation.isdecimal():
                means = np.array(told["means"], float)[:, target].mean(1)
                codes = presenter.codes(key)
                order = np.argsort(-np.nan_to_num(means, nan=-np.inf))[:most]
                parts += [(float(means[i]), codes[i], int(generation), int(i)) for i in order]
        best = sorted(parts, key=lambda part: -part[0])[:most]
        activity, codes, generation, candidate = zip(*best, strict=True)
        scores = torch.zeros(len(best), 3)
        scores[:, 2] = torch.tensor(activity)
        return Front(scores, torch.stack(codes), torch.tensor(generation), torch.tensor(candidate))

    def _table(
        self,
        members: Front,
        scores: Tensor,
        found: MeasuredResponses,
        at: MeasuredResponses | None,
        kept: Tensor,
    ) -> pd.DataFrame:
        """Tabulate a row for each member that was measured again, beside its reference."""
        unit = self.planned.run.objective.target.units[0].index[0]
        errors = self._errors(found)[:, unit]
        table = pd.DataFrame(
            {
                "image": found.names,
                "stretch": scores[:, 0].double().numpy(),
                "squeeze": scores[:, 1].double().numpy(),
                "activation": scores[:, 2].double().numpy(),
                "selected_squeeze": members.scores[:, 1].double().numpy(),
                "selected_activation": members.scores[:, 2].double().numpy(),
                "error": errors,
                "trials": found.counts[:, unit],
                "front": kept.numpy(),
            }
        )
        if at is None or self.objective.target_reference is None:
            return table
        own, bound = (UnitRepeats.of(self.presenter, part, unit) for part in (found, at))
        before, share = float(self.objective.target_reference.mean()), self.final.share
        claim = HeldBackClaim.of(
            self.objective.task,
            float(bound.means[0]),
            float(bound.errors[0]),
            share,
            self.final.level,
            repeats=float(bound.counts[0]),
        )
        # Which members are tested follows from the search alone, not from held-back repeats.
        claim = replace(claim, sought=share * before)
        table = table.assign(reference=bound.means[0], reference_error=bound.errors[0])
        selected = table["selected_activation"].to_numpy()
        return table.join(claim.test(selected, own.means, own.variances, own.counts))

    def _save_pictures(self, folder: Path, shown: Tensor) -> None:
        """Write the images of the front as shown on the rig, for pages."""
        images = make_folder(folder / "images")
        if self.planned.reference is not None:
            write_png(images / "reference.png", self.planned.reference.image)
        for row, image in enumerate(shown):
            write_png(images / f"member-{row}.png", image)

    def _reference_tensors(self) -> dict[str, Tensor]:
        reference = self.planned.reference
        if reference is None:
            return {}
        tensors: dict[str, Any] = {"reference_image": reference.image}
        if reference.code is not None:
            tensors["reference_code"] = reference.code.float().cpu()
        activity = self.objective.target_reference
        return tensors | ({} if activity is None else {"reference_activity": activity.float()})
