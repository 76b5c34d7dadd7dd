"""`invariscope rig plan`: a session rehearsed on a fitted network before the animal."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from cyclopts import Parameter
from rich.console import Console

from invariscope.cli.numbers import NotNegative, Positive, Seed, Share
from invariscope.cli.options import NetworkOptions
from invariscope.cli.terminal import STARTS_AGAIN, print_table, tell_start
from invariscope.plurals import number_of
from invariscope.recordings.variability import load_variability
from invariscope.rig.file import read_session
from invariscope.rig.names import check_names
from invariscope.rig.plan import plan_session
from invariscope.rig.predictions import ModelPredictions
from invariscope.rig.simulate import SimulatedRates


@Parameter(name="*")
@dataclass(frozen=True)
class RateOptions:
    """How the units of a network fire in place of neurons."""

    like: Annotated[
        Path | None,
        Parameter(help="Rates and noise as a recording has them: what `recording` wrote."),
    ] = None
    peak: Annotated[
        Positive | None,
        Parameter(help="Spikes per second for the strongest photo; else --like's, or 20."),
    ] = None
    drift: Annotated[NotNegative, Parameter(help="How far the gain goes up and down.")] = 0.3
    lost: Annotated[Share, Parameter(help="Share of trials that are not recorded.")] = 0.05
    seed: Annotated[Seed, Parameter(help="Of all noise.")] = 0

    def rates(self) -> SimulatedRates:
        """Make the rates and their noise."""
        rates = SimulatedRates(drift=self.drift, lost=self.lost)
        if self.like:
            known = load_variability(self.like)
            rates = SimulatedRates.like(known, drift=self.drift, lost=self.lost)
        return replace(rates, peak=self.peak) if self.peak else rates


def plan(
    file: Annotated[Path, Parameter(help="The session file (TOML).")],
    /,
    *,
    model: Annotated[str, Parameter(help="A network that was fitted to the neurons.")],
    units: Annotated[
        list[str], Parameter(help="Its units, one a recorded unit.", consume_multiple=True)
    ],
    out: Annotated[
        Path, Parameter(alias="-o", help="Folder of the rehearsal and the model's predictions.")
    ],
    fired: RateOptions | None = None,
    source: NetworkOptions | None = None,
) -> None:
    """Rehearse a session on a fitted network: presentations, minutes, power, refutable claims."""
    asked = read_session(file)
    check_names(asked.rig)
    subject = (source or NetworkOptions()).subject(model)
    fired = fired or RateOptions()
    rates = fired.rates()
    tell_start(out, STARTS_AGAIN)
    made = plan_session(asked, subject, units, out, rates=rates, base=file.parent, seed=fired.seed)
    costs = [(name, f"{number:,}") for name, number in made.presentations.items()]
    print_table(("for", "presentations"), costs, "presentations")
    columns = ("unit", "members", "tested", "hold")
    fronts = made.fronts[list(columns)].astype(str).to_numpy().tolist()
    title = "the rehearsal: members of the front that are tested, and found to hold"
    print_table(columns, fronts, title)
    _print_predictions(made.predictions)
    refutable = np.count_nonzero(made.predictions["refutable"])
    Console().print(
        f"{number_of(made.total, 'presentation', ',')}, {made.minutes:,.0f} minutes; {refutable} "
        f"of {number_of(len(made.predictions), 'invariance')} of the model could be refuted. On "
        f"the rig: invariscope rig serve {file} --out SESSION --plan {out}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _print_predictions(predictions: pd.DataFrame) -> None:
    columns = (
        *("unit", "stretch", "response, % of the reference's"),
        *("power to confirm", "power to refute", "refutable"),
    )
    rows = [
        (
            row["unit"],
            f"{row['stretch']:.1f}",
            f"{100 * row['predicted']:.0f}",
            f"{row['power_confirm']:.2f}",
            f"{row['power_refute']:.2f}",
            "yes" if row["refutable"] else "no",
        )
        for row in predictions.to_dict("records")
    ]
    print_table(columns, rows, "what the model says that its neuron ignores")


def print_refuted(predictions: ModelPredictions, tested: pd.DataFrame) -> None:
    """Print the model's invariances, each rejected or confirmed by a neuron."""
    rejected, confirmed = (np.count_nonzero(tested[key]) for key in ("rejected", "confirmed"))
    title = (
        f"invariances of {predictions.model}: unit {predictions.unit} rejects {rejected} and "
        f"confirms {confirmed} of {len(tested)}"
    )
    columns = ("stretch", "predicted, %", "response", "q rejected", "q confirmed", "verdict")
    verdicts = np.select(
        [tested["rejected"], tested["confirmed"]], ["rejected", "confirmed"], "open"
    )
    rows = [
        (
            f"{row['stretch']:.1f}",
            f"{100 * row['predicted']:.0f}",
            f"{row['response']:.1f} ± {row['error']:.1f}",
            f"{row['q_rejected']:.3f}",
            f"{row['q_confirmed']:.3f}",
            verdict,
        )
        for row, verdict in zip(tested.to_dict("records"), verdicts.tolist(), strict=True)
    ]
    print_table(columns, rows, title)
