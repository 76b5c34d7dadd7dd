"""Set published answers of people beside networks, and write `docs/reproduce/people.md`.

    python benchmarks/people.py PEOPLE PHOTOS [--network MODEL --weights FILE] [--photos 50]

PEOPLE is the unpacked data (its `answers` and the images of cue conflict, edges and silhouettes),
PHOTOS a folder of class folders on which the shipped networks are measured under the changes that
people saw too. MODEL names ImageNet's 1,000 classes and is shown the images that people saw.
Writes `benchmarks/people.json`, the page and `docs/images/people.png`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

import invariscope as iv
import people_rules
from bench.machine import describe
from invariscope import seeds
from invariscope.analysis.intervals import clustered_mean, correlation
from invariscope.analysis.people import people_accuracy
from invariscope.invariance.accumulate import EVERY
from invariscope.invariance.classes import Classifier, class_names, classifier
from invariscope.invariance.images import ImageSet
from invariscope.invariance.setup import images_for
from invariscope.photos import open_folder
from invariscope.plot.axes import COLOURS, new_axes
from invariscope.subjects import Subject
from invariscope.survey.compare import compare_people, find_images
from invariscope.transformations.base import Transformation
from invariscope.transformations.registry import load

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("embedded:standard", "embedded:robust")
SITE = "layer4.1.relu@2"
BATCH, DRAWS = 64, 2000


def noise(width: float) -> Transformation:
    """Normal noise of the SD of people's uniform noise, which lay on images of 30 % contrast."""
    return load("white-noise", sigma=round(255 * width / 3**0.5 / 0.3, 1), beyond="clip")


# What people saw, without and with the change; ours; whether the strengths are the same.
CHANGES: dict[str, tuple[str, str, Transformation, str]] = {
    "grey": ("colour cr", "colour bw", load("grayscale"), "same"),
    "contrast 30 %": ("contrast c100", "contrast c30", load("contrast", factor=0.3), "same"),
    "contrast 10 %": ("contrast c100", "contrast c10", load("contrast", factor=0.1), "same"),
    "noise 0.10": ("uniform-noise 0.00", "uniform-noise 0.10", noise(0.10), "same SD"),
    "noise 0.20": ("uniform-noise 0.00", "uniform-noise 0.20", noise(0.20), "same SD"),
    "high-pass": ("high-pass inf", "high-pass 1", load("high-pass", beyond="clip"), "kind only"),
    "rotation 90°": ("rotation 0", "rotation 90", load("rotation-90"), "same"),
    "rotation 180°": ("rotation 0", "rotation 180", load("rotation-180"), "same"),
}


def kept_share(changed: float, plain: float, chance: float) -> float:
    """Share of the accuracy above chance that is left."""
    return (changed - chance) / (plain - chance)


def of_people(answers: pd.DataFrame) -> dict[str, dict[str, float]]:
    """What each change leaves of people's accuracy, with an interval over people."""
    rows = {}
    for name, (plain, changed, _, _) in CHANGES.items():
        own = answers[answers["condition"].isin([plain, changed])]
        means = own.pivot_table(
            index="participant", columns="condition", values="correct", aggfunc="mean"
        )
        shares = [
            kept_share(c, p, 1 / 16) for p, c in zip(means[plain], means[changed], strict=True)
        ]
        middle, low, high = clustered_mean(shares, [str(k) for k in means.index])
        rows[name] = {"share": middle, "low": low, "high": high, "people": len(means)}
    return rows


def right_under(
    subject: Subject, images: ImageSet, readout: Classifier, change: Transformation | None
) -> np.ndarray:
    """Whether each photo is named rightly under a change, `(photos,)`."""
    keys, found = images.keys(0), []
    for batch in images.stream(subject.image_size, BATCH, subject.device):
        shown = subject.see(batch.images)
        if change is not None:
            shown = change(shown, keys[batch.indices])
        logits = subject.respond(shown, [readout.site])[readout.site].flatten(1)
        best = logits[:, readout.targets].argmax(1).numpy()
        found.append(best == batch.labels)
    return np.concatenate(found)


def of_network(model: str, folder: Path, each: int) -> dict[str, Any]:
    """Accuracy and coefficients of a shipped network under every change."""
    subject = iv.load_subject(model)
    photos = open_folder(folder).of_each_class(each)
    images = images_for(subject, photos)
    readout = classifier(subject, images.classes, names=class_names(folder))
    changes = [change for _, _, change, _ in CHANGES.values()]
    result = iv.invariance_coefficient(subject, images, changes, sites=[SITE], top=())
    means = result.summary[result.summary["class"] == EVERY].set_index("transformation")
    plain = right_under(subject, images, readout, None)
    draws = seeds.numpy_stream("people", len(plain)).integers(0, len(plain), (DRAWS, len(plain)))
    chance, rows = 1 / len(images.classes), {}
    for name, label in zip(CHANGES, result.settings["labels"]["transformations"], strict=True):
        right = right_under(subject, images, readout, CHANGES[name][2])
        drawn = kept_share(right[draws].mean(1), plain[draws].mean(1), chance)
        low, high = np.quantile(drawn, (0.025, 0.975))
        rows[name] = {
            "share": kept_share(right.mean(), plain.mean(), chance),
            "low": float(low),
            "high": float(high),
            "accuracy": float(right.mean()),
            "coefficient": float(means.loc[label, "mean"]),
        }
    return {"accuracy": float(plain.mean()), "photos": len(plain), "changes": rows}


def draw(figures: dict[str, Any], path: Path) -> None:
    """People beside the networks, and beside their coefficients."""
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    left, right = (new_axes(ax) for ax in figure.subplots(1, 2, width_ratios=(1.5, 1)))
    names = list(CHANGES)
    theirs = {m: figures["networks"][m]["changes"] for m in SHIPPED}
    series = {"people": figures["people"], **theirs}
    for k, (who, rows) in enumerate(series.items()):
        y = [rows[n]["share"] for n in names]
        ends = [[rows[n]["share"] - rows[n]["low"] for n in names],
                [rows[n]["high"] - rows[n]["share"] for n in names]]  # fmt: skip
        x = np.arange(len(names)) + (k - 1) * 0.18
        colour = "black" if who == "people" else COLOURS[4 - 4 * (k == 1)]
        left.errorbar(x, y, ends, fmt="o", color=colour, label=who, markersize=5)
        if who != "people":
            coefficients = [rows[n]["coefficient"] for n in names]
            kept = [figures["people"][n]["share"] for n in names]
            right.scatter(coefficients, kept, color=colour, label=who, s=28)
    for n in names:
        point = figures["networks"][SHIPPED[0]]["changes"][n]["coefficient"]
        right.annotate(n, (point, figures["people"][n]["share"]), fontsize=7, xytext=(4, 3),
                       textcoords="offset points")  # fmt: skip
    left.set_xticks(range(len(names)), names, rotation=30, ha="right")
    left.set_ylabel("accuracy above chance that is left")
    left.legend(frameon=False, fontsize=8)
    left.axhline(0, color="0.8", linewidth=0.8)
    right.set_xlabel(f"mean invariance coefficient at {SITE}")
    right.set_ylabel("people: accuracy above chance that is left")
    right.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def table(head: list[str], rows: list[list[str]]) -> str:
    line = "| " + " | ".join(head) + " |\n| --- |" + " ---: |" * (len(head) - 1) + "\n"
    return line + "".join("| " + " | ".join(row) + " |\n" for row in rows)


def span(row: dict[str, float], name: str, digits: int = 3) -> str:
    return f"{row[name]:.{digits}f} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"


def page(figures: dict[str, Any]) -> str:
    """The page, from the figures alone."""
    networks = figures["networks"]
    changes = table(
        ["change", "people", *(f"`{m}`" for m in SHIPPED),
         *(f"coefficient, `{m}`" for m in SHIPPED), "strength"],
        [
            [name, span(figures["people"][name], "share", 2),
             *(span(networks[m]["changes"][name], "share", 2) for m in SHIPPED),
             *(f"{networks[m]['changes'][name]['coefficient']:.2f}" for m in SHIPPED),
             CHANGES[name][3]]
            for name in CHANGES
        ],
    )  # fmt: skip
    agree = table(
        ["`network`", "accuracy left: r", "coefficient: r"],
        [
            [f"`{m}`", *(f"{r[0]:.2f} [{r[1]:.2f}, {r[2]:.2f}]" for r in figures["agreement"][m])]
            for m in SHIPPED
        ],
    )
    compared = figures["compared"]
    accuracy = table(
        ["condition", "observer", "answers", "accuracy"],
        [[r["condition"], r["observer"], str(r["trials"]), span(r, "accuracy")]
         for r in compared["accuracy"]],
    )  # fmt: skip
    kappa = table(
        ["condition", "pair", "κ", "lowest, highest that accuracy allows"],
        [[r["condition"], r["pair"], span(r, "kappa"), f"{r['lowest']:.2f}, {r['highest']:.2f}"]
         for r in compared["consistency"]],
    )  # fmt: skip
    bias = table(
        ["observer", "shape", "texture", "shape bias"],
        [[r["observer"], str(r["shape"]), str(r["texture"]), span(r, "bias")]
         for r in compared["bias"]],
    )  # fmt: skip
    every = table(
        ["condition", "people", "answers", "accuracy"],
        [[r["condition"], str(r["participants"]), str(r["trials"]), span(r, "accuracy")]
         for r in figures["every"]],
    )  # fmt: skip
    rules = people_rules.as_markdown(json.loads(people_rules.OUT.read_text()))
    text = (ROOT / "benchmarks" / "people_page.txt").read_text(encoding="utf-8")
    return text.format(
        changes=changes, agree=agree, accuracy=accuracy, kappa=kappa, bias=bias, every=every,
        photos=networks[SHIPPED[0]]["photos"], network=figures["network"],
        left=networks[SHIPPED[0]]["accuracy"], right=networks[SHIPPED[1]]["accuracy"], site=SITE,
        rules=rules,
    )  # fmt: skip


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    answers = iv.load_answers(asked.people / "answers")
    subject = iv.load_subject(asked.network, weights=asked.weights)
    compared = compare_people(answers, subject, find_images(answers, asked.people))
    people = of_people(answers)
    networks = {model: of_network(model, asked.photos_folder, asked.photos) for model in SHIPPED}
    theirs = [people[name]["share"] for name in CHANGES]
    agreement = {
        model: [
            correlation(theirs, [networks[model]["changes"][n][column] for n in CHANGES])
            for column in ("share", "coefficient")
        ]
        for model in SHIPPED
    }
    every = people_accuracy(answers).sort_values("condition")
    return {
        "network": asked.network,
        "people": people,
        "networks": networks,
        "agreement": agreement,
        "compared": {
            name: getattr(compared, name).to_dict("records")
            for name in ("accuracy", "consistency", "bias")
        },
        "left_out": list(compared.notes),
        "every": every.drop(columns=["network", "site"]).to_dict("records"),
        "machine": describe(torch.device("cpu")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", type=Path)
    parser.add_argument("photos_folder", metavar="photos", type=Path)
    parser.add_argument("--network", default="timm:tf_efficientnet_lite0")
    parser.add_argument("--weights", default="pretrained")
    parser.add_argument("--photos", type=int, default=50, help="photos of each class")
    asked = parser.parse_args()
    figures = measure(asked)
    (ROOT / "benchmarks" / "people.json").write_text(json.dumps(figures, indent=1) + "\n")
    draw(figures, ROOT / "docs" / "images" / "people.png")
    (ROOT / "docs" / "reproduce" / "people.md").write_text(page(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
