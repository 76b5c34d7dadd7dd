"""Analysis of the same goals by gradients, at the searches' budget and stop (row 12)."""

import numpy as np
import pandas as pd

from invariscope.analysis.gradients import SPACES, GradientGoal, GradientRun, gradient_search
from invariscope.analysis.grouping import Rows, groups_by, mean_sd, of_units, rows_where
from invariscope.errors import InputError
from invariscope.experiments.front_choice import choose, meets_bound
from invariscope.search.stopping import ActivationShare, Never, StoppingRule
from invariscope.store.record import RunRecord
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.analyses.recognition import Tables
from invariscope.subjects import PIXELS, Subject
from invariscope.units import parse_target

GRADIENT_UNITS = 5  # of each subject: gradients cost more than all the other analyses together
SEARCH = "without gradients"
COMPARED = ("pixel_distance", "reduction", "forward")
METHODS = {space: f"gradients on {space}" for space in SPACES}


def make_gradients(m: AnalysisMaterial) -> Tables:
    """Search by gradients as often as a run of the study, for a few units stretched at pixels."""
    rows = rows_where(m.whole, m.whole["site"] == PIXELS)
    if not len(rows):
        raise InputError("the study has no runs at pixels to set gradients beside")
    rows = rows.drop_duplicates(["subject", "task", "unit"])
    parts = []
    for name, subject, own in m.by_subject(rows):
        units = list(dict.fromkeys(own["unit"]))[:GRADIENT_UNITS]
        chosen = rows_where(own, own["unit"].isin(units))
        for _, row in groups_by(chosen, ["task", "unit"]):
            (record,) = m.records(row)
            found = _searched(record) | _by_gradients(m, subject, row, record)
            about = row[["task", "unit"]].to_dict("records")[0]
            parts += [{"subject": name, **about, "method": k, **v} for k, v in found.items()]
    table: Rows = pd.DataFrame(parts)
    return {
        "gradients": _summary(table),
        "gradients_beside": beside_search(table),
        "gradients_runs": table,
    }


def _searched(record: RunRecord) -> dict[str, dict[str, float]]:
    """Put the study's own run into the columns of a gradient search."""
    counts = {name: record.outcome[name] for name in ("generations", "images")}
    stopped = record.outcome["status"] == "stopped"
    about = {"generations": counts["generations"], "converged": stopped}
    about |= {"forward": counts["images"], "backward": 0}
    return {SEARCH: about | _member(record.front, record)}


def _by_gradients(
    m: AnalysisMaterial, subject: Subject, row: Rows, record: RunRecord
) -> dict[str, dict[str, float]]:
    """Search in each space with the run's population, generations, stopping rule and seed."""
    settings, found = record.settings, {}
    for space, method in METHODS.items():
        run = gradient_search(
            subject,
            GradientGoal(target=parse_target(settings.unit, subject.sites()), task=settings.task),
            record.tensors["reference_image"],
            space=space,
            generator=m.generator(row),
            code=record.tensors.get("reference_code"),
            starts=settings.population,
            steps=settings.generations,
            stop=rule_of(settings.stop),
            seed=settings.seed,
        )
        found[method] = _counts(run) | _member(run.front, record)
    return found


def _counts(run: GradientRun) -> dict[str, float]:
    names = ("generations", "converged", "forward", "backward")
    return {name: getattr(run, name) for name in names}


def rule_of(described: dict[str, object]) -> StoppingRule:
    """Restore the stopping rule of a run from its description.

    Raises:
        InputError: a rule that a gradient search cannot keep to, such as a twin's.
    """
    known = {name: value for name, value in described.items() if name != "rule"}
    if described["rule"] == "never":
        return Never()
    if described["rule"] != "share":
        raise InputError(
            f"gradients keep to the stopping rule of the run beside, and rule "
            f"{described['rule']!r} is not of candidates; expected searches without a twin"
        )
    return ActivationShare(**known)  # pyright: ignore[reportArgumentType]


def _member(front: pd.DataFrame, record: RunRecord) -> dict[str, float]:
    """Choose the member of a front by the run's own rule, and measure the choice."""
    row = choose(front, record.settings, "kept")
    reference = float(record.tensors["reference_activity"].mean())
    values = {name: float(front[name].iloc[row]) for name in ("stretch", "squeeze", "activation")}
    lost = 100 * (1 - values["activation"] / reference) if reference > 0 else np.nan
    met = bool(meets_bound(front, record.settings.milestone)[row])
    away = float(front["pixel_distance"].iloc[row])
    return {**values, "pixel_distance": away, "reduction": lost, "met": met}


def _summary(table: Rows) -> pd.DataFrame:
    """Average each method over units."""
    rows = []
    for key, own in groups_by(table, ["subject", "task", "method"]):
        units = of_units(own, ["met", "converged", *COMPARED, "backward"])
        shares = {name: float(units[name].mean()) for name in ("met", "converged")}
        means = mean_sd(units, [*COMPARED, "backward"])
        rows.append({**key, "units": len(units), **shares, **means})
    return pd.DataFrame(rows)


def beside_search(table: Rows) -> pd.DataFrame:
    """Set each gradient search beside the run of its unit.

    Args:
        table: one row a `subject`, `task`, `unit` and `method`, with `met` (whether the chosen
            member is beyond the natural bound), `pixel_distance`, `reduction` and `forward`.

    Returns:
        One row a subject, task and space (`method`): `units`, `compared` (those where both methods
        have a member beyond the bound), and the means over these, with `_sd`, of `ratio` (the
        distance of the search's member over that of the gradients'), `more_lost` (its loss less
        theirs, percent points) and `images` (those that it showed over those that they showed).
    """
    rows = []
    for key, own in groups_by(table, ["subject", "task"]):
        methods = {
            name["method"]: some.set_index("unit") for name, some in groups_by(own, ["method"])
        }
        search = methods.pop(SEARCH)
        for method, other in methods.items():
            both = search.index[(search["met"] & other["met"].reindex(search.index)).astype(bool)]
            one, two = search.loc[both], other.loc[both]
            paired = pd.DataFrame(
                {
                    "ratio": one["pixel_distance"] / two["pixel_distance"],
                    "more_lost": one["reduction"] - two["reduction"],
                    "images": one["forward"] / two["forward"],
                }
            )
            counts = {"units": len(search), "compared": len(both)}
            rows.append({**key, "method": method, **counts, **mean_sd(paired, list(paired))})
    return pd.DataFrame(rows)
