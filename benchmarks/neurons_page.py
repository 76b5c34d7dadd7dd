"""`docs/neurons.md` and its galleries, from `neurons.json` and `neurons_plan.json`.

    python benchmarks/neurons_page.py [PLAN SESSION]

keeps what the page's own example left, the folders of `rig plan` and `rig serve`, and writes the page; without these,
writes the page of what is there.
"""
# ruff: noqa: E501, ISC004  (texts of a page)

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from invariscope.analysis.acceptance import OVER_CHANCE, OWN_OVER_OTHERS
from invariscope.paper.claim import Claim, Evidence

ROOT = Path(__file__).resolve().parent.parent

CONDITIONS = {
    "pixels": "pixels",
    "fixed contrast": "pixels, mean luminance and contrast fixed",
    "deep": "the second layer",
    "silencing": "silencing, pixels",
}
SHOWN, WIDE, GAP = 10, 11, 4  # images of a gallery, of a line of all, pixels between them
GALLERIES = {
    "far": ("pixels.png", "fixed_contrast.png"),
    "other": ("deep.png", "silencing.png"),
}
LEAST = 1.0  # distance of an affine copy; below, no copy loses as little as the image
ENOUGH = 0.8  # of the noise-free front
HELD_BACK_REPEATS = 30  # of a session file that does not say otherwise


def render(
    figures: dict[str, Any],
    plan: dict[str, Any] | None = None,
    beside: dict[str, Any] | None = None,
) -> str:
    """The page's text.

    Args:
        plan: what `rig plan` found of the session that the page shows; None: not run.
        beside: `v4_readouts.json`, other networks of the same neurons; None: not run.
    """
    rows = figures["rows"]
    watched = ", ".join(map(str, figures["watched"]))
    parts = [
        INTRODUCTION.format(**{**figures, "watched": watched}),
        _importer(figures),
        _excitation(figures),
    ]
    if any(name in rows for name in CONDITIONS):
        parts.append(_searches(figures))
    if "transformations" in rows:
        parts.append(_transformations(rows["transformations"]))
    if "noisy twin" in rows:
        parts.append(_twin(figures))
    if "noisy" in rows:
        parts.append(_noise(figures))
    known = {**CONDITIONS, "transformations": "the twelve transformations", "noisy": "noise"}
    known["noisy twin"] = "a twin under noise"
    if missing := [words for name, words in known.items() if name not in rows]:
        parts.append(f"*Not run yet: {'; '.join(missing)}.*")
    if beside and beside.get("acceptance"):
        parts.append(acceptance(beside, figures))
    if plan:
        parts.append(before(plan))
    return "\n\n".join([*parts, COMMANDS]) + "\n"


def _importer(figures: dict[str, Any]) -> str:
    worst = max(figures["importer"].values())
    return (
        f"The importer's means of both sessions ({' and '.join(figures['importer'])}, the second "
        f"from single trials) differ from the published arrays by at most {worst:.1g} spikes."
    )


def _excitation(figures: dict[str, Any]) -> str:
    rows, found = figures["rows"]["excitation"], figures["excitation"]
    every, others = found["all"], found["not watched"]
    lines = [
        "## The most exciting image beside the best photo",
        f"For {every['above']} of {every['neurons']} model neurons the most exciting image of "
        f"{figures['mei_search']['images']:,} generated ones is above the best of "
        f"{figures['photos']:,} photos; the median ratio is {every['ratio']:.2f}. Without the "
        f"neurons on which the search was chosen: {others['above']} of {others['neurons']}, ratio "
        f"{others['ratio']:.2f}. Strategy `{figures['mei_search']['strategy']}`, one seed; spikes/s "
        "as the network says, scaled to its neuron by least squares over the photos. *r* is the "
        "correlation of network and neuron over the same photos, those of its fit included; mean, "
        "SD, 95th percentile and best are the network's natural statistics over the photos.",
        "| neuron | *r* | mean | SD | 95 % | best photo | MEI | ratio |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        + "\n".join(
            f"| {row['neuron']} | {row['correlation']:.2f} | {row['photos_mean']:.0f} | "
            f"{row['photos_sd']:.1f} | {row['photos_p95']:.0f} | {row['best_photo']:.0f} | "
            f"{row['mei']:.0f} | {row['mei'] / row['best_photo']:.2f} |"
            for row in rows
        ),
        "![Most exciting images, one a neuron](images/neurons_mei.jpg)",
    ]
    return "\n\n".join(lines)


def _searches(figures: dict[str, Any]) -> str:
    levels, search = figures["levels"], figures["search"]
    lines = [
        "## Images that a neuron cannot tell from its most exciting one",
        f"One search of {search['images']:,} images a neuron from its MEI (at fixed contrast: from the "
        f"MEI's code under the constraints), `{search['strategy']}`; for silencing images "
        f"`{figures['silencing_search']['strategy']}`, which went further down than the others that were "
        "tried on neuron 1. Of as many neurons as the column says: the rest was not reached in the time that "
        "was there, in an order that was fixed before. The "
        "member shown is the farthest that still drives the network above every photo, else the "
        "knee of the front; of silencing the nearest below its minimum over the photos, else the "
        "knee, with the lowest of the front beside it. *Affine* is the farthest rotated, shifted or shrunk copy of the same "
        "reference, under the same constraints, that loses no more activity. Fixed: mean luminance "
        f"{levels['luminance']:g} and RMS contrast {levels['contrast']:g}, the photos' medians. "
        "Distances are of pixels. Ratio of distances: geometric mean over neurons with a 95 % "
        "interval (Student's t of logarithms), of those neurons of which some affine copy loses as little "
        "(at fixed contrast "
        f"{_without_copy(figures)} have none but the reference itself); *farther* holds where the interval lies above 1.",
        "| stretched at | neurons | activity kept | distance | affine | farther | ratio | verdict |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
        + "\n".join(_search_row(figures, name) for name in CONDITIONS if name in figures["rows"]),
        _without_watched(figures),
        _silencing(figures["rows"].get("silencing", [])),
        "![Reference, far image, far image at fixed contrast](images/neurons_far.jpg)",
        f"{_shown(figures, 'pixels', 'fixed contrast')} from left to right; from top to bottom: most exciting image, far image, far image "
        "at fixed luminance and contrast, whose reference is the constrained image. Colour was left free, and the "
        "searches use it; the constraint `grey` takes it away.",
    ]
    if any((name in figures["rows"]) for name in ("deep", "silencing")):
        lines.append(
            "![Reference, far image by the second layer, silencing](images/neurons_other.jpg)\n\n"
            f"{_shown(figures, 'deep', 'silencing')} from left to right; from top to bottom: most exciting image, far image by the "
            "second layer, silencing image."
        )
    return "\n\n".join(line for line in lines if line)


def _shown(figures: dict[str, Any], *names: str) -> str:
    """Name the neurons of a gallery."""
    each = [{row["neuron"] for row in figures["rows"].get(name, [])} for name in names]
    return f"Neurons {', '.join(map(str, sorted(set.intersection(*each))[:SHOWN]))}"


def _without_copy(figures: dict[str, Any]) -> str:
    rows = figures["rows"].get("fixed contrast", [])
    return str(sum(row["affine"] < LEAST for row in rows))


def _search_row(figures: dict[str, Any], name: str) -> str:
    own = figures["rows"][name]
    kept = 100 * np.mean([row["activation"] / row["reference"] for row in own])
    away, affine = (np.mean([row[key] for row in own]) for key in ("distance", "affine"))
    least = [100 * row["lowest"] / row["reference"] for row in own if "lowest" in row]
    lowest = f" (lowest {np.mean(least):.0f} %)" if least else ""
    start = f"| {CONDITIONS[name]} | {len(own)} | {kept:.0f} %{lowest} | {away:.0f} | "
    if name not in figures["intervals"]["all"]:
        return start + "– | – | – | – |"
    found = figures["intervals"]["all"][name]
    return (
        f"{start}{affine:.0f} | {found['farther']} of {found['neurons']} | "
        f"{_interval(found['ratio'])} | {verdict(found['ratio'])} |"
    )


def _silencing(rows: list[dict[str, Any]]) -> str:
    """How far down the fronts of silencing images reach."""
    if not rows:
        return ""
    below = sum(row["lowest"] < row["photos_mean"] for row in rows)
    least = [100 * row["lowest"] / row["reference"] for row in rows]
    usual = [100 * row["photos_mean"] / row["reference"] for row in rows]
    return (
        f"Silencing images: in {below} of {len(rows)} neurons the front reaches below the response to the "
        f"average photo (which is {np.median(usual):.0f} % of the MEI's response, median); its lowest "
        f"member keeps {np.median(least):.0f} % (median; {min(least):.0f} to {max(least):.0f} %; a linear readout "
        "may fall below 0)."
    )


def _interval(ratio: list[float]) -> str:
    mean, low, high = ratio
    return f"{mean:.2f} ({low:.2f} to {high:.2f})" if low == low else f"{mean:.2f}"  # noqa: PLR0124


def verdict(ratio: list[float]) -> str:
    """What an interval of ratios says of "farther than affine copies"."""
    _, low, high = ratio
    if low > 1:
        return "holds"
    return "contradicted" if high < 1 else "undecided"


def _without_watched(figures: dict[str, Any]) -> str:
    watched = set(figures["watched"])
    told = []
    for name, found in figures["intervals"]["not watched"].items():
        if watched & {row["neuron"] for row in figures["rows"][name]}:
            told.append(
                f"{CONDITIONS[name]}: {found['farther']} of {found['neurons']} farther, "
                f"{_interval(found['ratio'])}, {verdict(found['ratio'])}"
            )
    numbers = ", ".join(map(str, figures["watched"]))
    if not told:
        return (
            f"None of these neurons is among those on which the searches were chosen ({numbers})."
        )
    return f"Without the neurons on which the searches were chosen ({numbers}): {'; '.join(told)}."


def _transformations(rows: list[dict[str, Any]]) -> str:
    names = rows[0]["h"]
    cells = [
        f"| {name} | {np.median([row['h'][name] for row in rows]):.2f} | "
        f"{min(row['h'][name] for row in rows):.2f} to {max(row['h'][name] for row in rows):.2f} |"
        for name in names
    ]
    return "\n\n".join(
        [
            "## The twelve transformations",
            f"Invariance coefficients at τ = 0.1 over the 60 photos that drive each of "
            f"{len(rows)} model neurons most; 1 is no change. Spontaneous activity counts, which "
            "draws all of them up; readouts as they were published are centred and in part negative, "
            "so that `coefficient` of `group()` (below) gives other numbers.",
            "| transformation | median | range |\n| --- | ---: | ---: |\n" + "\n".join(cells),
        ]
    )


def _twin(figures: dict[str, Any]) -> str:
    noise, rows = figures["noise"], figures["rows"]["noisy twin"]
    (first, *_), other = rows[0]["rows"], figures["search"]["strategy"]
    lines, shares, tests = [], {}, {}
    for row in rows:
        cells = {cell["strategy"]: cell for cell in row["rows"]}
        for name, cell in cells.items():
            shares.setdefault(name, []).append(cell["share"])
            counted = np.array([cell[key] for key in ("tested", "true", "hold", "false")])
            tests[name] = tests.get(name, 0) + counted
        both = " | ".join(f"{100 * cells[name]['share']:.0f} %" for name in ("twin", other))
        lines.append(f"| {row['neuron']} | {both} |")
    means = " | ".join(f"**{100 * np.mean(shares[name]):.0f} %**" for name in ("twin", other))
    heads = f"| neuron | `twin` | `{other}` |\n| ---: | ---: | ---: |\n"
    enough = sum(share >= ENOUGH for share in shares["twin"])
    told = "; ".join(
        "`{}`: {} members seemed to keep half of the response and were tested, {} truly keep it, {} "
        "were found to, {} of these wrongly".format(name, *tests[name])
        for name in ("twin", other)
    )
    return "\n\n".join(
        [
            "## Under a recording's noise",
            "Searches on networks that answer with the rates and noise of session "
            f"{figures['trials']}: best photo {noise['peak']:.0f} spikes/s, weakest "
            f"{noise['spontaneous']:.0f}, Fano factor {noise['fano']:.2f}, noise correlation "
            f"{noise['correlation']:.2f}; drift and lost trials as in [the rig](rig.md). "
            f"{first['repeats']} repeats of a candidate, at most {first['presentations']:,} "
            "presentations, controls and held-back repeats counted; one seed; neurons 3 and 12 were "
            "watched while the front of a twin was built. Hypervolume of the "
            "final front, scored without noise, as a share of that of a noise-free search "
            f"(`{other}`, {figures['search']['images']:,} images):",
            f"{heads}" + "\n".join(lines) + f"\n| **mean** | {means} |",
            f"80 % of the noise-free front are reached by {enough} of {len(rows)} twin searches "
            f"([how](concepts.md#where-an-image-costs-much-twin)). {told}.",
        ]
    )


def _noise(figures: dict[str, Any]) -> str:
    rows = figures["rows"]["noisy"]
    cells: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        for cell in row["rows"]:
            cells.setdefault((cell["repeats"], cell["presentations"]), []).append(cell["share"])
    numbers = [str(row["neuron"]) for row in rows]
    table = "\n".join(
        f"| {repeats} | {shown:,} | {' | '.join(f'{100 * share:.0f} %' for share in shares)} |"
        for (repeats, shown), shares in cells.items()
    )
    heads = " | ".join(f"neuron {number}" for number in numbers)
    return "\n\n".join(
        [
            f"**With `{figures['search']['strategy']}` alone**, on the first neuron that was not "
            "watched and on the best-fitted one, sessions of other lengths do not get there:",
            f"| repeats | presentations | {heads} |\n| ---: | ---: |{' ---: |' * len(rows)}\n{table}",
            _noise_verdict(figures, cells),
        ]
    )


def _noise_verdict(figures: dict[str, Any], cells: dict[tuple[int, int], list[float]]) -> str:
    """When the front reaches `ENOUGH` on average over neurons, or that it does not."""
    means = {key: float(np.mean(shares)) for key, shares in cells.items()}
    enough = [shown for (_, shown), share in means.items() if share >= ENOUGH]
    if enough:
        return f"80 % of the noise-free front are reached with {min(enough):,} presentations."
    repeats, shown = max(means, key=lambda key: means[key])
    most = max(number for _, number in means)
    said = (
        f"80 % of the noise-free front are not reached with up to {most:,} presentations; the most "
        f"is {100 * means[repeats, shown]:.0f} %, with {repeats} repeats and {shown:,} presentations."
    )
    if max(share for (_, number), share in means.items() if number == most) >= means[min(means)]:
        return said
    noisy = {row["neuron"] for row in figures["rows"]["noisy"]}
    rows = [row for row in figures["rows"]["excitation"] if row["neuron"] in noisy]
    usual = " and ".join(f"{100 * row['photos_mean'] / row['mei']:.0f} %" for row in rows)
    return f"{said} {MORE_IS_NOT_BETTER.format(usual=usual)}"


def acceptance(beside: dict[str, Any], figures: dict[str, Any]) -> str:
    """The section on other networks of the same neurons."""
    found, networks = beside["acceptance"], beside["networks"]
    own_r = [
        r["correlation"]
        for r in figures["rows"]["excitation"]
        if f"n{r['neuron']}" in networks[0]["r"]
    ]
    told = ", ".join(f"{row['mean']:.2f} from `{row['network']}`" for row in networks)
    judged = [
        _judged(found["contrasts"], *asked)
        for asked in (
            ("invariance", OVER_CHANCE, {"above": 0.0}),
            ("invariance", OWN_OVER_OTHERS, {"above": 0.0}),
            ("adversarial", OWN_OVER_OTHERS, {"below": 0.0}),
        )
    ]
    over, own, silent = judged
    units = {row["units"] for row in found["contrasts"]}
    return ACCEPTANCE.format(
        neurons=len(networks[0]["r"]),
        units=" or ".join(map(str, sorted(units))),
        told=told,
        published=np.mean(own_r),
        photos=f"{beside['photos']:,}",
        folds=beside["folds"],
        over=over,
        own=own,
        silent=silent,
        budget=found["budget"],
        kept=_span(
            [r["acceptance"] for r in found["cells"] if r["own"] and r["task"] == "adversarial"]
        ),
        others=_span([row["others"] for row in found["cells"] if row["task"] == "invariance"]),
    )


def _judged(
    contrasts: list[dict[str, Any]], task: str, contrast: str, bounds: dict[str, float]
) -> str:
    """Each source's number with its interval, and the verdict over all."""
    rows = [row for row in contrasts if (row["task"], row["contrast"]) == (task, contrast)]
    numbers = [(row["difference"], row["low_all"], row["high_all"]) for row in rows]
    evidence = (Evidence(contrast, *number, **bounds) for number in numbers)
    told = ", ".join(f"{m:.2f} [{low:.2f}, {high:.2f}]" for m, low, high in numbers)
    return f"{told}: **{Claim('', '', tuple(evidence)).verdict}**"


def _span(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def read(path: Path) -> dict[str, Any]:
    """The figures."""
    return json.loads(path.read_text())


def keep_plan(plan: Path, session: Path) -> None:
    """Keep what `rig plan` and `rig serve --plan` left, as `neurons_plan.json`."""
    found = read(plan / "plan.json")
    tables = [pd.read_parquet(file) for file in sorted((session / "refuted").glob("*.parquet"))]
    tested = pd.concat(tables)
    counts = {key: int(tested[key].sum()) for key in ("rejected", "confirmed")}
    text = json.dumps({**found, "practised": {"images": len(tested), **counts}}, indent=1)
    (ROOT / "benchmarks" / "neurons_plan.json").write_text(text + "\n")


def write_page(figures: dict[str, Any]) -> None:
    """Write the page of what is there."""
    plan = ROOT / "benchmarks" / "neurons_plan.json"
    beside = ROOT / "benchmarks" / "v4_readouts.json"
    text = render(figures, *(read(p) if p.exists() else None for p in (plan, beside)))
    (ROOT / "docs" / "neurons.md").write_text(text)


def write(figures: dict[str, Any], out: Path) -> None:
    """Write the page, and galleries of what `out` holds."""
    images = ROOT / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    numbers = [row["neuron"] for row in figures["rows"]["excitation"]]
    lines = [numbers[first : first + WIDE] for first in range(0, len(numbers), WIDE)]
    _gallery(
        [[out / f"neuron{k}" / "mei.png" for k in line] for line in lines],
        images / "neurons_mei.jpg",
    )
    for name, others in GALLERIES.items():
        files = ("mei.png", *others)
        whole = [k for k in numbers if all((out / f"neuron{k}" / f).exists() for f in files)]
        if whole:
            rows = [[out / f"neuron{k}" / file for k in whole[:SHOWN]] for file in files]
            _gallery(rows, images / f"neurons_{name}.jpg")
    write_page(figures)


def _gallery(rows: list[list[Path]], path: Path) -> None:
    pictures = [[Image.open(file) for file in row] for row in rows]
    side = pictures[0][0].width
    wide = max(map(len, rows)) * (side + GAP) - GAP
    sheet = Image.new("RGB", (wide, len(rows) * (side + GAP) - GAP), "white")
    for y, row in enumerate(pictures):
        for x, picture in enumerate(row):
            sheet.paste(picture, (x * (side + GAP), y * (side + GAP)))
    sheet.save(path, quality=85)


INTRODUCTION = """# Neurons

A network that was fitted to a neuron is a subject like any other, and several of them are one subject whose
units are the neurons (`iv.group_networks`, [your model](models.md)). This page shows {neurons} small networks, each fitted
to one V4 neuron of a macaque (public data of Cowley et al. 2023, session {session}, {photos:,} photos of 112 px, spikes in
100 ms). Data and networks are not part of invariscope (GPL-3); the images below are generated.

The networks describe their neurons imperfectly, so what follows is about the networks until a rig asks the neurons:
[`invariscope rig plan`](#before-the-animal) says what that costs. Everything but the section on [whose invariances are whose](#whose-invariances-are-whose) comes from

```
INVARISCOPE_V4=v4 python benchmarks/neurons.py OUT
```

([all figures](../benchmarks/neurons.json)), where `v4` is the data, unzipped. It goes on where it was broken off; the
tables say how much of it has run, in an order that was fixed before.

Strategies and images a search were chosen while watching the first three neurons ({watched}; three strategies at about 2,000
images). Counts and intervals are given without these three, too. An MEI "above" the best photo may be above it by less
than 1 %."""

MORE_IS_NOT_BETTER = (
    "One seed and two neurons scatter widely, and more presentations do not help. The likely reason: distances are known exactly and "
    "responses are not, and these networks answer even the average photo with {usual} of the MEI's "
    "response, so the search runs to the farthest images, and the luckiest of them outrank nearer "
    "ones that truly keep the response. A twin, which a rig uses unless told otherwise, "
    "does not run there."
)

ACCEPTANCE = """## Whose invariances are whose

Do the images that one network says a neuron ignores excite the same neuron as another network tells it? {neurons} neurons
(those of the 30 not watched that their networks describe best) are told by their published networks and by readouts from other networks:
ridge regression from a layer of the shipped `embedded:robust` and `embedded:standard` and of an ImageNet EfficientNet-Lite0,
averaged over 4 × 4 places. These readouts were fitted to the same {photos} photos; left-out photos (one part of {folds} at a time, by which the layers
were chosen too) they tell with a mean correlation of {told}; the published networks have {published:.2f}, photos of their own fit included.

![Acceptance: images of one network of a neuron, answered by the others](images/neurons_acceptance.png)

Each image is shown to every network, and its unit of the same neuron answers: 0 is its mean for random images of the generator, 1 its mean
for the most exciting images that the searches departed from; a dot marks activity above that for random images
(5 % false discoveries over the matrix). Three statements, each with its numbers in the order published, robust, standard.
*Other networks accept invariant images more than random ones*: {over} (the same units answer images of other neurons with {others}).
*A network accepts its own invariant images more than others do*: {own}. *Images of silencing searches weaken their own network more than
others* (own less others is below 0; they leave their own network {kept} of that scale): {silent}. Intervals are of 95 %, over neurons and networks and for all
three at once (Bonferroni). {units} neurons, one search each from its own network's most exciting image, at most {budget} images, the member that beats
every photo (silencing: the nearest below them all; where none does, the front's knee or its lowest activity), stretched at pixels:

```
for s in published robust standard; do invariscope natural benchmarks/v4_readouts.py:$s v4/photos_190923 --sites neurons --allow-code --out v4/natural/$s; done
invariscope study run configs/neurons/v4.toml --out store --allow-code
invariscope analyze store/studies/v4 --only acceptance --allow-code
python benchmarks/v4_readouts.py store/studies/v4
```

with `INVARISCOPE_V4` and `INVARISCOPE_SHARED` (EfficientNet's weights) set
([all figures](../benchmarks/v4_readouts.json))."""

BEFORE = """## Before the animal

Here the network of the best-fitted neuron is put to the test before the neuron is. Commands are given in the repository's folder, with
the data unzipped as `v4` and `export INVARISCOPE_V4=v4`. `session.toml`:

```toml
{session}
```

The recording gives the noise, and the session file is played whole on the network as a brain:

```
invariscope recording v4/responses_trials_210325.npy --window 0 100 --out V4
invariscope rig plan session.toml --model '{model}' --allow-code --units readout:0 --like V4 --out plan
```

It prints ([`benchmarks/neurons_plan.json`](../benchmarks/neurons_plan.json)): {presentations}; {total:,} presentations,
{minutes:.0f} minutes. Of {members} held-back members of the rehearsal's front {tested} seemed to keep half of the reference's
response and were tested for it, and {hold} were found to. What the network says that its neuron ignores, with the power of {repeats} repeats of each image:

{predictions}

{refutable} of {claims} could be refuted (a power of at least 0.8 against a neuron that answers them as the average photo):
the average photo already brings a good part of what the MEI brings, so that half of it is near; more `repeats` and a
higher `share` in `[final]` raise the power to refute.

Then the same file runs on the rig; to practise, the network plays the neuron in another terminal:

```
invariscope rig serve session.toml --out sessions/a --plan plan
invariscope rig simulate session.toml --out sessions/a --model '{model}' --allow-code --natural plan/model_natural.parquet --units readout:0 --like V4
invariscope report sessions/a/runs
```
{practised}"""

MODEL = "benchmarks/v4_networks.py:fitted(12)"
SESSION = """[rig]
name = "V4, neuron 12"
units = ["n12"]

[range]
photos = "v4/photos_190923"

[search]
targets = ["n12"]
strategy = "isotropic"
constraints = { size = 112 }
generations = 30
repeats = 5"""


def before(plan: dict[str, Any]) -> str:
    """The section on a planned session.

    Args:
        plan: what `rig plan` kept as `plan.json`, and `practised`: what the rig's side printed.
    """
    rows = plan["predictions"]
    head = (
        "| distance | response, % of the reference's | power to confirm | power to refute |\n"
        "| ---: | ---: | ---: | ---: |\n"
    )
    table = head + "\n".join(
        f"| {row['stretch']:.0f} | {100 * row['predicted']:.0f} | {row['power_confirm']:.2f} | "
        f"{row['power_refute']:.2f} |"
        for row in rows
    )
    found = plan.get("practised")
    practised = (
        f"\nThat neuron is the network, so it should reject nothing: it rejected {found['rejected']} "
        f"and confirmed {found['confirmed']} of {found['images']}."
        if found
        else ""
    )
    return BEFORE.format(
        session=SESSION,
        model=MODEL,
        presentations=", ".join(f"{name} {n:,}" for name, n in plan["presentations"].items()),
        **{
            key: sum(front[key] for front in plan["fronts"])
            for key in ("members", "tested", "hold")
        },
        repeats=HELD_BACK_REPEATS,
        refutable=sum(row["refutable"] for row in rows),
        claims=len(rows),
        predictions=table,
        practised=practised,
        **{key: plan[key] for key in ("total", "minutes")},
    )


COMMANDS = """## The same with your neurons

One Python file with a function of a number serves all networks; its arguments are plain literals:

```
invariscope natural 'neurons.py:network(5)' photos --allow-code --out natural5
invariscope mei     'neurons.py:network(5)' readout:0 --allow-code
invariscope field   'neurons.py:network(5)' readout:0 --allow-code --photos photos
invariscope sns     'neurons.py:network(5)' readout:0 --allow-code --luminance 0.44 --contrast 0.5 --aperture 56,56,30,8 --size 112
invariscope sns     'neurons.py:network(5)' readout:0 --allow-code --task adversarial --direction down
invariscope coefficient 'neurons.py:group()' photos --allow-code --sites neurons
```

`benchmarks/v4_networks.py` is such a file; where its data hold networks of two sessions, `network(5, 'S')` says which. A network whose output is scaled, and so perhaps negative, has no share of a
response to keep: bring it to spikes/s first, as `fitted` does there by least squares over the photos. [Constraints](generators.md#constraints) say how luminance, contrast and the
aperture are fixed."""


def main() -> None:
    """Keep the example's figures and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path, nargs="?")
    parser.add_argument("session", type=Path, nargs="?")
    asked = parser.parse_args()
    if asked.plan and asked.session:
        keep_plan(asked.plan, asked.session)
    write_page(read(ROOT / "benchmarks" / "neurons.json"))


if __name__ == "__main__":
    main()
