"""A whole session: range block, most exciting image, search, held-back repeats."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import pandas as pd
import torch

from invariscope.errors import InputError, StoreError
from invariscope.experiments.plan import Planned, SearchOptions, plan
from invariscope.experiments.reference import Reference, image_reference
from invariscope.generators import Generator, constrained_address, load_generator
from invariscope.natural.statistics import NaturalStatistics
from invariscope.rig.again import UnitRepeats, measure_again
from invariscope.rig.file import SessionFile
from invariscope.rig.held_back import HeldBackClaim
from invariscope.rig.ledger import RANGE
from invariscope.rig.names import check_names
from invariscope.rig.predictions import ModelPredictions, refutations
from invariscope.rig.presenter import BlockPlan, MeasuredResponses, Presenter, Say
from invariscope.rig.range_block import NATURAL, range_photos, range_table, strongest, targets_of
from invariscope.rig.repeats import RepeatPolicy
from invariscope.rig.search import RigSearch
from invariscope.rig.taught import images_of_reference
from invariscope.search.strategies import Twin, load_strategy, without_cells
from invariscope.store import version_0_1
from invariscope.store.files import make_folder, replace_file
from invariscope.store.record import FRONT_IMAGES, RunRecord, load_run
from invariscope.subjects import HybridSubject, RigSubject, Subject, load_subject
from invariscope.subjects.rig.link import Link
from invariscope.subjects.rig.subject import SITE

ABOUT, REFUTED = "session.json", "refuted"
GREY = 0.5
UNKNOWN: dict[str, Any] = {"constraints": {}}  # keys that older sessions do not have


@final
class RigSession:
    """A session on a rig, begun or gone on with.

    Args:
        asked: from the session file.
        folder: of the session; everything about it is there.
        link: to the rig.
        base: the folder from which the file's photos count.
        generator, proxy: by default those that the file names.
        say: told what a person should know.

    Raises:
        InputError: names of units or of the animal that cannot be kept (`check_names`), or
            presentations that do not allow a single generation.
        StoreError: the folder holds another session, or is being served.
    """

    def __init__(
        self,
        asked: SessionFile,
        folder: Path,
        link: Link,
        *,
        base: Path = Path(),
        generator: Generator | None = None,
        proxy: Subject | None = None,
        say: Say = lambda text: None,
    ) -> None:
        check_names(asked.rig)
        asked.check_presentations()
        self.asked, self.folder, self.base = asked, make_folder(folder), base
        self._begin()
        self.generator = generator or load_generator(
            constrained_address(asked.search.generator, asked.search.constraints, base)
        )
        load_strategy(asked.search.strategy).for_generator(self.generator)  # before any image
        if proxy is None and asked.search.proxy:
            proxy = load_subject(asked.search.proxy)
        self.presenter = Presenter(folder, link, asked.rig, asked.blocks, say)
        self.rig = RigSubject(
            asked.rig.name,
            asked.rig.units,
            self.generator.image_size,
            practice=asked.practice(),
            answer=self._answer,
        )
        self.stage: Subject = HybridSubject(self.rig, proxy) if proxy else self.rig

    def _begin(self) -> None:
        """Keep the settings, or check that a session goes on with the same settings."""
        path, now = self.folder / ABOUT, self.asked.model_dump(mode="json")
        if not path.exists():
            text = json.dumps(now, indent=1) + "\n"
            replace_file(path, lambda part: part.write_text(text))
            return
        try:
            before = version_0_1.session(json.loads(path.read_text()))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(f"{str(path)!r} is damaged; put a copy of it back") from error
        differ = [
            f"[{part}] {key}"
            for part in now
            for key in now[part]
            if before.get(part, {}).get(key, UNKNOWN.get(key)) != now[part][key]
        ]
        if differ:
            raise StoreError(
                f"{str(self.folder)!r} holds a session that was asked otherwise ({differ[0]} "
                "differs); ask for the same to go on with it, or choose another --out"
            )

    def _repeats(self, first: int, most: int = 0) -> RepeatPolicy:
        blocks = self.asked.blocks
        return RepeatPolicy(first, most, blocks.max_retries if blocks.on_missing == "again" else 0)

    def _answer(self, images: torch.Tensor) -> torch.Tensor:
        """Measure responses to any images by the search's repeats: the rig as a subject."""
        names = self.presenter.store(images)
        repeats = self._repeats(self.asked.search.repeats)
        # Everything on which the answer depends: who asks the same again gets the same trials.
        plain = self._every_unit
        often = (repeats.first, repeats.max_repeats, repeats.max_retries)
        whole = [names, self.asked.rig.units, plain.targets, often]
        key = f"asked/{hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:32]}"
        found = self.presenter.measure(key, images, repeats, plain)
        return torch.from_numpy(found.means).float()

    def run(self) -> list[RunRecord]:
        """Run the session from its present state to its end.

        Returns:
            The records of its searches, without those for most exciting images.
        """
        photos = range_photos(self.asked.range, self.base, self.generator)
        measured = self.measure_range(photos)
        records = []
        for target in self.targets:
            block_plan = self.block_plan(target, measured)
            reference = self.reference(target, measured, block_plan)
            seeds = range(self.asked.search.seeds)
            records += [self.search(target, reference, seed, block_plan) for seed in seeds]
        return records

    @property
    def targets(self) -> list[int]:
        """The numbers of the units to search for, from the table of the range block.

        Raises:
            StoreError: the range block is not measured yet.
        """
        table = NaturalStatistics.load(self.folder / NATURAL, self.rig).table
        return targets_of(self.asked.search.targets, table)

    def measure_range(self, photos: torch.Tensor) -> MeasuredResponses:
        """Measure each unit's range, noise and reliability, the grounds for choosing targets."""
        repeats = self._repeats(self.asked.range.repeats)
        found = self.presenter.measure(RANGE, photos, repeats, self._every_unit)
        table = range_table(found, self.rig)
        path = self.folder / NATURAL
        NaturalStatistics(table.table, self.rig.natural_identity(), table.about).save(path)
        self.rig.natural = self.stage.natural = path
        return found

    @property
    def _every_unit(self) -> BlockPlan:
        """Plan blocks without controls, with every unit recorded."""
        return BlockPlan(tuple(range(len(self.asked.rig.units))))

    def block_plan(self, target: int, measured: MeasuredResponses) -> BlockPlan:
        """Plan the blocks of a target unit: controls are grey and the unit's strongest photos.

        Args:
            target: number of the unit.
            measured: the range block.
        """
        blocks = self.asked.blocks
        grey = torch.full((1, 3, self.generator.image_size, self.generator.image_size), GREY)
        grey = self.generator.constrain(grey)
        photos = strongest(measured, target, max(blocks.natural, 1))
        names = [measured.names[i] for i in photos]
        controls = {
            "blank": (blocks.blank, self.presenter.store(grey)),
            "natural": (blocks.natural, names),
        }
        return BlockPlan((target,), controls)

    def _options(self, generations: int) -> SearchOptions:
        asked = self.asked.search
        return SearchOptions(
            strategy=asked.strategy,
            population=asked.population,
            generations=generations,
            stop=asked.stop,
            precision="float32",
        )

    def _planned(self, target: int, options: SearchOptions, **words: Any) -> Planned:
        unit = f"{SITE}:{target}"
        return plan(self.stage, self.generator, unit, options=options, **words)[0]

    def _search(
        self, planned: Planned, options: SearchOptions, out: Path, block_plan: BlockPlan
    ) -> RunRecord:
        folder = out / planned.settings.folder_name
        done = (folder / "outcome.json").exists()
        search = RigSearch(
            planned,
            self.presenter,
            block_plan,
            self.stage,
            self.generator,
            options=options,
            repeats=self._repeats(self.asked.search.repeats, self.asked.search.max_repeats),
            final=self.asked.final,
            presentations=self.asked.search.presentations,
            out=out,
        )
        if not done:
            self.presenter.say(f"searching: {folder.name}")
            search.run()
        return load_run(folder)

    def reference(
        self, target: int, measured: MeasuredResponses, block_plan: BlockPlan
    ) -> Reference:
        """Find the image to depart from: the target's MEI by a search on the rig, or a photo."""
        asked = self.asked.search
        if asked.mei_generations == 0:
            best = strongest(measured, target, 1)[0]
            if asked.task == "adversarial":
                raise InputError(
                    "an adversarial search starts at a code, and a photo has none; give "
                    "mei_generations in the session file"
                )
            return image_reference(measured.images[best], self.generator.image_size)
        options = self._options(asked.mei_generations)
        options = replace(options, strategy=without_cells(asked.strategy), stop=False)
        planned = self._planned(target, options, task="excitation")
        record = self._search(planned, options, self.folder / "mei", block_plan)
        code = record.tensors["codes"][-1]
        image = record.tensors[FRONT_IMAGES][-1]
        recipe = {"kind": "mei", "run": record.name}
        activity = float(record.front["activation"].iloc[-1])
        return Reference(image.cpu(), code, recipe, activity)

    def _begun(self, planned: Planned) -> bool:
        """Tell if the session showed images of a run: one without teaching, of an older session."""
        key = f"{planned.settings.name[:12]}/"
        return any(name.startswith(key) for name in self.presenter.ledger.requests)

    def search(
        self, target: int, reference: Reference, seed: int, block_plan: BlockPlan
    ) -> RunRecord:
        """Run one search from the reference, to its held-back repeats.

        A twin learns first from what the search for the reference showed.
        """
        asked = self.asked.search
        options = self._options(asked.generations)
        words = {"task": asked.task, "site": asked.stretch, "run_seeds": (seed,)}
        planned = self._planned(target, options, reference=reference, **words)
        if isinstance(load_strategy(asked.strategy), Twin) and not self._begun(planned):
            taught = images_of_reference(self.presenter, reference, target)
            planned = self._planned(target, options, reference=reference, taught=taught, **words)
        return self._search(planned, options, self.folder / "runs", block_plan)

    def test_predictions(self, predictions: ModelPredictions) -> pd.DataFrame:
        """Show the images that a model claims its neuron ignores, and test the claim.

        Call it after `run`. Keeps the table in `refuted/`.

        Raises:
            InputError: predictions for a unit that is not recorded, or images of another size.
        """
        asked, key = self.asked.final, f"asked/predictions-{predictions.key}"
        if predictions.unit not in self.asked.rig.units:
            raise InputError(
                f"the plan predicts unit {predictions.unit!r}, which is not recorded; units are "
                f"{', '.join(self.asked.rig.units)}"
            )
        unit, presenter = self.asked.rig.units.index(predictions.unit), self.presenter
        if predictions.images.shape[-1] != self.generator.image_size:
            raise InputError(
                f"the plan's images have {predictions.images.shape[-1]} px, those of the session "
                f"{self.generator.image_size}; plan again with this session file"
            )
        block_plan = self.block_plan(unit, presenter.measured(RANGE))
        retries = self._repeats(1).max_retries
        reference = predictions.reference.unsqueeze(0)
        often = RepeatPolicy(asked.repeats, 0, retries, reference=asked.reference)
        found, at = measure_again(
            presenter, f"{key}-images", predictions.images, reference, often, block_plan=block_plan
        )
        if at is None:  # an earlier build showed the reference before the images
            at = presenter.measured(f"{key}-reference")
        own, bound = (UnitRepeats.of(presenter, part, unit) for part in (found, at))
        claim = HeldBackClaim.of(
            predictions.task,
            float(bound.means[0]),
            float(bound.errors[0]),
            asked.share,
            asked.level,
            repeats=float(bound.counts[0]),
        )
        table = refutations(predictions, claim, own.means, own.variances, own.counts)
        kept = table.assign(image=found.names, unit=predictions.unit, model=predictions.model)
        path = make_folder(self.folder / REFUTED) / f"{predictions.key}.parquet"
        replace_file(path, kept.to_parquet)
        return table

    def close(self) -> None:
        """Give the session's log back."""
        self.presenter.close()
