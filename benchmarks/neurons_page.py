"""`docs/neurons.md` and its galleries, from `neurons.json`."""
# ruff: noqa: E501, ISC004  (texts of a page)

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CONDITIONS = {
    "pixels": "pixels",
    "fixed contrast": "pixels, mean luminance and contrast fixed",
    "deep": "the second layer",
    "silencing": "silencing, pixels",
}
SHOWN, GAP = 10, 4  # images of a gallery, pixels between them


def render(figures: dict[str, Any]) -> str:
    """The page's text."""
    rows = figures["rows"]
    parts = [INTRODUCTION.format(**figures), _excitation(figures)]
    if any(name in rows for name in CONDITIONS):
        parts.append(_searches(figures))
    if "transformations" in rows:
        parts.append(_transformations(rows["transformations"]))
    if "noisy" in rows:
        parts.append(_noise(figures))
    known = {**CONDITIONS, "transformations": "the twelve transformations", "noisy": "noise"}
    if missing := [words for name, words in known.items() if name not in rows]:
        parts.append(f"*Not run yet: {'; '.join(missing)}.*")
    return "\n\n".join([*parts, COMMANDS]) + "\n"


def _excitation(figures: dict[str, Any]) -> str:
    rows = figures["rows"]["excitation"]
    above = [row for row in rows if row["mei"] > row["best_photo"]]
    ratio = np.median([row["mei"] / row["best_photo"] for row in rows])
    lines = [
        "## The most exciting image beside the best photo",
        f"For {len(above)} of {len(rows)} model neurons searched so far (of "
        f"{figures['neurons']}) the most exciting image of {figures['mei_search']['images']:,} "
        f"generated ones is above the best of {figures['photos']:,} photos; the median ratio is "
        f"{ratio:.2f}. Strategy `{figures['mei_search']['strategy']}`, one seed; spikes/s as the "
        "network says, scaled to its neuron by least squares over the photos. *r* is the "
        "correlation of network and neuron over the same photos, those of its fit included.",
        "| neuron | *r* | best photo | MEI | ratio |\n| ---: | ---: | ---: | ---: | ---: |\n"
        + "\n".join(
            f"| {row['neuron']} | {row['correlation']:.2f} | {row['best_photo']:.0f} | "
            f"{row['mei']:.0f} | {row['mei'] / row['best_photo']:.2f} |"
            for row in rows
        ),
        "![Most exciting images, one a neuron](images/neurons_mei.jpg)",
    ]
    return "\n\n".join(lines)


def _searches(figures: dict[str, Any]) -> str:
    rows, levels = figures["rows"], figures["levels"]
    search = figures["search"]
    lines = [
        "## Images that a neuron cannot tell from its most exciting one",
        f"One search of {search['images']:,} images (`{search['strategy']}`) a neuron from its MEI "
        "(at fixed contrast: from the MEI's code under the constraints). The member shown is the "
        "farthest that still drives the network above every photo, else the knee of the front. "
        "*Affine* is the farthest rotated, shifted or shrunk copy of the same reference, under the "
        "same constraints, that loses no more activity. Fixed: mean luminance "
        f"{levels['luminance']:g} and RMS contrast {levels['contrast']:g}, the photos' medians. "
        "Ratio of distances: geometric mean over neurons with a 95 % interval (Student's t of "
        "logarithms).",
        "| stretched at | neurons | activity kept | distance | affine | farther | ratio |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    table = []
    for name, words in CONDITIONS.items():
        own = rows.get(name)
        if not own:
            continue
        kept = 100 * np.mean([row["activation"] / row["reference"] for row in own])
        away, affine = (np.mean([row[key] for row in own]) for key in ("distance", "affine"))
        start = f"| {words} | {len(own)} | {kept:.0f} % | {away:.0f} | "
        if name in figures["intervals"]:
            found = figures["intervals"][name]
            ratio, low, high = found["ratio"]
            ends = f" ({low:.2f} to {high:.2f})" if low == low else ""  # noqa: PLR0124  (NaN)
            start += f"{affine:.0f} | {found['farther']} of {len(own)} | {ratio:.2f}{ends} |"
        else:
            start += "– | – | – |"
        table.append(start)
    lines[-1] += "\n" + "\n".join(table)
    lines.append("![Reference, far image, far image at fixed contrast](images/neurons_far.jpg)")
    return "\n\n".join(lines)


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
            "draws all of them up.",
            "| transformation | median | range |\n| --- | ---: | ---: |\n" + "\n".join(cells),
        ]
    )


def _noise(figures: dict[str, Any]) -> str:
    noise, rows = figures["noise"], figures["rows"]["noisy"]
    kinds = {}
    for row in rows:
        for cell in row["rows"]:
            kinds.setdefault((cell["repeats"], cell["presentations"]), []).append(cell["share"])
    cells = [
        f"| {repeats} | {shown:,} | {100 * np.mean(shares):.0f} % |"
        for (repeats, shown), shares in kinds.items()
    ]
    enough = [shown for (_, shown), shares in kinds.items() if np.mean(shares) >= 0.8]
    said = (
        f"80 % of the noise-free front were reached with {min(enough):,} presentations."
        if enough
        else f"80 % of the noise-free front were not reached with {max(s for _, s in kinds):,} "
        "presentations, the most that were tried."
    )
    return "\n\n".join(
        [
            "## Under a recording's noise",
            f"The same search on {len(rows)} simulated neuron(s) with the rates and noise of the "
            f"session with single trials: best image {noise['peak']:.0f} spikes/s, weakest "
            f"{noise['spontaneous']:.0f}, Fano factor {noise['fano']:.2f}, noise correlation "
            f"{noise['correlation']:.2f}; drift and lost trials as in [the rig](rig.md). Hypervolume "
            "of the front, scored without noise, as a share of that of a noise-free search that "
            f"shows as many images as the largest budget. {said}",
            "| repeats | presentations | of the noise-free front |\n| ---: | ---: | ---: |\n"
            + "\n".join(cells),
        ]
    )


def read(path: Path) -> dict[str, Any]:
    """The figures."""
    return json.loads(path.read_text())


def write(figures: dict[str, Any], out: Path, root: Path) -> None:
    """Write the page, and galleries of what `out` holds."""
    images = root / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    numbers = [row["neuron"] for row in figures["rows"]["excitation"]]
    _gallery(
        [[out / f"neuron{k}" / "mei.png" for k in numbers[:SHOWN]]], images / "neurons_mei.jpg"
    )
    names = ("mei.png", "pixels.png", "fixed_contrast.png")
    both = [k for k in numbers if all((out / f"neuron{k}" / name).exists() for name in names)]
    if both:
        rows = [[out / f"neuron{k}" / name for k in both[:SHOWN]] for name in names]
        _gallery(rows, images / "neurons_far.jpg")
    (root / "docs" / "neurons.md").write_text(render(figures))


def _gallery(rows: list[list[Path]], path: Path) -> None:
    pictures = [[Image.open(file) for file in row] for row in rows]
    side = pictures[0][0].width
    wide = len(rows[0]) * (side + GAP) - GAP
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
[`invariscope rig plan`](rig.md) says what that costs. Everything comes from

```
INVARISCOPE_V4=v4 python benchmarks/neurons.py OUT
```

([all figures](../benchmarks/neurons.json)), which goes on where it was broken off; the tables say how much of it has run.

Strategy and images a search were chosen on the first neurons (three strategies at about 2,000 images), which are among
those told; an MEI "above" the best photo may be above it by less than 1 %."""

COMMANDS = """## The same with your neurons

One Python file with a function of a number serves all networks; its arguments are plain literals:

```
invariscope natural neurons.py:network(5) photos --allow-code --out natural5
invariscope mei     neurons.py:network(5) readout:0 --allow-code
invariscope field   neurons.py:network(5) readout:0 --allow-code --photos photos
invariscope sns     neurons.py:network(5) readout:0 --allow-code --luminance 0.44 --contrast 0.5 --aperture 56,56,30,8
invariscope sns     neurons.py:network(5) readout:0 --allow-code --task adversarial --direction down
invariscope coefficient neurons.py:group() photos --allow-code --sites neurons
invariscope rig plan session.toml --model neurons.py:group() --allow-code --units neurons:5 --like variability.json --out plan
```

`benchmarks/v4_networks.py` is such a file. [Constraints](generators.md#constraints) say how luminance, contrast and the
aperture are fixed."""
