"""The threshold τ by the paper's rule, and what accuracy is left on either side of a threshold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from invariscope.errors import InputError
from invariscope.invariance.ablation import (
    ACTIVE,
    INACTIVE,
    NOTHING,
    ablate,
    tau_thresholds,
    top_thresholds,
)
from invariscope.invariance.classes import Classifier, classifier
from invariscope.invariance.first_pass import FirstPass, first_pass
from invariscope.invariance.passes import MeasurementSetup

TAUS = tuple(round(0.05 * step, 2) for step in range(21))
MOST_LOST = 0.01


@dataclass(frozen=True)
class TauChoice:
    """The threshold by the paper's rule.

    Attributes:
        tau: the highest that costs nothing; None where even 0 costs too much.
        table: accuracy with the inactive units ablated, a row a tau that was tried,
            transformation and presentation; `lost` against no ablation, in [0, 1].
    """

    tau: float | None
    table: pd.DataFrame = field(repr=False)


def find_tau(
    setup: MeasurementSetup,
    site: str,
    *,
    first: FirstPass | None = None,
    readout: Classifier | None = None,
    taus: Sequence[float] = TAUS,
    most_lost: float = MOST_LOST,
) -> TauChoice:
    """The highest τ up to which ablating the inactive units costs at most one percentage point.

    The loss is against the intact network, for every transformation, on the images as they are
    and transformed alike; the first τ of the grid that costs more ends the search. The rule says
    nothing of the active units: `ablation_accuracy` shows whether accuracy goes with them.

    Args:
        setup: what is shown (`make_setup`), with `site` among its sites.
        site: where units are ablated; the paper takes the penultimate layer.
        first: the scale of activity, where it is known already.
        readout: how the network's answer is read; by default from the deepest site.
        taus: the grid, rising.
        most_lost: the accuracy that may be lost, as a share of images.

    Raises:
        InputError: no classes, no network, or an unknown site.
    """
    first, readout = _prepare(setup, site, first, readout)
    intact = ablate(setup, site, tau_thresholds(setup, first, site, 0), NOTHING, readout)
    accuracy = intact["accuracy"].to_numpy(float)
    chosen, tables = None, []
    for tau in taus:
        at_tau = tau_thresholds(setup, first, site, tau)
        table = ablate(setup, site, at_tau, INACTIVE, readout)
        lost = accuracy - table["accuracy"].to_numpy(float)
        tables.append(table.assign(tau=tau, lost=lost))
        if lost.max() > most_lost + 1e-12:
            break
        chosen = tau
    return TauChoice(chosen, pd.concat(tables, ignore_index=True))


def ablation_accuracy(
    setup: MeasurementSetup,
    site: str,
    tau: float,
    *,
    top: Sequence[float] = (),
    first: FirstPass | None = None,
    readout: Classifier | None = None,
) -> pd.DataFrame:
    """Accuracy with nothing, the inactive or the active units of a site set to 0 (Figs. 7 and 8).

    Args:
        setup: what is shown (`make_setup`), with `site` among its sites.
        site: where units are ablated.
        tau: the threshold.
        top: k of Goodfellow et al.'s rule, whose thresholds are tried too; a share of less than
            one image is left out.
        first, readout: see `find_tau`.

    Returns:
        The rows of `ablate` with `threshold`: `tau 0.1`, `top 5 %`, …; empty for `nothing`.

    Raises:
        InputError: no classes, no network, or an unknown site.
    """
    first, readout = _prepare(setup, site, first, readout, top)
    at_tau = tau_thresholds(setup, first, site, tau)
    named = {f"tau {tau:g}": at_tau}
    for k in top:
        levels = top_thresholds(setup, first, site, k)
        if not any(bool(level.isnan().all()) for level in levels.values()):
            named[f"top {k:g} %"] = levels
    tables = [ablate(setup, site, at_tau, NOTHING, readout).assign(threshold="")]
    for name, thresholds in named.items():
        for which in (INACTIVE, ACTIVE):
            table = ablate(setup, site, thresholds, which, readout)
            tables.append(table.assign(threshold=name))
    return pd.concat(tables, ignore_index=True)


def _prepare(
    setup: MeasurementSetup,
    site: str,
    first: FirstPass | None,
    readout: Classifier | None,
    top: Sequence[float] = (),
) -> tuple[FirstPass, Classifier]:
    if site not in setup.sites:
        raise InputError(f"site {site!r} is not among those of the setup, {setup.sites}")
    if readout is None:
        readout = classifier(setup.subject, setup.images.classes)
    return first or first_pass(setup, top), readout
