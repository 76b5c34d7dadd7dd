"""What a search on a noisy rig finds, beside the same search without noise.

A simulated brain (`rig.simulate`), a unit's noise-free MEI as reference, a budget of
presentations; strategies × repeats. What the final front holds is scored without noise.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bench.frugality import (
    FrugalityBench,
    FrugalityTrial,
    NoiselessScores,
    hypervolume,
)
from invariscope import seeds
from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.plan import SearchOptions, plan
from invariscope.experiments.reference import Reference
from invariscope.generators.base import Generator
from invariscope.markup import markdown_table
from invariscope.rig.file import HeldBackRequest, SessionFile
from invariscope.rig.ledger import RANGE
from invariscope.rig.presenter import Presenter
from invariscope.rig.search import HELD_BACK
from invariscope.rig.session import RigSession
from invariscope.rig.simulate import DirectLink, SimulatedBrain, SimulatedRates
from invariscope.search.strategies import load_strategy
from invariscope.store.files import make_folder, replace_file
from invariscope.subjects.base import Subject

PHOTOS = 40


@dataclass(frozen=True)
class Cell:
    """One entry of the table.

    Attributes:
        repeats, max_repeats: of a candidate (see `rig.file.Asked`).
        presentations: of the search and its held-back repeats together.
    """

    strategy: str
    repeats: int
    max_repeats: int
    unit: str
    seed: int
    presentations: int

    @property
    def key(self) -> str:
        unit, strategy = (text.replace(":", ".") for text in (self.unit, self.strategy))
        return (
            f"{strategy}-{self.repeats}-{self.max_repeats}-{unit}-{self.seed}-{self.presentations}"
        )


@dataclass(frozen=True)
class NoiseFree:
    """The search without noise beside which a cell stands.

    Attributes:
        images: shown; None: as many as the cell has presentations.
        strategy: None: the cell's.
    """

    images: int | None = None
    strategy: str | None = None


class RigBench:
    """Cells on one network and generator, each kept as it ends.

    Args:
        out: a cell that is there is not done again; one that was broken off goes on.
        cortex: rates and noise of the simulated units; results of other ones are kept apart.
        noise_free: the search without noise.
    """

    def __init__(
        self,
        subject: Subject,
        generator: Generator,
        out: Path,
        cortex: SimulatedRates | None = None,
        noise_free: NoiseFree | None = None,
    ) -> None:
        self.subject, self.generator, self.out = subject, generator, make_folder(out)
        self.noise_free = noise_free or NoiseFree()
        self.plain = FrugalityBench(subject, generator, out / "plain")
        self.cortex = cortex or SimulatedRates()

    def _key(self, cell: Cell) -> str:
        if self.cortex == SimulatedRates():
            return cell.key
        return f"{cell.key}-{seeds.integer('cortex', *astuple(self.cortex)) % 2**32:08x}"

    def run(self, cell: Cell, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
        """A cell's figures."""
        key = self._key(cell)
        path = self.out / f"{key}.json"
        if path.exists():
            return json.loads(path.read_text())
        say(key)
        reference = self.plain.reference(cell.unit)
        asked = self._asked(cell)
        brain = SimulatedBrain(
            self.subject, [cell.unit], asked.rig.units, cortex=self.cortex, seed=cell.seed
        )
        folder = self.out / "sessions" / key
        session = RigSession(asked, folder, DirectLink(brain), generator=self.generator)
        try:
            codes = seeds.normal([("range", cell.unit)], (PHOTOS, self.generator.code_dim))[0]
            found = session.measure_range(self.generator.generate(codes))
            block_plan = session.block_plan(0, found)
            record = session.search(0, reference, cell.seed, block_plan)
        finally:
            session.close()
        table = pd.read_parquet(record.path / HELD_BACK)
        figures = self._figures(cell, reference, record.tensors["codes"])
        figures |= _honesty(brain, session.presenter, reference, table, asked.final.share)
        shown = len(session.presenter.ledger.trials) - len(session.presenter.ledger.of(RANGE))
        result = {**asdict(cell), **figures, "shown": shown}
        text = json.dumps(result) + "\n"
        replace_file(path, lambda part: part.write_text(text))
        return result

    def _asked(self, cell: Cell) -> SessionFile:
        final = HeldBackRequest()
        held_back = final.members * final.repeats * 1.2 + final.reference  # and controls
        search = {
            "targets": ["unit"],
            "strategy": cell.strategy,
            "repeats": cell.repeats,
            "max_repeats": cell.max_repeats,
            "generations": 1000,
            "presentations": int(cell.presentations - held_back),
            "stop": False,
        }
        rig = {"name": f"bench {cell.key}", "units": ["unit"]}
        whole = {"rig": rig, "range": {"photos": ""}, "search": search}
        return SessionFile.model_validate(whole)

    def _figures(self, cell: Cell, reference: Reference, codes: torch.Tensor) -> dict[str, Any]:
        """Hypervolume of the final front without noise, over that of a search without noise."""
        options = SearchOptions(strategy=cell.strategy, precision="float32")
        words = {"task": "invariance", "reference": reference, "options": options}
        planned = plan(self.subject, self.generator, cell.unit, **words)[0]
        exact = NoiselessScores(Evaluator(self.subject, self.generator, options, 50), planned)
        asked = self.noise_free.strategy or cell.strategy
        strategy = load_strategy(asked).with_statistics(self.generator.code_statistics)
        images = self.noise_free.images or cell.presentations
        trial = FrugalityTrial(strategy, cell.unit, 0.0, images, (cell.seed,))
        best = self.plain.run(trial)["curves"][str(cell.seed)][-1][1]
        own = hypervolume(exact.points(codes))
        return {"hypervolume": own, "without_noise": best, "share": own / best}


EACH = 2  # strategies of a table that has the optimism and members of each


def as_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table of `bench rig`: strategies × repeats, then the optimism and members of each.

    Of more than two strategies optimism is a mean over all, and members are added up.

    Args:
        rows: of `rig.json`.
    """
    known = {(row["strategy"], row["repeats"]): row for row in rows}
    strategies, policies = (list(dict.fromkeys(key)) for key in zip(*known, strict=True))
    lines = []
    for s in strategies:
        shares = (f"{100 * known[s, p]['share']:.0f} %" for p in policies)
        lines.append([f"`{s}`", *shares])
    apart = len(strategies) <= EACH
    for group in ([s] for s in strategies) if apart else [strategies]:
        whose = f"`{group[0]}`" if apart else "all strategies"
        for words, key in (
            ("optimism of the selected front, spikes/s", "optimism_selected"),
            ("optimism of held-back repeats", "optimism_held_back"),
        ):
            means = (float(np.mean([known[s, p][key] for s in group])) for p in policies)
            lines.append([f"{whose}: *{words}*", *(f"{x:.1f}" for x in means)])
        keys = ("tested", "true", "hold", "false")
        sums = [[sum(known[s, p][key] for s in group) for key in keys] for p in policies]
        cells = [f"{tested}, {true}, {hold}, {false}" for tested, true, hold, false in sums]
        counted = "members tested, truly so, found so, of these wrongly"
        lines.append([f"{whose}: *{counted}*", *cells])
    heads = ["strategy", *(f"repeats: {p}" for p in policies)]
    return markdown_table(heads, lines, ("---", "---:")) + "\n"


def _honesty(
    brain: SimulatedBrain,
    presenter: Presenter,
    reference: Reference,
    table: pd.DataFrame,
    share: float,
) -> dict[str, Any]:
    """Whether what is reported is true: optimism in spikes per second, and false discoveries.

    A session reports what images bring at the gain of its range block.
    """
    gain = float(np.mean([brain.gain(trial.number) for trial in presenter.ledger.of(RANGE)]))
    images = torch.stack([presenter.image(name) for name in table["image"]])
    spontaneous = brain.cortex.spontaneous
    true = gain * brain.rates(images)[:, 0].cpu().numpy() + spontaneous
    at_reference = gain * float(brain.rates(reference.image.unsqueeze(0))[0, 0]) + spontaneous
    squeeze = np.abs(true - at_reference)
    holds, tested = table["holds"].to_numpy(bool), table["p"].notna().to_numpy()
    kept = true > share * at_reference
    return {
        "optimism_selected": float(np.mean(squeeze - table["selected_squeeze"])),
        "optimism_held_back": float(np.mean(squeeze - table["squeeze"])),
        "members": len(table),
        "tested": int(tested.sum()),
        "true": int((tested & kept).sum()),
        "hold": int(holds.sum()),
        "false": int((holds & ~kept).sum()),
    }
