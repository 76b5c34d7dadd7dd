"""How close does a search that asks people come to one that knows what they see?

Simulated participants with known thresholds judge candidates (`survey search`'s own loop, without a
browser); beside it the same search, told the true d′ of every candidate. Both fronts are measured
by their true d′: the area under stretch over d′ up to 2.

    python benchmarks/people_search.py [--seeds 4] [--out benchmarks/people_search.json]
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import invariscope as iv
from bench.machine import describe
from invariscope.subjects.rig.subject import SITE
from invariscope.survey.people_search import PeopleSearch, departure
from invariscope.survey.search_design import SearchDesign
from invariscope.survey.simulated_judges import SimulatedJudges, judge_search

WORST = 2.0  # d′: images beyond it are told apart
PATCHES = 12


def area(stretch: NDArray[np.float64], seen: NDArray[np.float64]) -> float:
    """The area of (stretch, WORST − d′) that a set dominates from (0, WORST)."""
    order = np.argsort(seen)
    total, best, last = 0.0, 0.0, 0.0
    for far, near in zip(stretch[order], seen[order], strict=True):
        if near >= WORST:
            break
        total += best * (near - last)
        best, last = max(best, float(far)), float(near)
    return total + best * (WORST - last)


def patches(images: Tensor) -> Tensor:
    """What a simulated participant sees: the mean colour of 12 × 12 patches."""
    return F.adaptive_avg_pool2d(images, PATCHES).flatten(1)


def true_front(search: PeopleSearch, judges: SimulatedJudges, codes: Tensor) -> float:
    images = search.generator.generate(codes)
    seen = judges.true_d_prime(images)
    site = next(iter(search._seen(images).values())).flatten(1)  # noqa: SLF001
    away = torch.linalg.vector_norm(site - search.planned.run.objective.site_reference, dim=1)
    return area(away.double().numpy(), seen)


def noise_free(search: PeopleSearch, judges: SimulatedJudges, generations: int) -> Tensor:
    """The codes of the front of the same search, told every candidate's true d′."""
    told = iv.Search(
        search.generator,
        [search.planned.run],
        strategy=search.design.search.strategy,
        population=search.design.search.population,
        stage=search.stage,
    )
    for _ in range(generations):
        images = told.ask().cpu()
        seen = torch.from_numpy(judges.true_d_prime(images)).float().unsqueeze(1)
        told.tell({**search._seen(images), SITE: seen})  # noqa: SLF001
    return told.interrupted()[0].front.codes


def once(values: dict[str, Any], seed: int, threshold: float) -> dict[str, Any]:
    values = {
        **values,
        "search": {**values["search"], "seed": seed, "reference": f"generated:{seed}"},
    }
    design = SearchDesign.model_validate(values)
    network, generator = iv.load_subject(design.search.network), iv.load_generator("embedded")
    reference = departure(design, generator, Path())
    own = patches(reference.image[None])
    judges = SimulatedJudges(
        lambda images: torch.linalg.vector_norm(patches(images) - own, dim=1).double().numpy(),
        threshold=threshold,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as place:
        search = PeopleSearch(design, network, generator, Path(place), reference=reference)
        judge_search(search, judges)
        search.close()
        generations = search._outcome.generations  # noqa: SLF001
        found = true_front(search, judges, search._front.codes)  # noqa: SLF001
        best = true_front(search, judges, noise_free(search, judges, generations))
        import pandas as pd  # noqa: PLC0415

        table = pd.read_parquet(search.folder / "held_back.parquet")
    return {
        "seed": seed,
        "judgements": search.book.given,
        "generations": generations,
        "area": found,
        "noise_free_area": best,
        "ratio": found / best,
        "members": table[["stretch", "difference", "low", "high", "holds"]].to_dict("records"),
    }


def as_markdown(found: dict[str, Any]) -> str:
    """The paragraph and table of the page."""
    asked, runs = found["design"], found["runs"]
    text = (
        f"Simulated participants who see the mean colour of 12 × 12 patches (a distance of "
        f"{found['threshold']:g} is d′ = 1, 2 % lapses, thresholds that differ by a fifth), "
        "stretch at "
        f"`{asked['search']['stretch']}` of `{asked['search']['network']}`, population "
        f"{asked['search']['population']}, {asked['people']['repeats']} judgements a candidate. "
        "The area under stretch over true d′ up to 2, beside the same search (generations, seed, "
        "strategy) that is told every true d′. Why the area is even larger was "
        "not looked into: errors change the order of candidates.\n\n"
    )
    head = "| reference | judgements | generations | area over that of the noise-free search |\n"
    rows = [
        f"| generated:{r['seed']} | {r['judgements']} | {r['generations']} | {r['ratio']:.2f} |\n"
        for r in runs
    ]
    return text + head + "| --- | ---: | ---: | ---: |\n" + "".join(rows)


DESIGN: dict[str, Any] = {
    "people": {"judgements": 3000, "repeats": 5},
    "search": {
        "network": "embedded:standard",
        "stretch": "layer3.0.conv1",
        "population": 16,
        "generations": 1000,
        "sigma": 0.1,
    },
}
THRESHOLD = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=DESIGN["people"]["repeats"])
    parser.add_argument("--population", type=int, default=DESIGN["search"]["population"])
    parser.add_argument("--measure", default="model")
    parser.add_argument("--strategy", default="isotropic")
    parser.add_argument("--sigma", type=float, default=DESIGN["search"]["sigma"])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    people = {**DESIGN["people"], "repeats": asked.repeats, "measure": asked.measure}
    values = {**DESIGN, "people": people}
    values["search"] = {
        **DESIGN["search"],
        "population": asked.population,
        "strategy": asked.strategy,
        "sigma": asked.sigma,
    }
    runs = [once(values, seed, THRESHOLD) for seed in range(asked.seeds)]
    ratios = [run["ratio"] for run in runs]
    found = {
        "design": values,
        "threshold": THRESHOLD,
        "ratio": {"mean": float(np.mean(ratios)), "least": min(ratios), "most": max(ratios)},
        "runs": runs,
        "machine": describe(torch.device("cpu")),
    }
    text = json.dumps(found, indent=1) + "\n"
    if asked.out:
        asked.out.write_text(text)
    print({k: found[k] for k in ("ratio",)}, [(r["judgements"], r["generations"]) for r in runs])


if __name__ == "__main__":
    main()
