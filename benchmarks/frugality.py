"""Images that twin search needs, beside `cma` and `isotropic` with 10 candidates (resumable).

    python benchmarks/frugality.py --out FOLDER [--device cuda] [--workers 12] [--seconds 450]

Eight units of `embedded:robust` × three seeds; invariance and silencing; noise 0 and 0.2 of the
unit's SD over natural images. Settings were chosen on half of the units, figures are of the other
half. `FOLDER/twin.json` is rewritten as trials end; a second call goes on. At the end, or with
`--write` alone, `benchmarks/twin.json` and its table in `benchmarks/README.md` are written.

A folder holds results of one generator, each with the machine that made it. What `frugality.json`
has of `cma` and `isotropic` counts where it is of the same generator, and is measured elsewhere.
"""

import argparse
import json
import math
import multiprocessing
import time
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bench.frugality import (
    POPULATION,
    UNNAMED,
    FrugalityBench,
    FrugalityTrial,
    check_generator,
    entrant,
    named,
)
from bench.gradient_limit import gradient_limit
from bench.machine import describe
from bench.needed import figures_of, last_mean
from first_run import fill
from invariscope.analysis.intervals import Interval, mean_interval
from invariscope.devices import pick_device
from invariscope.generators import Generator, load_generator
from invariscope.markup import markdown_table
from invariscope.memory import keep_freed_memory
from invariscope.plurals import number_of
from invariscope.search.strategies import Twin
from invariscope.store.files import replace_file
from invariscope.subjects import load_subject

SUBJECT = "embedded:robust"
TUNED = ["fc:3", "layer3.1.conv1:40", "fc:8", "layer4.1.conv2:100"]
TOLD = ["fc:0", "layer3.0.conv1:10", "fc:6", "layer4.0.conv1:50"]
UNITS = [*TOLD, *TUNED]
# Proxies of other architectures than the subject's, trained on the same photos.
TWINS = {
    "twin": Twin(proxy="embedded:plain-robust", scale=1.0),
    "twin on standard": Twin(proxy="embedded:standard", scale=1.0),
}
PROXIES = tuple(TWINS)
EXACT = "twin:10"  # where answers are exact: a settled front is gone on with by generations of 10
OTHERS = ("cma", "isotropic:10")
TABLED = (250, 500, 1000, 2000, 5000)
TASKS = ("invariance", "adversarial")
SAME = 0.02  # of two hypervolumes that differ by their rounding, or by a seed or two
LIMIT = "gradient"  # what the unit's own gradient reaches
# Of units where `cma` ends with less, a share says nothing, and a sum of shares would count what
# the others find there as theirs: they are left out, and the table says so.
FOUND = 0.02


@dataclass(frozen=True)
class Job:
    """One entrant on one unit."""

    name: str
    unit: str
    noise: float
    task: str
    images: int
    seed: int = 0


def jobs(scale: float, seeds: int, *, baseline: bool) -> list[Job]:
    """What is run, the most needed first; `scale` shortens runs for a trial of the script.

    Args:
        baseline: whether the invariance searches of `OTHERS` are known.
    """
    rounds = []
    for units in (TOLD, TUNED):
        one = [Job(EXACT, u, 0.0, "invariance", 5000) for u in units]
        noisy = 1000 if units is TOLD else 500
        one += [Job("twin", u, 0.2, "invariance", noisy) for u in units]
        one += [Job("twin", u, 0.0, "invariance", 1000) for u in units]
        for noise in (0.2, 0.0):
            for u in units:
                one += [Job("twin" if noise else EXACT, u, noise, "adversarial", 500)]
                one += [Job("cma", u, noise, "adversarial", 25_000)]
                one += [Job("isotropic:10", u, noise, "adversarial", 2000)]
        one += [Job(LIMIT, u, 0.0, task, 1) for task in TASKS for u in units]
        if units is TOLD:
            one += [Job("twin on standard", u, 0.2, "invariance", 500) for u in units]
            one += [Job("cma", u, 0.2, "invariance", 25_000) for u in units]
        if not baseline:
            noises = (0.0,) if units is TOLD else (0.0, 0.2)
            one += [Job("cma", u, sd, "invariance", 25_000) for sd in noises for u in units]
            one += [
                Job("isotropic:10", u, sd, "invariance", 5000) for sd in (0, 0.2) for u in units
            ]
        rounds.append(one)
    told, tuned = rounds
    found = [replace(job, seed=s) for jobs in (told, tuned) for s in range(seeds) for job in jobs]
    found = [job for job in found if job.name != LIMIT or job.seed == 0]
    # One seed of the longest searches, then whatever is shorter, then their other seeds; all of
    # the told units before the units tuned on.
    found.sort(key=_when)
    return [replace(job, images=max(250, int(job.images * scale))) for job in found]


def _when(job: Job) -> tuple[bool, bool]:
    long = _twin(job) is not None and job.images > TABLED[1]
    return job.unit in TUNED, job.seed > 0 and long


def work(queue: Any, out: Path, device: str, until: float) -> None:
    """Take jobs until there are none or the time is over; one that fails is told, and left out."""
    torch.set_num_threads(1)
    keep_freed_memory()
    place = pick_device(device)
    generator = load_generator("embedded:v1", place)
    bench = FrugalityBench(load_subject(SUBJECT, place), generator, out)
    while time.time() < until:
        job = queue.get()
        if job is None:
            return
        try:
            if job.name == LIMIT:
                keep_limit(bench, job, out)
            else:
                keep_trial(bench, job, out)
        except Exception as error:  # noqa: BLE001  (the other jobs still count)
            print(f"{job}: {type(error).__name__}: {error}", flush=True)


def keep_trial(bench: FrugalityBench, job: Job, out: Path) -> None:
    """Run an entrant on a unit, once."""
    began = time.time()
    strategy, population = _twin(job), int(job.name.partition(":")[2] or POPULATION)
    if strategy is None:
        strategy, population = entrant(job.name, bench.generator.code_statistics)
    trial = FrugalityTrial(
        strategy, job.unit, job.noise, job.images, (job.seed,), population, job.task
    )
    path = out / "results" / f"{trial.key}.json"
    if path.exists():
        return
    result = bench.run(trial) | {"entrant": job.name, "task": job.task}
    device = bench.generator.device
    result |= {"device": device.type, "machine": describe(device), "seconds": time.time() - began}
    path.parent.mkdir(exist_ok=True)
    replace_file(path, lambda part: part.write_text(json.dumps(result) + "\n"))


def _twin(job: Job) -> Twin | None:
    return TWINS.get(job.name.partition(":")[0])


def keep_limit(bench: FrugalityBench, job: Job, out: Path) -> None:
    """Measure what the unit's own gradient reaches, once."""
    path = out / "limits" / f"{job.unit.replace(':', '.')}-{job.task}.json"
    if not path.exists():
        result = {"unit": job.unit, "task": job.task, **gradient_limit(bench, job.unit, job.task)}
        path.parent.mkdir(exist_ok=True)
        replace_file(path, lambda part: part.write_text(json.dumps(result) + "\n"))


def summary(out: Path, baseline: dict[str, Any] | None) -> dict[str, Any]:
    """Figures of all trials that have ended, told and tuned units apart."""
    results = [json.loads(p.read_text()) for p in sorted((out / "results").glob("*.json"))]
    conditions = []
    limits = [json.loads(p.read_text()) for p in sorted((out / "limits").glob("*.json"))]
    for task in TASKS:
        for noise in (0.0, 0.2):
            own = [r for r in results if r["task"] == task and r["noise"] == noise]
            plain = joined([r for r in own if r["entrant"] == "cma"])
            ends = {r["unit"]: last_mean(r) for r in plain}
            if task == "invariance" and baseline:
                ends |= _ends(baseline, noise)
            rows = []
            for name, images in sorted({(r["entrant"], r["images"]) for r in own}):
                for half, units in (("told", TOLD), ("tuned", TUNED)):
                    there = [r for r in own if (r["entrant"], r["images"]) == (name, images)]
                    there = joined([r for r in there if r["unit"] in units])
                    if len(there) == len(units) and all(u in ends for u in units):
                        row = of_found(figures_of(name, noise, there, ends), there, ends)
                        row |= {"half": half, "seconds": [r["seconds"] for r in there]}
                        rows.append({**row, "seeds": [len(r["curves"]) for r in there]})
            conditions.append(
                {"task": task, "noise": noise, "ends": ends, "rows": rows, "fronts": described(own)}
            )
            if noise == 0:
                known = [r for r in limits if r["task"] == task and r["unit"] in ends]
                conditions[-1]["gradient"] = {
                    half: share
                    for half, units in (("told", TOLD), ("tuned", TUNED))
                    if (share := _limit(known, ends, units)) is not None
                }
    machines = [r["machine"] for r in results if "machine" in r]
    about = {"model": SUBJECT, "tuned": TUNED, "told": TOLD}
    about["devices"] = sorted({r.get("device", "cpu") for r in results})
    about["machines"] = [m for i, m in enumerate(machines) if m not in machines[:i]]
    return about | {"conditions": conditions}


def _limit(
    known: list[dict[str, Any]], ends: dict[str, float], units: list[str]
) -> dict[str, float] | None:
    """What the own gradient reaches, as a share of what `cma` has at 25,000 images."""
    reached = {r["unit"]: r["hypervolume"] for r in known}
    if not all(unit in reached for unit in units):
        return None
    share = sum(reached[u] for u in units) / sum(ends[u] for u in units)
    return {"share": round(share, 4), "images": known[0]["images"]}


def described(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How diverse and how extreme each entrant's last fronts are: means over told units and seeds.

    Of fronts with a member that keeps half (silencing: loses it). Each unit counts once, with the
    mean of its seeds.
    """
    rows = []
    words = ("members", "good", "saturation", "code_norm", "apart", "share")
    for name, images in sorted({(r["entrant"], r["images"]) for r in results}):
        fronts = pd.DataFrame(
            {"unit": r["unit"], **{word: end[word] for word in words}}
            for r in results
            if (r["entrant"], r["images"]) == (name, images) and r["unit"] in TOLD
            for end in r.get("fronts", {}).values()
            if end["good"]
        )
        if len(fronts):
            means = fronts.groupby("unit").mean()
            about = {"strategy": name, "images": images, "fronts": len(fronts)}
            about["units"] = sorted(means.index)
            rows.append(about | means.mean().round(3).to_dict())
    return rows


def side_by_side(results: list[dict[str, Any]], generator: Generator) -> list[dict[str, Any]]:
    """Compare the images that twins of two proxies end with: does the answer depend on the proxy?

    Of invariance searches under noise, the farthest member that keeps half.

    Returns:
        For two searches of one unit with the same proxy and another seed, and with the other
        proxy: the mean pixel distance of the two images, over pairs and over units.
    """
    images: dict[str, dict[tuple[str, str], Tensor]] = {}
    for r in results:
        alike = r["task"] == "invariance" and r["noise"] > 0 and r["images"] == TABLED[1]
        if alike and r["entrant"] in PROXIES:
            for seed, end in r["fronts"].items():
                if end["farthest"] and r["unit"] in TOLD:
                    code = torch.tensor([end["farthest"]])
                    image = generator.generate(code)[0]
                    images.setdefault(r["entrant"], {})[r["unit"], seed] = image
    rows = []
    for first, second in combinations_with_replacement(PROXIES, 2):
        apart: dict[str, list[float]] = {}
        for (unit, seed), image in images.get(first, {}).items():
            for (other, another), beside in images.get(second, {}).items():
                if unit == other and (seed < another or first != second):
                    apart.setdefault(unit, []).append(float((image - beside).norm()))
        if apart:
            mean = sum(sum(own) / len(own) for own in apart.values()) / len(apart)
            pairs = sum(map(len, apart.values()))
            rows.append({"proxies": [first, second], "pairs": pairs, "units": len(apart)})
            rows[-1]["distance"] = round(mean, 1)
    return rows


def fronts_as_markdown(figures: dict[str, Any]) -> str:
    """Make the tables of how diverse and extreme fronts are, and of two proxies side by side."""
    lines = []
    for condition in figures["conditions"]:
        for row in condition["fronts"]:
            cells = [condition["task"], f"{condition['noise']:g}", f"`{row['strategy']}`"]
            cells += [f"{row['images']:,}", f"{row['fronts']} of {len(row['units'])}"]
            cells += [f"{row[word]:.0f}" for word in ("members", "good")]
            cells += [f"{100 * row[word]:.0f} %" for word in ("share", "saturation")]
            lines.append([*cells, *(f"{row[word]:.0f}" for word in ("code_norm", "apart"))])
    heads = ["search", "noise", "strategy", "images", "fronts of told units", "members"]
    heads += ["of them good"]
    heads += ["farthest (nearest), of the possible", "values at 0 or 1", "code norm", "apart"]
    text = markdown_table(heads, lines)
    pairs = [
        [
            "two seeds" if row["proxies"][0] == row["proxies"][1] else "two proxies",
            " and ".join(f"`{name}`" for name in dict.fromkeys(row["proxies"])),
            f"{row['pairs']} of {number_of(row['units'], 'unit')}",
            f"{row['distance']:.0f}",
        ]
        for row in figures["proxies"]
    ]
    heads = ["farthest images of", "strategies", "pairs", "pixel distance"]
    return text + ("\n\n" + markdown_table(heads, pairs) if pairs else "") + "\n"


def joined(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Trials of one entrant with the curves of all seeds of a unit; seconds are means."""
    units: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        units.setdefault(result["unit"], []).append(result)
    return [
        own[0]
        | {"curves": {seed: curve for r in own for seed, curve in r["curves"].items()}}
        | {"seconds": sum(r["seconds"] for r in own) / len(own)}
        for own in units.values()
    ]


def as_markdown(figures: dict[str, Any], baseline: dict[str, Any] | None) -> str:
    """Make the table: images needed, and shares of what `cma` has at 25,000, told and tuned."""
    lines = []
    for condition in figures["conditions"]:
        rows = condition["rows"]
        if condition["task"] == "invariance" and baseline:
            rows = [r for r in rows if r["strategy"].startswith("twin")]
            (own,) = (c for c in baseline["conditions"] if c["noise"] == condition["noise"])
            for part, half in (("rows", "told"), ("tried", "tuned")):
                known = [r for r in own[part] if r["strategy"] in OTHERS]
                rows += [
                    of_found(r, as_trials(r), condition["ends"]) | {"half": half} for r in known
                ]
        rows = sorted(rows, key=lambda r: -r["images"][-1])
        for name in sorted(
            {r["strategy"] for r in rows}, key=lambda n: (not n.startswith("twin"), n)
        ):
            every, tried = (
                [r for r in rows if (r["strategy"], r["half"]) == (name, half)]
                for half in ("told", "tuned")
            )
            for k, told in enumerate(every):  # shorter runs may be of more seeds
                tuned = tried[0] if tried and not k else None
                mark = " †" if told.get("earlier") else ""
                cells = [condition["task"], f"{condition['noise']:g}", f"`{name}`{mark}"]
                cells += [_counted(told, tuned), _seeds(told, baseline), _needed(told)]
                ends = condition["ends"]
                lines.append([*cells, *_shares(told, ends), *_shares(tuned, ends)])
    heads = ["search", "noise", "strategy", "units, told and tuned on", "seeds, told"]
    heads += ["images needed"]
    heads += [f"told: {n:,}" for n in TABLED] + [f"tuned on: {n:,}" for n in TABLED]
    return markdown_table(heads, lines) + "\n"


def of_found(
    row: dict[str, Any], trials: list[dict[str, Any]], ends: dict[str, float]
) -> dict[str, Any]:
    """A row again, of the units for which `cma` ends with a front.

    Args:
        row: of all units; its images needed are kept as `needed_of_all`.
        trials: of the row.
        ends: what `cma` has of each unit at its end.

    Returns:
        The row, with the last hypervolume of each unit that does not count (`left_out`).
    """
    known = [trial for trial in trials if ends[trial["unit"]] >= FOUND]
    left = {t["unit"]: round(last_mean(t), 4) for t in trials if ends[t["unit"]] < FOUND}
    before = {"left_out": left, "needed_of_all": row["needed"]}
    kept = {name: row.get(name) or value for name, value in before.items()}
    return row | figures_of(row["strategy"], 0.0, known, ends) | kept


def as_trials(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The mean curves of a stored row as trials of one seed."""
    return [
        {"unit": unit, "curves": {"mean": list(zip(row["images"], curve, strict=True))}}
        for unit, curve in row["units"].items()
    ]


def _counted(told: dict[str, Any], tuned: dict[str, Any] | None) -> str:
    """How many units of each half count."""
    halves = [len(half["units"]) for half in (told, tuned) if half and half["share"] is not None]
    return " and ".join(map(str, halves))


def _seeds(row: dict[str, Any], baseline: dict[str, Any] | None) -> str:
    """How many seeds each told unit has: those of `frugality.json` for its rows."""
    counts = row.get("seeds") or [(baseline or {}).get("seeds", 1)]
    few, most = min(counts), max(counts)
    return str(most) if few == most else f"{few} to {most}"


def _needed(row: dict[str, Any]) -> str:
    images = row["needed"]["images"]
    if row["strategy"] == "cma":  # by definition
        return f"{row['images'][-1]:,}"
    low, high = (row["needed"][end] for end in ("low", "high"))
    most = f"more than {row['images'][-1]:,}"
    if images is None:
        return most if low is None else f"{most} [{low:,.0f}, –]"
    first = "at most " if images <= row["images"][0] else ""
    return f"{first}{images:,.0f} [{low:,.0f}, {'–' if high is None else f'{high:,.0f}'}]"


def _shares(row: dict[str, Any] | None, ends: dict[str, float]) -> list[str]:
    """Write the share of the sums over units at each number of images, with its interval."""
    if row is None or row["share"] is None:
        return ["–"] * len(TABLED)
    mark = " †" if row.get("earlier") else ""
    cells = []
    for n in TABLED:
        found = share_at(row, ends, n)
        if found is None:
            cells.append("–")
            continue
        share, low, high = (100 * end for end in found)
        known = f" [{low:.0f}, {high:.0f}]" if math.isfinite(low) else ""
        cells.append(f"{share:.0f} %{known}{mark}")
    return cells


def share_at(row: dict[str, Any], ends: dict[str, float], images: int) -> Interval | None:
    """The share of the sums after so many images, with a 95 % interval; None if not shown.

    The interval is Student's over what each unit has beyond its part of the share; what `cma` ends
    with is taken as known. A unit's curve is the mean of its seeds.
    """
    if images not in row["images"]:
        return None
    place, units = row["images"].index(images), sorted(row["units"])
    own, of_cma = (
        np.array(values)
        for values in ([row["units"][u][place] for u in units], [ends[u] for u in units])
    )
    share = own.sum() / of_cma.sum()
    return mean_interval(share + (own - share * of_cma) / of_cma.mean())


def write(out: Path) -> None:
    """Write the figures so far, and their table, where the benchmarks keep them."""
    here = Path(__file__).parent
    figures = json.loads((out / "twin.json").read_text())
    results = [json.loads(p.read_text()) for p in sorted((out / "results").glob("*.json"))]
    figures["proxies"] = side_by_side(results, load_generator("embedded:v1"))
    baseline = of_generator(here / "frugality.json", figures["generator"])
    if stored := of_generator(here / "twin.json", figures["generator"]):
        with_earlier(figures, stored)
    (here / "twin.json").write_text(json.dumps(figures, indent=1) + "\n")
    page = here / "README.md"
    text = fill(page.read_text(), "twin.json", as_markdown(figures, baseline))
    page.write_text(fill(text, "twin.json fronts", fronts_as_markdown(figures)))


def of_generator(path: Path, generator: dict[str, Any]) -> dict[str, Any] | None:
    """Read stored figures; None where there are none, or they are of another generator."""
    figures = json.loads(path.read_text()) if path.exists() else {}
    return figures if figures and figures.get("generator", UNNAMED) == generator else None


def with_earlier(figures: dict[str, Any], stored: dict[str, Any]) -> None:
    """Add stored rows of what the folder has not measured; these are of an earlier build.

    Shares of another `cma` are left out.
    """
    for condition in figures["conditions"]:
        known = {(row["strategy"], row["half"]) for row in condition["rows"]}
        for before in stored["conditions"]:
            alike = (before["task"], before["noise"]) == (condition["task"], condition["noise"])
            if alike and _same_ends(before["ends"], condition["ends"]):
                condition["rows"] += [
                    of_found(row, as_trials(row), condition["ends"]) | {"earlier": True}
                    for row in before["rows"]
                    if (row["strategy"], row["half"]) not in known
                ]


def _same_ends(before: dict[str, float], now: dict[str, float]) -> bool:
    """Whether two builds' shares are of the same: of what `cma` has of the told units."""
    return all(u in before and u in now and abs(before[u] - now[u]) < SAME for u in TOLD)


def _ends(baseline: dict[str, Any], noise: float) -> dict[str, float]:
    """What `cma` has of each unit at its end in `frugality.json`."""
    (own,) = (c for c in baseline["conditions"] if c["noise"] == noise)
    rows = [r for part in ("tried", "rows") for r in own[part] if r["strategy"] == "cma"]
    return {unit: curve[-1] for row in rows for unit, curve in row["units"].items()}


def main() -> None:
    """Run what is left, and keep the figures as they come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--longest-first", action="store_true", help="twins of 5,000 images first")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if asked.write:
        write(asked.out)
        return
    (asked.out / "results").mkdir(parents=True, exist_ok=True)
    generator = load_generator("embedded:v1")
    for path in sorted((asked.out / "results").glob("*.json")):
        check_generator(json.loads(path.read_text()), path, generator)
    baseline = of_generator(Path(__file__).with_name("frugality.json"), named(generator))
    context = multiprocessing.get_context("spawn")
    queue, until = context.Queue(), time.time() + asked.seconds
    planned = jobs(asked.scale, asked.seeds, baseline=baseline is not None)
    if asked.longest_first:
        planned.sort(key=lambda job: job.images if _twin(job) else 0, reverse=True)
    for job in [*planned, *[None] * asked.workers]:
        queue.put(job)
    words = (queue, asked.out, asked.device, until)
    workers = [context.Process(target=work, args=words) for _ in range(asked.workers)]
    for worker in workers:
        worker.start()
    command = f"python benchmarks/frugality.py --out FOLDER --seeds {asked.seeds}"
    command += f" --scale {asked.scale} --workers {asked.workers} --device {asked.device}"
    while True:
        alive = any(worker.is_alive() for worker in workers)
        figures = {"command": command} | summary(asked.out, baseline)
        figures |= {"seeds": asked.seeds, "generator": named(generator)}
        text = json.dumps(figures, indent=1) + "\n"
        replace_file(asked.out / "twin.json", lambda part, t=text: part.write_text(t))
        if not alive or time.time() > until + 20:
            break
        time.sleep(10)
    for worker in workers:
        worker.terminate()
    queue.cancel_join_thread()
    write(asked.out)


if __name__ == "__main__":
    main()
