"""Questions that the paper leaves open: other strengths, pairs of transformations, recurrence."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from invariscope.paper.claim import Claim
from invariscope.paper.measured_study import (
    BySeed,
    MeasuredStudy,
    base_name,
    each,
    finding,
    mean_of,
    pair_parts,
)

OPEN = "open question"
HALF = 0.5
RECURRENT = "recurrent"
NO_TWIN = (
    "needs a study of network 'recurrent' with steps = 1, and the same study with more steps, "
    "given as --beside"
)


def _open(statement: str, name: str, values: BySeed, lacks: str) -> Claim:
    """Judge an open question about one number of each seed."""
    own = finding(0, statement, name, values, above=0, lacks=lacks)
    return replace(own, source=OPEN)


def _other_strengths(s: MeasuredStudy) -> list[tuple[str, str]]:
    """Pair each transformation with further strengths of the same kind that were tested."""
    return [
        (t, u)
        for t in s.single
        for u in s.tested()
        if t != u and not pair_parts(u) and base_name(t) == base_name(u)
    ]


def other_strengths(s: MeasuredStudy) -> Iterator[Claim]:
    """Judge if robustness reaches strengths outside the trained strength."""
    yield each(
        OPEN,
        "Robustness reaches other strengths: training with a transformation gains under each other "
        "strength at least half of what it gains under its own",
        {
            f"accuracy that {t} gains under {u}, less half of that under its own": s.gain(t, u)
            - HALF * s.gain(t, t)
            for t, u in _other_strengths(s)
        },
        "needs further strengths of a trained transformation in `tested`",
        above=0,
    )


def pairs(s: MeasuredStudy) -> Iterator[Claim]:
    """Ask whether training with two transformations at once and with each alone carry over."""
    both = [(t, part) for t in s.names for part in pair_parts(t) if part in s.names]
    lacks = "needs networks trained with a pair of transformations and with each alone"
    yield each(
        OPEN,
        "Training with two transformations at once gains under each alone at least half of what "
        "training with that one gains",
        {
            f"accuracy that {t} gains under {part}, less half of what {part} gains": s.gain(t, part)
            - HALF * s.gain(part, part)
            for t, part in both
        },
        lacks,
        above=0,
    )
    yield each(
        OPEN,
        "Training with either of two transformations gains less than half under both at once of "
        "what training with both gains",
        {
            f"half of what {t} gains under both, less what {part} gains": HALF * s.gain(t, t)
            - s.gain(part, t)
            for t, part in both
        },
        lacks,
        above=0,
    )


def _steps(s: MeasuredStudy) -> int | None:
    """Read how often the recurrent network applies its convolution; None for other networks."""
    plan = s.tables.plan
    return int(plan["options"]["steps"]) if plan.get("network") == RECURRENT else None


def recurrence(s: MeasuredStudy, other: MeasuredStudy | None) -> Iterator[Claim]:
    """Compare a feed-forward network with its recurrent twin, seed by seed."""
    first, second = _steps(s), _steps(other) if other else None
    twin = other if first == 1 and second is not None and second > 1 else None
    names = [t for t in s.names if twin and t in twin.names]
    counts = [c for c in s.partial if twin and c in twin.partial]

    def more(measure: Callable[[MeasuredStudy, Any], BySeed], over: Sequence[Any]) -> BySeed:
        return mean_of([measure(twin, item) - measure(s, item) for item in over] if twin else [])

    across = more(lambda study, count: study.beside("across", names, count), counts)
    units = more(lambda study, t: study.invariance(t, study.all, t), names)
    strengths = [(t, u) for t, u in _other_strengths(s) if t in names]
    far = more(lambda study, both: study.gain(*both), strengths)
    for statement, name, values in (
        ("across-category accuracy is higher than a feed-forward twin's", "accuracy", across),
        ("units are more invariant than a feed-forward twin's (all seen)", "mean I_k", units),
        ("gain under other strengths is higher than a feed-forward twin's", "accuracy gained", far),
    ):
        yield _open(
            f"Recurrence, of the same weights: {statement}",
            f"{name} of the recurrent network, less that of its twin",
            values,
            NO_TWIN,
        )
