"""A session rehearsed on a fitted network: cost, findings, refutable claims."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from invariscope.errors import InputError
from invariscope.generators import Generator, constrained_address, load_generator
from invariscope.natural.statistics import measure_natural
from invariscope.plurals import number_of
from invariscope.rig.file import SessionFile
from invariscope.rig.held_back import HeldBackClaim
from invariscope.rig.ledger import CONTROL, RANGE
from invariscope.rig.predictions import ModelPredictions, power, predict_invariances
from invariscope.rig.range_block import range_photos
from invariscope.rig.search import HELD_BACK
from invariscope.rig.session import RigSession
from invariscope.rig.simulate import DirectLink, SimulatedBrain, SimulatedRates
from invariscope.store.files import make_folder, replace_file
from invariscope.subjects import HybridSubject, Subject, load_subject
from invariscope.units import parse_target

PLAN, SIMULATED = "plan.json", "simulated"
BATCH = 32
ENOUGH = 0.8  # power at which an invariance counts as one that could be refuted


@dataclass(frozen=True)
class SessionPlan:
    """The result of a rehearsal.

    Attributes:
        presentations: by what they are for: range, MEI, search, held back, predictions, control.
        minutes: of showing, pauses counted, answers not waited for.
        fronts: one row a simulated search: `unit`, `members`, `tested`, `hold`.
        predictions: one row an image that the model says its neuron ignores: `unit`, `stretch`,
            `predicted` (share of the reference's response), `power_confirm` (were the model
            right), `power_refute` (were the neuron to answer as to the average photo),
            `refutable`.
    """

    presentations: dict[str, int]
    minutes: float
    fronts: pd.DataFrame
    predictions: pd.DataFrame

    @property
    def total(self) -> int:
        return sum(self.presentations.values())

    def save(self, folder: Path) -> Path:
        """Write the figures as JSON.

        Raises:
            StoreError: they cannot be written.
        """
        whole = {
            "presentations": self.presentations,
            "total": self.total,
            "minutes": self.minutes,
            "fronts": self.fronts.to_dict("records"),
            "predictions": self.predictions.to_dict("records"),
        }
        text = json.dumps(whole, indent=1, default=float) + "\n"
        path = make_folder(folder) / PLAN
        replace_file(path, lambda part: part.write_text(text))
        return path


@dataclass(frozen=True)
class _Rehearsal:
    """The parts of a rehearsal."""

    asked: SessionFile
    model: Subject
    units: tuple[str, ...]
    out: Path
    base: Path
    generator: Generator
    proxy: Subject | None

    def photos(self) -> Tensor:
        return range_photos(self.asked.range, self.base, self.generator)

    def brain(self, rates: SimulatedRates, seed: int) -> SimulatedBrain:
        """Make a brain of the model, with answers to the photos as range where none is known."""
        model, named = self.model, self.asked.rig.units
        if len(self.units) != len(named):
            raise InputError(
                f"{number_of(len(self.units), 'unit')} of {model.name} for {len(named)} recorded "
                "ones; name one for each"
            )
        targets = [parse_target(unit, model.sites()) for unit in self.units]
        if model.natural is None:
            sites = sorted({site for target in targets for site in target.sites})
            path = make_folder(self.out) / "model_natural.parquet"
            measure_natural(model, self.photos().split(BATCH), sites, "train").save(path)
            model.natural = path
        return SimulatedBrain(model, self.units, named, cortex=rates, seed=seed)

    def predicted(self, target: int) -> ModelPredictions:
        """Predict the model's claims about the neuron recorded as unit number `target`."""
        stage = HybridSubject(self.model, self.proxy) if self.proxy else self.model
        folder = self.out / "predictions" / f"{target}"
        made = predict_invariances(
            self.asked,
            stage,
            self.units[target],
            unit=self.asked.rig.units[target],
            generator=self.generator,
            out=folder,
        )
        made.save(folder)
        return made


def plan_session(
    asked: SessionFile,
    model: Subject,
    units: Sequence[str],
    out: Path,
    *,
    rates: SimulatedRates,
    base: Path = Path(),
    seed: int = 0,
    generator: Generator | None = None,
    proxy: Subject | None = None,
) -> SessionPlan:
    """Rehearse a session on a fitted network with a recording's noise.

    The session file is played whole against the network as a brain. Then the network is searched
    without noise from its own MEI: these images are the predictions that `rig serve --plan` shows
    to the neuron. What was done is taken from `out` when called again.

    Args:
        asked: the session file.
        model: the network; without natural statistics its answers to the range block's photos
            turn its activity into rates.
        units: its units, one a recorded unit.
        out: folder of the rehearsal and the predictions.
        rates: of the simulated neurons.
        base: the folder from which the file's photos count.
        seed: of the noise.
        generator, proxy: of the session, by default those that the file names.

    Raises:
        InputError: units that the model has not, or a model that claims nothing.
        StoreError: `out` holds another session.
    """
    search = asked.search
    if generator is None:
        address = constrained_address(search.generator, search.constraints, base)
        generator = load_generator(address)
    if proxy is None and search.proxy:
        proxy = load_subject(search.proxy)
    rehearsal = _Rehearsal(asked, model, tuple(units), out, base, generator, proxy)
    brain = rehearsal.brain(rates, seed)
    link, folder = DirectLink(brain), out / SIMULATED
    session = RigSession(asked, folder, link, base=base, generator=generator, proxy=proxy)
    with closing(session):
        records = session.run()
        made = [rehearsal.predicted(target) for target in session.targets]
        shown = _presentations(session, asked, made)
    fronts = [_front(record.settings.unit, record.path) for record in records]
    photos = rehearsal.photos()
    tables = [_powers(asked, prediction, brain, photos) for prediction in made]
    minutes = sum(shown.values()) * (asked.rig.on_ms + asked.rig.off_ms) / 60_000
    plan = SessionPlan(shown, minutes, pd.DataFrame(fronts), pd.concat(tables, ignore_index=True))
    plan.save(out)
    return plan


def _presentations(
    session: RigSession, asked: SessionFile, made: list[ModelPredictions]
) -> dict[str, int]:
    """Count trials by purpose; predictions are still to be shown."""
    found: dict[str, int] = dict.fromkeys(
        ("range", "search", "held back", "predictions", "control"), 0
    )
    for trial in session.presenter.ledger.trials.values():
        if trial.request == RANGE:
            found["range"] += 1
        elif trial.request == CONTROL:
            found["control"] += 1
        elif trial.request.endswith("/final") or trial.request.startswith("reference/"):
            found["held back"] += 1
        else:
            found["search"] += 1
    for prediction in made:
        again = len(prediction.images) * asked.final.repeats + asked.final.reference
        blocks = -(-again // asked.blocks.trials)
        found["predictions"] += again
        found["control"] += blocks * (asked.blocks.blank + asked.blocks.natural)
    return found


def _front(unit: str, folder: Path) -> dict[str, Any]:
    table = pd.read_parquet(folder / HELD_BACK)
    tested = np.count_nonzero(table["p"].notna()) if "p" in table else 0
    hold = np.count_nonzero(table["holds"]) if "holds" in table else 0
    return {"unit": unit, "members": len(table), "tested": tested, "hold": hold}


def _powers(
    asked: SessionFile, prediction: ModelPredictions, brain: SimulatedBrain, photos: Tensor
) -> pd.DataFrame:
    """Compute the power of each prediction's tests at the session's repeats."""
    final, seconds = asked.final, (asked.rig.window[1] - asked.rig.window[0]) / 1000
    unit = asked.rig.units.index(prediction.unit)
    rates = brain.cortex

    def expected(images: Tensor) -> np.ndarray:
        return brain.rates(images)[:, unit].cpu().numpy().astype(float) + rates.spontaneous

    def variance(rate: float) -> float:
        return rates.fano * rate / seconds

    at = float(expected(prediction.reference.unsqueeze(0))[0])
    error = (variance(at) / final.reference) ** 0.5
    claim = HeldBackClaim.of(
        prediction.task, at, error, final.share, final.level, repeats=final.reference
    )
    against = replace(claim, side="below" if claim.side == "above" else "above")
    usual, tests = float(expected(photos).mean()), len(prediction.images)
    rows = []
    refute = power(usual, against, variance(usual), final.repeats, tests)
    for rate, stretch in zip(expected(prediction.images), prediction.stretch, strict=True):
        own = power(float(rate), claim, variance(float(rate)), final.repeats, tests)
        row = {"unit": prediction.unit, "stretch": float(stretch), "predicted": float(rate) / at}
        rows.append({**row, "power_confirm": own, "power_refute": refute})
    return pd.DataFrame(rows).assign(refutable=refute >= ENOUGH)


def load_predictions(folder: Path) -> list[ModelPredictions]:
    """Read the predictions of a plan.

    Raises:
        StoreError: the folder holds no plan, or a damaged one.
    """
    folders = sorted(p for p in (folder / "predictions").glob("*") if p.is_dir())
    return [ModelPredictions.load(p) for p in folders] or [ModelPredictions.load(folder)]
