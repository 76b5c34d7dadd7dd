"""How close does a search that asks people come to one that knows what they see?

Simulated participants with known thresholds judge candidates (`survey search`'s own loop, without a
browser). Beside it the same search, told the true d′ of every candidate. Fronts are measured by the
true d′ of their members: the area under stretch over d′ up to 2.

    python benchmarks/people_search.py choose   # settings, on reference 0 alone
    python benchmarks/people_search.py tell     # other references, with those settings

Each run is written as it ends, so that a run that was stopped goes on.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import invariscope as iv
from bench.machine import describe
from invariscope.analysis.intervals import mean_interval
from invariscope.subjects.rig.subject import SITE
from invariscope.survey.people_search import PeopleSearch, as_shown, departure
from invariscope.survey.search_design import SearchDesign
from invariscope.survey.simulated_judges import SimulatedJudges, judge_search

WORST = 2.0  # d′: images beyond it are told apart
PATCHES = 12
LONG = 200  # generations of the long noise-free search
ORDERS = ("squeeze", "crowding")  # inside a front: the paper's, and the lonelier first
CHOSEN_ON = 0
NEAR = 0.85  # of the noise-free area: the goal
# What was tried on reference 0: (judgements of a candidate, first step size, population).
SETTINGS = [(5, 0.1, 16), (3, 0.1, 16), (8, 0.1, 16), (5, 0.2, 16), (3, 0.2, 16)]


def patches(images: Tensor) -> Tensor:
    """Compute the mean colour of 12 × 12 patches: much like the descriptions of the model."""
    return F.adaptive_avg_pool2d(images, PATCHES).flatten(1)


def edges(images: Tensor) -> Tensor:
    """Compute the mean strength of edges in 12 × 12 patches, which no description tells."""
    light = F.avg_pool2d(images.mean(1, keepdim=True), 3, stride=1)
    across, down = light.diff(dim=3)[:, :, 1:], light.diff(dim=2)[..., 1:]
    return F.adaptive_avg_pool2d(torch.hypot(across, down), PATCHES).flatten(1)


# What participants see, and the distance that gives d′ = 1.
SEEN: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "patches": (patches, 1.0),
    "edges": (edges, 0.06),  # so that first candidates differ as much as by patches
}


def area(stretch: NDArray[np.float64], seen: NDArray[np.float64]) -> float:
    """Compute the area of (stretch, WORST − d′) that a set dominates from (0, WORST)."""
    order = np.argsort(seen)
    total, best, last = 0.0, 0.0, 0.0
    for far, near in zip(stretch[order], seen[order], strict=True):
        if near >= WORST:
            break
        total += best * (near - last)
        best, last = max(best, float(far)), float(near)
    return total + best * (WORST - last)


@dataclass
class Trial:
    """A search with simulated participants, and what is true of it.

    Attributes:
        search: that asks them.
        judges: they.
        visited: (stretch, true d′) of every candidate of a generation that was told.
    """

    search: PeopleSearch
    judges: SimulatedJudges
    visited: list[tuple[NDArray[np.float64], NDArray[np.float64]]]

    @classmethod
    def of(cls, setting: tuple[int, float, int], place: Path, **who: Any) -> "Trial":
        """Begin a search.

        Args:
            who: `reference`, `seed` and what participants `see`.
        """
        design = design_of(setting, who["reference"], who["seed"])
        generator = iv.load_generator(design.search.generator)
        reference = departure(design, generator, Path())
        see, threshold = SEEN[who["see"]]
        own = see(reference.image[None])
        judges = SimulatedJudges(
            lambda images: torch.linalg.vector_norm(see(images) - own, dim=1).double().numpy(),
            threshold=threshold,
            seed=who["seed"],
        )
        network = iv.load_subject(design.search.network)
        search = PeopleSearch(design, network, generator, place, reference=reference)
        found = cls(search, judges, [])
        search.say = lambda _: found.visited.append(found.truth(search.images))
        return found

    def truth(self, images: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute stretch and true d′ of images as they are shown."""
        site = next(iter(self.search._seen(images).values())).flatten(1)  # noqa: SLF001
        reference = self.search.planned.run.objective.site_reference
        assert reference is not None
        away = torch.linalg.vector_norm(site - reference, dim=1)
        return away.double().numpy(), self.judges.true_d_prime(images)

    def noise_free(self, generations: int, order: str) -> float:
        """Measure the front of the same search, told every candidate's true d′.

        Args:
            order: of candidates inside a front.
        """
        search, run = self.search, self.search.planned.run
        run = replace(run, objective=replace(run.objective, tie_break=order))
        told = iv.Search(
            search.generator,
            [run],
            strategy=search.design.search.strategy,
            population=search.design.search.population,
            stage=search.stage,
        )
        for _ in range(generations):
            images = as_shown(told.ask())
            seen = torch.from_numpy(self.judges.true_d_prime(images)).float().unsqueeze(1)
            told.tell({**search._seen(images), SITE: seen})  # noqa: SLF001
        front = told.interrupted()[0].front
        return area(*self.truth(search.pictures(front.codes)))


def design_of(setting: tuple[int, float, int], reference: int, seed: int) -> SearchDesign:
    """Write the design of a run."""
    repeats, sigma, population = setting
    return SearchDesign.model_validate(
        {
            "people": {"judgements": 3000, "repeats": repeats},
            "search": {
                "network": "embedded:standard",
                "stretch": "layer3.0.conv1",
                "population": population,
                "generations": 1000,
                "sigma": sigma,
                "seed": seed,
                "reference": f"generated:{reference}",
            },
        }
    )


def once(setting: tuple[int, float, int], **who: Any) -> dict[str, Any]:
    """Search once, and measure what was found."""
    with tempfile.TemporaryDirectory() as place:
        trial = Trial.of(setting, Path(place), **who)
        search = trial.search
        judge_search(search, trial.judges)
        search.close()
        table = pd.read_parquet(search.folder / "held_back.parquet")
    assert search._front is not None  # noqa: SLF001
    found = area(*trial.truth(search.pictures(search._front.codes)))  # noqa: SLF001
    stretch, seen = (np.concatenate(part) for part in zip(*trial.visited, strict=True))
    below = trial.truth(search.pictures(search.front_so_far().codes))[1]
    # The table has a row a member, in the order of the front that was judged again.
    holds = table["holds"].to_numpy(bool)
    generations = search.generation
    return {
        **who,
        "judgements": search.book.given,
        "generations": generations,
        "area": found,
        "visited": area(stretch, seen),
        "noise_free": {order: trial.noise_free(generations, order) for order in ORDERS},
        "claims": int(holds.sum()),
        "false_claims": int((holds & (below >= search.design.final.bound)).sum()),
    }


def save(found: dict[str, Any], out: Path) -> None:
    """Write what was measured so far."""
    found["machine"] = describe(torch.device("cpu"))
    out.write_text(json.dumps(found, indent=1) + "\n")


def choose(found: dict[str, Any], seeds: int, out: Path) -> None:
    """Try settings on reference 0; the largest mean area of what was found is chosen."""
    tried = found.setdefault("tried", [])
    for setting in SETTINGS:
        if any(row["setting"] == [*setting] for row in tried):
            continue
        who = {"reference": CHOSEN_ON, "see": "patches"}
        runs = [once(setting, seed=seed, **who) for seed in range(seeds)]
        tried.append(
            {
                "setting": [*setting],
                "area": float(np.mean([run["area"] for run in runs])),
                "runs": runs,
            }
        )
        print(setting, round(tried[-1]["area"], 2), flush=True)
        save(found, out)
    found["setting"] = max(tried, key=lambda row: row["area"])["setting"]
    save(found, out)


def long_search(setting: tuple[int, float, int], reference: int) -> dict[str, Any]:
    """Measure what a long noise-free search reaches, for each order inside a front."""
    who = {"reference": reference, "seed": 0, "see": "patches"}
    with tempfile.TemporaryDirectory() as place:
        trial = Trial.of(setting, Path(place), **who)
        trial.search.close()
        found = {order: trial.noise_free(LONG, order) for order in ORDERS}
    return {"reference": reference, "generations": LONG, **found}


def tell(found: dict[str, Any], references: int, seeds: int, out: Path) -> None:
    """Run the chosen setting on references that had no part in the choice."""
    runs, long = found.setdefault("runs", []), found.setdefault("long", [])
    every, half = range(1, references + 1), range(1, references // 2 + 1)
    for reference in half:
        if all(row["reference"] != reference for row in long):
            long.append(long_search(tuple(found["setting"]), reference))
            print(long[-1], flush=True)
            save(found, out)
    asked = [("edges", 0, one) for one in half]
    asked += [("patches", seed, one) for seed in range(seeds) for one in every]
    for see, seed, reference in asked:
        who = {"reference": reference, "seed": seed, "see": see}
        if any({k: run[k] for k in who} == who for run in runs):
            continue
        runs.append(once(tuple(found["setting"]), **who))
        print({k: runs[-1][k] for k in (*who, "area", "visited", "noise_free")}, flush=True)
        save(found, out)


def ratios(runs: list[dict[str, Any]], order: str) -> list[float]:
    """Divide what was found by the noise-free area, averaged over a reference's searches."""
    own: dict[int, list[float]] = {}
    for run in runs:
        own.setdefault(run["reference"], []).append(run["area"] / run["noise_free"][order])
    return [float(np.mean(values)) for values in own.values()]


def _summary(name: str, runs: list[dict[str, Any]]) -> str:
    """Write a row of the table of all references: mean ratios with intervals over references."""
    cells = []
    for order in ORDERS:
        middle, low, high = mean_interval(ratios(runs, order))
        span = f" [{low:.2f}, {high:.2f}]" if np.isfinite(low) else ""
        cells.append(f"{middle:.2f}{span}")
    references = len({run["reference"] for run in runs})
    claims, wrong = (sum(run[key] for run in runs) for key in ("claims", "false_claims"))
    return (
        f"| {name} | {references} | {len(runs)} | {cells[0]} | {cells[1]} | {wrong} of {claims} |\n"
    )


def as_markdown(found: dict[str, Any]) -> str:
    """Write the paragraph and the tables of the page."""
    repeats, sigma, population = found["setting"]
    runs = {see: [run for run in found["runs"] if run["see"] == see] for see in SEEN}
    tried = ", ".join(f"{row['area']:.1f}" for row in found["tried"])
    most = max(run["judgements"] for run in found["runs"])
    text = (
        "Simulated participants (2 % lapses, thresholds that differ by a fifth), stretch at "
        f"`layer3.0.conv1` of `embedded:standard`, at most {most} judgements. Settings were chosen "
        f"on `generated:{CHOSEN_ON}` alone, which is in no row below: of {len(found['tried'])} "
        f"tried, three searches each (mean areas {tried}), the largest was of {repeats} judgements "
        f"a candidate, first step {sigma:g}, population {population}. Mean ratio of what was found "
        "to the noise-free search of as many generations, 95 % intervals over references:\n\n"
    )
    table = (
        "| participants see | references | searches | order of the paper | lonelier first | "
        "claims “below the bound” that are false |\n| --- | ---: | ---: | ---: | ---: | ---: |\n"
    )
    names = {"patches": "mean colours of 12 × 12 patches", "edges": "edges in 12 × 12 patches"}
    table += "".join(_summary(names[see], own) for see, own in runs.items() if own)
    own = {order: ratios(runs["patches"], order) for order in ORDERS}
    below = [sum(value < NEAR for value in values) for values in own.values()]
    table += (
        f"\nOf the {len(own[ORDERS[0]])} references of the first row, {below[0]} lie below "
        f"{NEAR:g} of the search with the paper's order, {below[1]} below {NEAR:g} of the one that "
        "takes the lonelier first. Areas:\n"
    )
    head = (
        "\n| reference | generations | found | noise-free, paper's order | lonelier first | "
        f"{LONG} generations, paper's | lonelier first |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    long = {row["reference"]: row for row in found["long"]}
    references = sorted({run["reference"] for run in runs["patches"]})
    rows = [_reference(name, runs["patches"], long.get(name, {})) for name in references]
    return text + table + head + "".join(rows)


def _reference(reference: int, runs: list[dict[str, Any]], long: dict[str, Any]) -> str:
    """Write the areas of a reference, averaged over its searches."""
    own = [run for run in runs if run["reference"] == reference]
    same = [np.mean([run["noise_free"][order] for run in own]) for order in ORDERS]
    cells = [f"{np.mean([run['area'] for run in own]):.1f}", *(f"{area:.1f}" for area in same)]
    cells += [f"{long[order]:.1f}" if long else "–" for order in ORDERS]
    generations = np.mean([run["generations"] for run in own])
    return f"| generated:{reference} | {generations:.0f} | {' | '.join(cells)} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("choose", "tell"))
    parser.add_argument("--references", type=int, default=6)
    parser.add_argument("--seeds", type=int, help="by default 3 to choose, 2 to tell")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    asked = parser.parse_args()
    found = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    if asked.what == "choose":
        choose(found, asked.seeds or 3, asked.out)
    else:
        tell(found, asked.references, asked.seeds or 2, asked.out)


if __name__ == "__main__":
    main()
