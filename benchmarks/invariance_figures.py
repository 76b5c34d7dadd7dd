"""Measure the figures and the tables of `docs/invariance.md`, for one or several networks.

Writes `benchmarks/invariance_figures.json` (every figure, machine and versions),
`benchmarks/invariance_figures.md` (the tables in the page) and `docs/images/invariance_*.png`.
What was measured stays in the folder given by --work and is not measured again.

    python benchmarks/invariance_figures.py PHOTOS MODEL[=N] [MODEL[=N] ...] [--work FOLDER]

PHOTOS is a folder of class folders; a MODEL is any address, a `file.py:factory` too, and N the most
photos of each class that it is shown, all by default.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
import torch

import invariscope as iv
from bench.machine import describe
from invariscope.invariance.ablation import ablation_accuracy, find_tau
from invariscope.invariance.accumulate import EVERY
from invariscope.invariance.classes import class_names, classifier
from invariscope.invariance.setup import images_for, make_setup
from invariscope.photos import open_folder
from invariscope.plot.axes import figure_of

ROOT = Path(__file__).resolve().parent.parent
TOP = (5, 10, 20, 40)


def kept(path: Path, make) -> pd.DataFrame:  # noqa: ANN001
    """A table from its file, made if it is not there."""
    if not path.exists():
        make().to_parquet(path)
    return pd.read_parquet(path)


def measure(model: str, folder: Path, photos: int | None, work: Path) -> dict:
    """Coefficients at the threshold of the paper's rule, and accuracy on both sides of it."""
    subject = iv.load_subject(model, allow_code=True)
    place = work / "".join(c if c.isalnum() else "-" for c in subject.name)
    place.mkdir(parents=True, exist_ok=True)
    found = open_folder(folder)
    images = images_for(subject, found if photos is None else found.of_each_class(photos))
    setup = make_setup(subject, images, "all", "all")
    site = setup.sites[-1]
    own = make_setup(subject, images, "all", site)
    readout = classifier(subject, images.classes, names=class_names(folder))
    tried = kept(place / "tau.parquet", lambda: find_tau(own, site, readout=readout).table)
    worst = tried.groupby("tau")["lost"].max()
    tau = float(worst.index[worst <= 0.01 + 1e-12].max())
    ablated = kept(
        place / "ablation.parquet",
        lambda: ablation_accuracy(own, site, tau, top=TOP, readout=readout),
    )
    result = iv.invariance_coefficient(subject, images, tau=tau, out=place)
    return {"name": subject.name, "site": site, "tau": tau, "ablated": ablated, "result": result}


def figures_of(one: dict) -> dict:
    summary = one["result"].summary
    every = summary[(summary["class"] == EVERY) & (summary["site"] == one["site"])]
    columns = ["mean", "specialization", "images_per_unit", "units_per_image"]
    means = one["ablated"].groupby(["threshold", "ablated", "shown"])[["accuracy", "share"]].mean()
    return {
        "name": one["name"],
        "site": one["site"],
        "tau": one["tau"],
        "images": one["result"].settings["labels"]["images"],
        "missing": one["result"].units["reason"].replace("", pd.NA).value_counts().to_dict(),
        "coefficients": every.set_index("transformation")[columns].round(4).to_dict("index"),
        "ablation": means.round(4).reset_index().to_dict("records"),
    }


def as_markdown(figures: dict) -> str:
    """The tables of the page."""
    models = figures["models"]
    names = list(models[0]["coefficients"])
    head = "| transformation | " + " | ".join(f"`{m['name']}`" for m in models) + " |\n"
    rows = [
        f"| {name} | " + " | ".join(f"{m['coefficients'][name]['mean']:.2f}" for m in models) + " |"
        for name in names
    ]
    text = head + "| --- |" + " ---: |" * len(models) + "\n" + "\n".join(rows) + "\n\n"
    text += "| network | images | set to 0 | share of units | as they are | transformed |\n"
    text += "| --- | ---: | --- | ---: | ---: | ---: |\n"
    for m in models:
        cells = {(a["threshold"], a["ablated"], a["shown"]): a for a in m["ablation"]}
        for threshold, which in dict.fromkeys((t, w) for t, w, _ in cells):
            plain, changed = (cells[threshold, which, s] for s in ("as it is", "transformed"))
            words = f"{which}, {threshold}".replace("tau", "τ =") if threshold else "nothing"
            share = (plain["share"] + changed["share"]) / 2
            text += (
                f"| `{m['name']}` at `{m['site']}` | {m['images']} | {words} | {share:.0%} | "
                f"{plain['accuracy']:.1%} | {changed['accuracy']:.1%} |\n"
            )
    return text


def draw(measured: list[dict], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    tables = {one["name"]: one["result"].units for one in measured}
    shown = tables if len(tables) > 1 else next(iter(tables.values()))
    first = measured[0]
    axes = {
        "violins": iv.plot.coefficients(shown),
        "specialization": iv.plot.coefficients(shown, column="specialization"),
        "active": iv.plot.active_shares(first["result"].units, first["result"].images),
        "ablation": iv.plot.ablation(first["ablated"]),
        "shares": iv.plot.ablation_by_share(first["ablated"]),
    }
    for number, one in enumerate(measured):
        axes[f"layers_{number}" if number else "layers"] = iv.plot.layers(one["result"].summary)
    for name, ax in axes.items():
        figure_of(ax).savefig(folder / f"invariance_{name}.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--work", type=Path, default=Path("runs/invariance_figures"))
    asked = parser.parse_args()
    measured = []
    for word in asked.models:
        model, _, photos = word.partition("=")
        measured.append(measure(model, asked.folder, int(photos) if photos else None, asked.work))
    figures = {
        "machine": describe(torch.device("cpu")),
        "models": [figures_of(one) for one in measured],
    }
    path = ROOT / "benchmarks" / "invariance_figures.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")
    path.with_suffix(".md").write_text(as_markdown(figures))
    draw(measured, ROOT / "docs" / "images")


if __name__ == "__main__":
    main()
