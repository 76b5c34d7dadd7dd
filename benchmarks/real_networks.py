"""What published networks ignore: SqueezeNet and two CIFAR-10 networks, with photos and weights of
others, none of which the project ships.

    python benchmarks/real_networks.py WEIGHTS DATA --out WORK

WEIGHTS holds squeezenet1_0_imagenet, cifar10_resnet20, cifar10_l2_certified_small and
taef2_{encoder,decoder} (.safetensors); DATA the folders imagenette104, imagenette224 and
tinyimagenet64. Everything found is kept in WORK, a second call goes on from there. Writes
`benchmarks/real_networks.json`, the tables of `docs/published_networks.md` and, of generated
images alone, `docs/images/real_*.jpg`.
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from torch import Tensor

import invariscope as iv
from bench.machine import describe
from invariscope.experiments.plan import natural_of
from invariscope.experiments.reference import Reference, photo_reference, with_code
from invariscope.generators import Generator
from invariscope.natural.folder_pass import measure_folder
from invariscope.photos import PhotoRule, batches, open_folder
from invariscope.subjects import NetworkSubject
from invariscope.units import parse_target

ROOT = Path(__file__).resolve().parent.parent
DIMS, PHOTOS = 256, 3000
LONGER = 500  # generations of an MEI that stayed below the natural maximum in the usual number
NETTE = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)  # its folders' classes, in order


@dataclass(frozen=True)
class Network:
    """A network, five of its readout units, and where it is stretched."""

    address: str
    weights: str
    readout: str
    units: tuple[int, ...]
    stages: tuple[str, ...]
    side: int  # of the generated images
    photos: str


NETWORKS = {
    "squeezenet": Network(
        f"{ROOT / 'benchmarks/squeezenet.py'}:make",
        "pretrained",
        "classifier",
        (217, 497, 566, 574, 701),
        ("pixels", "features.5", "features.10"),
        64,
        "imagenette104",
    ),
    "resnet20": Network(
        "cifar:resnet20",
        "cifar10_resnet20.safetensors",
        "linear",
        (0, 1, 3, 7, 8),
        ("pixels", "layer2.0.conv1", "layer3.0.conv1"),
        32,
        "tinyimagenet64",
    ),
    "certified_small": Network(
        "cifar:certified_small",
        "cifar10_l2_certified_small.safetensors",
        "7",
        (0, 1, 3, 7, 8),
        ("pixels", "0", "2"),
        32,
        "tinyimagenet64",
    ),
}


def top1(subject: NetworkSubject, data: Path) -> dict[str, float]:
    """Top-1 accuracy of SqueezeNet among its 1,000 classes, on 20 val photos a class."""
    photos = open_folder(data / "imagenette224" / "val")
    right = total = 0
    rule = subject.photo
    for batch in batches(photos, side=subject.image_size, rule=PhotoRule(rule.resize), batch=50):
        answers = subject.respond(batch.images, ["classifier"])["classifier"].flatten(1).argmax(1)
        right += int((answers.cpu() == torch.tensor(NETTE)[batch.labels]).sum())
        total += len(answers)
    return {"top1": right / total, "photos": total}


def searches(
    network: Network, subject: NetworkSubject, generator: Generator, out: Path, generations: int
) -> Iterator[tuple[str, Reference, iv.Result]]:
    """Each unit's MEI, and the searches that depart from it."""
    options = iv.SearchOptions(generations=generations)
    for number in network.units:
        unit = f"{network.readout}:{number}"
        place = out / str(number)
        mei = iv.find_mei(subject, generator, unit, out=place / "mei", options=options)
        assert mei.activity is not None
        if mei.activity < maximum(subject, unit):
            place /= "longer"
            more = iv.SearchOptions(generations=LONGER)
            mei = iv.find_mei(subject, generator, unit, out=place / "mei", options=more)
        yield unit, mei, depart(network, subject, generator, unit, mei, place, options)


def maximum(subject: NetworkSubject, unit: str) -> float:
    """What the strongest photo brings."""
    natural = natural_of(subject, parse_target(unit, subject.sites()))
    if natural is None:
        raise ValueError(f"no natural statistics of {unit}")
    return natural.maximum


def depart(  # noqa: PLR0917
    network: Network,
    subject: NetworkSubject,
    generator: Generator,
    unit: str,
    reference: Reference,
    out: Path,
    options: iv.SearchOptions,
) -> iv.Result:
    """Invariance at three stages and one adversarial search at pixels."""
    runs = []
    for task, stage in [*(("invariance", s) for s in network.stages), ("adversarial", "pixels")]:
        found = iv.stretch_and_squeeze(
            subject,
            generator,
            unit,
            reference=reference,
            stretch=stage,
            task=task,
            options=options,
            out=out / f"{task}_{stage}",
        )
        runs += found.runs
    return iv.Result(runs, generator)


def rows_of(unit: str, subject: NetworkSubject, result: iv.Result) -> Iterator[dict[str, Any]]:
    """The figures of a unit's searches."""
    strongest = maximum(subject, unit)
    for _, row in result.table().iterrows():
        keys = ("task", "site", "status", "generations", "stretch", "pixel_distance", "reduction")
        yield {
            "unit": unit,
            "name": subject.classes[int(unit.split(":")[1])],
            **{key: row[key] for key in keys},
            "reference": row["reference"],
            "reference_over_natural_maximum": row["reference"] / strongest,
        }


def picture(rows: list[tuple[str, Tensor]], columns: list[str], path: Path, dpi: int = 130) -> None:
    """Images in a grid: one row a unit."""
    mpl.use("agg")
    figure, axes = plt.subplots(
        len(rows), len(columns), figsize=(1.5 * len(columns), 1.6 * len(rows)), squeeze=False
    )
    for line, (name, images) in zip(axes, rows, strict=True):
        for ax, column, image in zip(line, columns, images, strict=True):
            ax.imshow(image.permute(1, 2, 0).numpy())
            ax.set_xticks([], [])
            ax.set_yticks([], [])
            if ax in axes[0]:
                ax.set_title(column, fontsize=8)
        line[0].set_ylabel(name, fontsize=8)
    figure.tight_layout(pad=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi, pil_kwargs={"quality": 88})
    plt.close(figure)


def code_space(weights: Path, data: Path, network: Network, out: Path) -> Generator:
    """The natural-image code space of the tiny autoencoder, fitted once."""
    path = out / f"codes_{network.photos}_{network.side}.safetensors"
    if not path.exists():
        resize = round(network.side * 104 / 96)
        space = iv.fit_code_space(
            f"taesd:{weights / 'taef2'}",
            data / network.photos / "train",
            DIMS,
            image_size=network.side,
            resize=resize,
            most=PHOTOS,
        )
        space.save(path)
    return iv.load_generator(f"codes:{path}")


def measure(name: str, weights: Path, data: Path, out: Path, generations: int) -> dict[str, Any]:
    """One network: natural statistics, MEIs, invariance, silencing; and a photo for the first."""
    network = NETWORKS[name]
    file = network.weights if network.weights == "pretrained" else str(weights / network.weights)
    subject = iv.load_subject(network.address, weights=file, allow_code=True)
    assert isinstance(subject, NetworkSubject)
    generator = code_space(weights, data, network, out)
    natural = out / name / "natural"
    if not (natural / "natural.parquet").exists():
        photos = open_folder(data / network.photos / "train")
        measure_folder(subject, photos, natural, sites=[network.readout])
    subject.natural = natural / "natural.parquet"
    shares = getattr(generator, "about", {}).get("shares", [])
    figures: dict[str, Any] = {"variance_in_code_space": sum(shares), "runs": []}
    shown: list[tuple[str, Tensor]] = []
    columns = ["MEI", *(f"invariant: {s}" for s in network.stages), "silencing: pixels"]
    for unit, mei, result in searches(network, subject, generator, out / name, generations):
        figures["runs"] += rows_of(unit, subject, result)
        title = figures["runs"][-1]["name"]
        shown.append((title, torch.cat([mei.image[None].cpu(), result.images()])))
    picture(shown, columns, ROOT / "docs" / "images" / f"real_{name}.jpg")
    if name == "squeezenet":
        figures |= top1(subject, data)
        figures["photo"] = from_photo(network, subject, generator, data, out / name, generations)
    return figures


def from_photo(  # noqa: PLR0917
    network: Network,
    subject: NetworkSubject,
    generator: Generator,
    data: Path,
    out: Path,
    generations: int,
) -> list[dict[str, Any]]:
    """The searches of one unit from the val photo that it answers most to."""
    unit = f"{network.readout}:{network.units[2]}"
    folders = sorted((data / "imagenette224" / "val").iterdir())
    paths = sorted(folders[NETTE.index(network.units[2])].iterdir())
    answers = [
        float(
            subject.respond(photo_reference(p, subject).image[None], [network.readout])[
                network.readout
            ].flatten()[network.units[2]]
        )
        for p in paths
    ]
    best = paths[max(range(len(paths)), key=answers.__getitem__)]
    place = out / "photo"
    place.mkdir(parents=True, exist_ok=True)
    reference, _ = with_code(photo_reference(best, subject), generator, place)
    options = iv.SearchOptions(generations=generations)
    result = depart(network, subject, generator, unit, reference, place, options)
    columns = [*(f"invariant: {s}" for s in network.stages), "silencing: pixels"]
    picture(
        [("from a photo", result.images())], columns, ROOT / "docs" / "images" / "real_photo.jpg"
    )
    iv.write_report(place / "invariance_pixels")
    return list(rows_of(unit, subject, result))


def table(network: dict[str, Any]) -> str:
    """Each unit's searches: how far and at what loss; in bold where the goal was met."""
    runs = network["runs"]
    kinds = list(dict.fromkeys((r["task"], r["site"]) for r in runs))
    names = [f"{task}: `{site}`" for task, site in kinds]
    lines = ["| unit | reference over natural maximum | " + " | ".join(names) + " |"]
    lines.append("| --- |" + " ---: |" * (len(kinds) + 1))
    for unit in dict.fromkeys(r["unit"] for r in runs):
        own = {(r["task"], r["site"]): r for r in runs if r["unit"] == unit}
        first = next(iter(own.values()))
        cells = [f"`{unit}` {first['name']}", f"{first['reference_over_natural_maximum']:.2f} ×"]
        for kind in kinds:
            said = f"{own[kind]['pixel_distance']:.0f}, {own[kind]['reduction']:.0f} %"
            cells.append(f"**{said}**" if own[kind]["status"] == "stopped" else said)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def fill(found: dict[str, Any]) -> None:
    """Put the tables into the page, each between its marks."""
    page = ROOT / "docs" / "published_networks.md"
    text = page.read_text()
    blocks = {name: table(network) for name, network in found["networks"].items()}
    blocks["photo"] = table({"runs": found["networks"]["squeezenet"]["photo"]})
    for name, block in blocks.items():
        before, rest = text.split(f"<!-- {name} -->\n", 1)
        text = f"{before}<!-- {name} -->\n{block}<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
    page.write_text(text)


def main() -> None:
    """Measure the networks and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--generations", type=int, default=60)
    asked = parser.parse_args()
    os.environ["INVARISCOPE_SHARED"] = str(asked.weights.resolve().parent)
    asked.out.mkdir(parents=True, exist_ok=True)
    path = ROOT / "benchmarks" / "real_networks.json"
    found = {
        "machine": describe(torch.device("cpu")),
        "generations": asked.generations,
        "networks": {},
    }
    for name in ("certified_small", "resnet20", "squeezenet"):
        found["networks"][name] = measure(
            name, asked.weights, asked.data, asked.out, asked.generations
        )
        path.write_text(json.dumps(found, indent=1) + "\n")
    fill(found)


if __name__ == "__main__":
    main()
