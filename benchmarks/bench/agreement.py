"""Whether bf16 ranks candidates as float32 does, early, midway and late in searches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from torch import Tensor

from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.mei import find_mei
from invariscope.experiments.plan import Planned, SearchOptions, plan
from invariscope.generators.base import Generator
from invariscope.markup import markdown_table
from invariscope.search.objectives import Objective
from invariscope.search.precision import SMALLEST_TAU, rank_correlation
from invariscope.search.search import SMALLEST_CHUNK, Search
from invariscope.subjects.base import Subject

TASKS = ("invariance", "adversarial")


def rank_agreement(
    subject: Subject,
    generator: Generator,
    units: Sequence[str],
    sites: Sequence[str],
    *,
    generations: int = 200,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Kendall τ between float32 and bf16 for whole generations of float32 searches.

    Args:
        units: to search for; each departs from its MEI, found in as many generations.
        sites: stretch sites.
        generations: of each search; the first, the middle and the last are compared.

    Returns:
        One row a run and generation: unit, site, task, generation, and τ of stretch and of
        activity over the candidates.
    """
    options = SearchOptions(generations=generations, stop=False, precision="float32")
    evaluator = Evaluator(subject, generator, options, max(SMALLEST_CHUNK, options.population))
    rows: list[dict[str, Any]] = []
    for unit in units:
        say(unit)
        reference = find_mei(subject, generator, unit, options=options)
        planned = [
            plan(
                subject,
                generator,
                unit,
                task=task,
                site=site,
                reference=reference,
                options=options,
            )[0]
            for task in TASKS
            for site in sites
        ]
        rows += _of_runs(evaluator, planned)
    return rows


def _of_runs(evaluator: Evaluator, planned: Sequence[Planned]) -> list[dict[str, Any]]:
    exact = [evaluator.objective(p, "float32") for p in planned]
    fast = [evaluator.objective(p, "bf16") for p in planned]
    search = Search(
        evaluator.generator,
        [replace(p.run, objective=o) for p, o in zip(planned, exact, strict=True)],
        strategy=evaluator.options.strategy,
        chunk=evaluator.chunk,
    )
    last = evaluator.options.budget
    rows: list[dict[str, Any]] = []
    for generation in range(1, last + 1):
        if generation in {1, (last + 1) // 2, last}:
            for p, codes, *objectives in zip(planned, search.ask_codes(), exact, fast, strict=True):
                s = p.settings
                where = {"unit": s.unit, "site": s.site, "task": s.task, "generation": generation}
                rows.append({**where, **_taus(evaluator, codes, objectives)})
        search.step(evaluator.subject)
    return rows


def _taus(evaluator: Evaluator, codes: Tensor, objectives: Sequence[Objective]) -> dict[str, float]:
    exact, fast = (
        evaluator.measure(codes, objective, precision)
        for objective, precision in zip(objectives, ("float32", "bf16"), strict=True)
    )
    return {
        "tau_stretch": rank_correlation(exact[:, [0]], fast[:, [0]]),
        "tau_activity": rank_correlation(exact[:, [2]], fast[:, [2]]),
    }


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """For each task and generation: τ over units and sites, and how many searches rank alike."""
    heads = ["task", "generation", "τ of stretch: least, median", "of activity", "alike"]
    lines = []
    for task in TASKS:
        for generation in sorted({row["generation"] for row in rows}):
            own = [r for r in rows if (r["task"], r["generation"]) == (task, generation)]
            taus = [[r[f"tau_{what}"] for r in own] for what in ("stretch", "activity")]
            cells = [f"{min(values):.3f}, {median(values):.3f}" for values in taus]
            alike = sum(min(pair) >= SMALLEST_TAU for pair in zip(*taus, strict=True))
            lines.append([task, generation, *cells, f"{alike} of {len(own)}"])
    return markdown_table(heads, lines, ("---", "---:", "---")) + "\n"
