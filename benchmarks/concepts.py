"""Draw the pictures of `docs/concepts.md` from runs of the shipped network.

Every image in them is generated. Writes `docs/images/concept_*.jpg` and
`benchmarks/concepts.json` (the numbers under the pictures, machine and versions). Runs that
are in FOLDER already are taken as they are.

    python benchmarks/concepts.py FOLDER [NAME ...]

With names, such as `twin`, the other pictures and their numbers stay.
"""

import json
import math
import platform
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from torch import Tensor

import invariscope as iv
from invariscope import seeds
from invariscope.experiments.front_choice import choose
from invariscope.plot.axes import COLOURS, TASK_COLOURS
from invariscope.search.strategies import Cells
from invariscope.store.record import RunRecord
from invariscope.transformations import load as load_transformation
from invariscope.units import parse_target

ROOT = Path(__file__).resolve().parent.parent
MODEL, UNIT, CHANNEL, TAU = "embedded:robust", "fc:5", "layer4.1.relu@2:7", 0.1
OPTIONS = iv.SearchOptions(generations=250)
DEEP = "layer4.1.conv1"
HUES = ("red", "yellow", "green", "cyan", "blue", "pink")  # where each sixth begins
BLUE, ORANGE = COLOURS[0], COLOURS[4]


class World:
    """The network, the generator, and what was searched for one unit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.subject = iv.load_subject(MODEL)
        self.generator = iv.load_generator("embedded:v1")
        self.mei = iv.find_mei(
            self.subject, self.generator, UNIT, options=OPTIONS, out=folder / "mei"
        )
        runs = {
            "invariance": self.search(folder / "invariance", "pixels", "invariance"),
            "deep": self.search(folder / "deep", DEEP, "invariance"),
            "adversarial": self.search(folder / "adversarial", "pixels", "adversarial"),
        }
        self.runs: dict[str, RunRecord] = {name: r.runs[0] for name, r in runs.items()}
        self.natural = self.runs["invariance"].settings.natural or {}

    def search(
        self, folder: Path, site: str, task: str, options: iv.SearchOptions = OPTIONS
    ) -> iv.Result:
        """Search one front of the unit."""
        return iv.stretch_and_squeeze(
            self.subject,
            self.generator,
            UNIT,
            reference=self.mei,
            stretch=site,
            task=task,
            options=options,
            out=folder,
        )

    def random_images(self, number: int) -> Tensor:
        """Images of random codes, `(number, 3, 96, 96)`."""
        codes = seeds.normal([("concepts", "codes")], (number, self.generator.code_dim))[0]
        return self.generator.generate(codes)

    def activity(self, images: Tensor, unit: str = UNIT) -> np.ndarray:
        """A readout unit's activity, or a channel's spatial mean."""
        target = parse_target(unit, self.subject.sites())
        return target.read(self.subject.respond(images, target.sites))[:, 0].numpy()

    def member(self, run: str, row: int) -> tuple[Tensor, dict[str, float]]:
        """One image of a front and its numbers."""
        record = self.runs[run]
        code = record.tensors["codes"][row]
        return self.generator.generate(code[None])[0], record.front.iloc[row].to_dict()


def show(ax: Axes, image: Tensor, title: str, words: str) -> None:
    """An image with a title above and numbers below."""
    ax.imshow(image.permute(1, 2, 0).clamp(0, 1).numpy())
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(title, fontsize="medium")
    ax.set_xlabel(words, fontsize="medium")
    ax.spines[:].set_visible(False)


def row_of(images: list[tuple[Tensor, str, str]]) -> Figure:
    """Images side by side."""
    figure = Figure(figsize=(2.1 * len(images), 2.75), layout="constrained")
    for ax, image in zip(figure.subplots(1, len(images), squeeze=False)[0], images, strict=True):
        show(ax, *image)
    return figure


def reference(world: World) -> tuple[Figure, dict]:
    """Three random images beside the one that excites the unit most."""
    images = world.random_images(3)
    numbers = world.activity(images)
    largest = world.natural["maximum"]
    shown = [
        (image, f"random code {k + 1}", f"activity {number:.1f}")
        for k, (image, number) in enumerate(zip(images, numbers, strict=True))
    ]
    own = float(world.mei.activity or np.nan)
    shown.append((world.mei.image, "most exciting image", f"activity {own:.1f}"))
    figures = {"random": numbers.tolist(), "mei": own, "largest_natural": largest}
    return row_of(shown), figures


def stretch_squeeze(world: World) -> tuple[Figure, dict]:
    """The reference, two images far from it and one near, with stretch and squeeze."""
    invariant, silent = world.runs["invariance"], world.runs["adversarial"]
    own = float(world.mei.activity or np.nan)
    shown = [(world.mei.image, "reference", "stretch 0, squeeze 0")]
    figures = {"reference": {"activation": own}}
    picks = {
        "far, and alike": ("invariance", choose(invariant.front, invariant.settings)),
        "near, and silent": ("adversarial", len(silent.front) - 1),
    }
    for name, (run, row) in picks.items():
        image, numbers = world.member(run, row)
        words = f"stretch {numbers['stretch']:.0f}, squeeze {numbers['squeeze']:.1f}"
        shown.append((image, name, words))
        figures[name] = numbers
    grey = world.random_images(1)
    distance = float((world.subject.see(grey)[0] - world.mei.image).norm())
    lost = abs(float(world.activity(grey)[0]) - own)
    figures["far, and unlike"] = {"stretch": distance, "squeeze": lost}
    words = f"stretch {distance:.0f}, squeeze {lost:.1f}"
    shown.insert(2, (grey[0], "far, and unlike", words))
    return row_of(shown), figures


def thumbnail(ax: Axes, image: Tensor, point: tuple[float, float], place: tuple) -> None:
    """An image beside its point."""
    picture = OffsetImage(image.permute(1, 2, 0).clamp(0, 1).numpy(), zoom=0.72)
    box = AnnotationBbox(
        picture,
        point,
        xybox=place,
        xycoords="data",
        boxcoords="axes fraction",
        arrowprops={"arrowstyle": "-", "color": "0.4"},
        pad=0.1,
    )
    ax.add_artist(box)


def fronts(world: World) -> tuple[Figure, dict]:
    """Both fronts, with some of their images."""
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    figures = {}
    for ax, task in zip(figure.subplots(1, 2), ("invariance", "adversarial"), strict=True):
        record = world.runs[task]
        x, y = (record.front[name].to_numpy(float) for name in ("stretch", "squeeze"))
        ax.plot(x, y, ".-", color=TASK_COLOURS[task], linewidth=1)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_xlabel("stretch at pixels")
        ax.set_ylabel("squeeze")
        ax.set_title(f"{task} front")
        far = len(x) - 1
        chosen = choose(record.front, record.settings)
        invariant = task == "invariance"
        rows = (0, chosen, far)
        places = [(0.14, 0.75), (0.42, 0.75), (0.7, 0.75)]
        places = places if invariant else [(0.38, 0.18), (0.62, 0.18), (0.86, 0.18)]
        ax.set_ylim(*(0, y.max() * 2.2) if invariant else (-y.max() * 0.9, y.max() * 1.05))
        for row, place in zip(rows, places, strict=True):
            thumbnail(ax, world.member(task, row)[0], (x[row], y[row]), place)
        ax.plot(x[chosen], y[chosen], "o", markersize=10, markerfacecolor="none", color="black")
        ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= y.max() * 1.05])
        figures[task] = {"members": len(x), "shown": [record.front.iloc[r].to_dict() for r in rows]}
    return figure, figures


def stop_rule(world: World) -> tuple[Figure, dict]:
    """Candidates beyond the natural maximum, generation by generation."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    ax = figure.subplots()
    figures = {}
    for run, colour in (("invariance", BLUE), ("deep", ORANGE)):
        record = world.runs[run]
        reached = [line["reached"] for line in record.journal]
        site = str(record.settings.site)
        ax.plot(range(1, len(reached) + 1), reached, color=colour, label=f"stretched at {site}")
        figures[site] = {key: record.outcome[key] for key in ("generations", "status")}
    for level, words in ((25, "25 of 50: milestone"), (45, "45 of 50: stop")):
        ax.axhline(level, color="0.5", linewidth=1, linestyle="--")
        ax.text(70, level + 0.7, words, fontsize="small", color="0.3")
    ax.set_ylim(0, 52)
    ax.set_xlabel("generation")
    ax.set_ylabel("candidates of 50 above\nthe natural maximum")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="center right", bbox_to_anchor=(1, 0.72), fontsize="small")
    return figure, figures


def paired(world: World) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Images as they are and blurred, and a channel's activity for both, over its maximum."""
    images = world.random_images(300)
    changed = load_transformation("blur", sigma=2.0, beyond="clip")(images)
    own, other = world.activity(images, CHANNEL), world.activity(changed, CHANNEL)
    most = max(own.max(), other.max())
    return images, changed, own / most, other / most


def active_set(world: World) -> tuple[Figure, dict]:
    """Which images count for a channel."""
    _, _, own, other = paired(world)
    active = (own > TAU) | (other > TAU)
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    ax = figure.subplots()
    ax.fill_between([0, TAU], 0, TAU, color="0.88")
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
    ax.plot(own[active], other[active], ".", color=BLUE, label="active set", alpha=0.7)
    ax.plot(own[~active], other[~active], ".", color="0.5", label="left out", alpha=0.7)
    ax.text(TAU, 0.97, f" τ = {TAU:g}", fontsize="small", color="0.3")
    ax.plot([TAU, TAU, 0], [1, TAU, TAU], color="0.6", linewidth=1, linestyle=":")
    ax.plot([TAU, 1], [TAU, TAU], color="0.6", linewidth=1, linestyle=":")
    ax.set_xlim(0, 1.02)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("activity for the image, over the unit's maximum")
    ax.set_ylabel("activity for the blurred image")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="center right", bbox_to_anchor=(1, 0.62))
    h = 1 - np.abs(own - other)[active] / (own + other)[active]
    return figure, {
        "unit": CHANNEL,
        "images": len(own),
        "active": int(active.sum()),
        "coefficient": float(h.mean()),
    }


def coefficient(world: World) -> tuple[Figure, dict]:
    """Three images of an active set, blurred, with h."""
    images, changed, own, other = paired(world)
    active = np.flatnonzero((own > TAU) | (other > TAU))
    h = 1 - np.abs(own - other)[active] / (own + other)[active]
    order = active[h.argsort()]
    picks = [order[-1], order[len(order) // 2], order[0]]
    figure = Figure(figsize=(6.6, 5.2), layout="constrained")
    axes = figure.subplots(2, 3)
    values = dict(zip(active, h, strict=True))
    for column, k in zip(axes.T, picks, strict=True):
        show(column[0], images[k], f"h = {values[k]:.2f}", f"activity {own[k]:.2f}")
        show(column[1], changed[k], "", f"blurred: {other[k]:.2f}")
    return figure, {"h": [float(values[k]) for k in picks]}


SHOWN, HALF = 500, 0.5  # images that each strategy may show; activity that a picture has kept
PROXY = "embedded:plain-robust"  # of another architecture than the unit's network
ASKED = {
    "cma": iv.SearchOptions(strategy="cma", generations=SHOWN // 50, stop=False),
    "isotropic, 10 candidates": iv.SearchOptions(
        strategy="isotropic", population=10, generations=SHOWN // 10, stop=False
    ),
    "twin": iv.SearchOptions(strategy=f"twin:{PROXY}", generations=SHOWN // 50, stop=False),
}


def twin(world: World) -> tuple[Figure, dict]:
    """What three strategies have of one unit's front after as many images."""
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    axes = figure.subplots(1, len(ASKED) + 1, width_ratios=[2, *[1] * len(ASKED)])
    figures = {}
    for number, (name, options) in enumerate(ASKED.items()):
        found = world.search(world.folder / f"shown {name}", "pixels", "invariance", options)
        front = found.runs[0].front
        activity = front["activation"] / world.mei.activity
        kept = 1 - (activity - 1).abs()
        axes[0].plot(kept, front["stretch"], ".-", color=COLOURS[2 * number], label=name)
        member = front["stretch"].where(kept >= HALF).idxmax()
        image = world.generator.generate(found.runs[0].tensors["codes"][member][None])[0]
        words = f"distance {front['stretch'][member]:.0f}, kept {100 * kept[member]:.0f} %"
        show(axes[number + 1], image, name, words)
        figures[name] = {"images": SHOWN, "members": len(front), **front.loc[member].to_dict()}
    axes[0].set_xlabel("activity kept, as a share of the reference's")
    axes[0].set_ylabel("distance to the reference at pixels")
    axes[0].spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, fontsize="small")
    return figure, figures


def kinds(world: World, name: str, options: iv.SearchOptions) -> dict[tuple[int, int], tuple]:
    """The best member that keeps half of the activity in each cell of luminance × hue."""
    found = world.search(world.folder / f"shown {name}", "pixels", "invariance", options)
    images = world.generator.generate(found.runs[0].tensors["codes"])
    kept = 1 - (found.runs[0].front["activation"] / world.mei.activity - 1).abs()
    measures = Cells.named(["luminance", "hue"]).measured(images)
    best: dict[tuple[int, int], tuple[float, Tensor]] = {}
    for image, share, (light, hue) in zip(images, kept, measures.tolist(), strict=True):
        if share < HALF or math.isnan(hue):
            continue
        cell = min(4, int(light * 5)), int(hue * 6) % 6
        if cell not in best or share > best[cell][0]:
            best[cell] = share, image
    return best


def cells(world: World) -> tuple[Figure, dict]:
    """Images of every kind that the unit accepts, from a search that fills cells."""
    address = f"twin:{PROXY}?cells=luminance,hue"
    options = iv.SearchOptions(strategy=address, generations=SHOWN // 50, stop=False)
    filled = kinds(world, "cells", options)
    front = kinds(world, "twin", ASKED["twin"])
    figure = Figure(figsize=(7.2, 6.3), layout="constrained")
    axes = figure.subplots(5, 6)
    for row in range(5):
        for hue in range(6):
            ax = axes[4 - row, hue]
            share, image = filled.get((row, hue), (0.0, torch.full((3, 2, 2), 0.93)))
            show(ax, image, "", f"{100 * share:.0f} %" if share else "")
            if hue == 0:
                ax.set_ylabel(f"{row / 5:.1f} – {(row + 1) / 5:.1f}")
    for ax, name in zip(axes[0], HUES, strict=True):
        ax.set_title(f"from {name}", fontsize="medium")
    figure.supylabel("mean luminance", fontsize="medium")
    counts = {"images": SHOWN, "kinds": 30, "filled": len(filled), "of_a_front": len(front)}
    return figure, counts


PICTURES = {
    "reference": reference,
    "stretch_squeeze": stretch_squeeze,
    "fronts": fronts,
    "stop_rule": stop_rule,
    "active_set": active_set,
    "coefficient": coefficient,
    "twin": twin,
    "cells": cells,
}


def main() -> None:
    """Search, draw, write."""
    mpl.rcParams["font.size"] = 10
    world, numbers = World(Path(sys.argv[1])), ROOT / "benchmarks" / "concepts.json"
    names = sys.argv[2:] or list(PICTURES)
    before = json.loads(numbers.read_text()) if numbers.exists() else {}
    figures = before | {
        "command": "python benchmarks/concepts.py FOLDER",
        "machine": platform.machine(),
        "invariscope": iv.__version__,
        "torch": torch.__version__,
        "model": MODEL,
        "unit": UNIT,
        "class": world.subject.classes[int(UNIT.partition(":")[2])],
    }
    for name in names:
        figure, figures[name] = PICTURES[name](world)
        path = ROOT / "docs" / "images" / f"concept_{name}.jpg"
        figure.savefig(path, dpi=110, pil_kwargs={"quality": 85})
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    numbers.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
