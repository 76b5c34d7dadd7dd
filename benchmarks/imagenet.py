"""One ImageNet network at 224 px, with photos and weights of others: `docs/imagenet.md`.

    python benchmarks/imagenet.py --photos FOLDER --weights FILE --out FOLDER [--only PART ...]
    python benchmarks/imagenet.py --photos FOLDER --weights FILE --out FOLDER --write

FOLDER of photos holds folders of the ten Imagenette classes by their WordNet ids, at 224 px; the
code space is fitted to those of `--larger` (by default the same), which may be smaller. FILE is
EfficientNet-Lite0 under timm's names; beside it lie the tiny autoencoder's
`taef2_{encoder,decoder}.safetensors`. Searches are studies in OUT/store, each run in a folder of
its own: a second call goes on. `--write` writes `benchmarks/imagenet.json`, the page's tables and,
of generated images alone, `docs/images/imagenet_*.jpg` from what has ended.
"""

import argparse
import json
import math
import resource
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import invariscope as iv
from bench.imagenet_page import TABLES
from bench.imagenet_parts import BOUND, PARTS, READOUT, Part
from bench.imagenet_spaces import SPACES, SpaceBench, try_spaces
from bench.machine import describe
from bench.matched import distance_at
from efficientnet_lite0 import network
from first_run import fill
from invariscope.analysis.affine import affine_baseline
from invariscope.analysis.losses import VALUES, member_at_loss
from invariscope.cli.app import run as invariscope_command
from invariscope.experiments.result import Result
from invariscope.generators import Generator
from invariscope.natural.folder_pass import measure_folder
from invariscope.natural.statistics import NaturalStatistics
from invariscope.photos import PhotoFolder, PhotoRule, batches, open_folder
from invariscope.store.files import replace_file
from invariscope.store.record import RunRecord, load_run
from invariscope.subjects import NetworkSubject
from invariscope.subjects.pixels import farthest_seen, resize_images, share_of_possible
from invariscope.units import parse_target
from real_networks import NETTE, picture

ROOT = Path(__file__).resolve().parent.parent
SMALL = 90  # dots an inch of the large galleries
FITTED = 2500  # photos behind the code space
SPACE = "64_512"  # the one that is searched


@dataclass(frozen=True)
class Given:
    """What the command is given: photos, more photos, weights, and where everything is kept."""

    photos: Path
    larger: Path
    weights: Path
    out: Path

    @property
    def table(self) -> Path:
        """The natural statistics."""
        return self.out / "natural" / "natural.parquet"

    @property
    def subject(self) -> NetworkSubject:
        """The network, with its natural statistics where they are there."""
        return network(str(self.weights), str(self.table) if self.table.exists() else None)

    @property
    def address(self) -> str:
        """The network for a study's file."""
        file = ROOT / "benchmarks" / "efficientnet_lite0.py"
        return f"{file}:network({str(self.weights)!r}, {str(self.table)!r})"

    def generator(self, part: Part) -> str:
        """The address of a part's generator."""
        if part.generator == "codes":
            return f"codes:{self.out / 'codes.safetensors'}"
        return part.generator

    def trial(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Read a trial's figures, or make and keep them."""
        path = self.out / "trials" / f"{name}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, make())
        return json.loads(path.read_text())


def save(path: Path, found: Any) -> None:
    """Write figures whole or not at all."""
    replace_file(path, lambda part: part.write_text(json.dumps(found, indent=1) + "\n"))


def natural(given: Given) -> dict[str, Any]:
    """Measure the readout over the photos: natural maxima, and top-1 among all classes."""
    subject, folder = given.subject, open_folder(given.photos)
    measure_folder(subject, folder, given.out / "natural", sites=[READOUT])
    return given.trial("top1", lambda: top1(subject, folder))


def top1(subject: NetworkSubject, folder: PhotoFolder) -> dict[str, Any]:
    """Top-1 accuracy, of photos cut as timm does it and whole."""
    found: dict[str, Any] = {"photos": len(folder)}
    for name, rule in (("cut", subject.photo), ("whole", PhotoRule(subject.image_size))):
        right = 0
        for part in batches(folder, side=subject.image_size, rule=rule, batch=50):
            answers = subject.respond(part.images, [READOUT])[READOUT].flatten(1).argmax(1)
            right += int((answers.cpu() == wanted(part.labels)).sum())
        found[name] = right / len(folder)
    return found


def wanted(labels: Iterable[int]) -> torch.Tensor:
    """Units of photos by the numbers of their folders."""
    return torch.tensor(NETTE)[torch.as_tensor(labels)]


def space_bench(given: Given) -> SpaceBench:
    """What code spaces are tried with."""
    parts = list(batches(open_folder(given.photos), side=224, rule=PhotoRule(224), batch=50))
    return SpaceBench(
        given.subject,
        READOUT,
        f"taesd:{given.weights.parent / 'taef2'}",
        torch.cat([part.images for part in parts]),
        open_folder(given.larger).spread(FITTED),
        torch.cat([wanted(part.labels) for part in parts]),
        given.out / "spaces",
    )


def spent() -> float:
    """Processor seconds of this process so far."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def search(name: str, given: Given, generations: int, of_mei: int) -> None:
    """Work on a study to its end, and note the images and processor seconds of this call."""
    part, store = PARTS[name], given.out / "store"
    file, clock = given.out / f"{name}.toml", given.out / f"{name}_seconds.json"
    address = given.generator(part)
    file.write_text(part.study_text(given.address, address, generations, of_mei))
    before, began = images_of(store, name), spent()
    code = invariscope_command(["study", "run", str(file), "--out", str(store), "--allow-code"])
    if code:
        raise SystemExit(code)
    more = images_of(store, name) - before
    images, seconds = json.loads(clock.read_text()) if clock.exists() else (0, 0.0)
    if more:
        save(clock, (images + more, seconds + spent() - began))


def images_of(store: Path, name: str) -> int:
    """Count the images of a study's runs that have ended."""
    folder = store / "studies" / name
    return sum(iv.load_study(folder).table()["images"].tolist()) if folder.exists() else 0


def member(record: RunRecord, row: int | None, possible: float) -> dict[str, Any] | None:
    """Figures of a member of a run's front."""
    if row is None:
        return None
    reference = float(record.tensors["reference_activity"].mean())
    own = record.front.iloc[row]
    lost = 100 * (1 - float(own["activation"]) / reference)
    found = {key: float(own[key]) for key in VALUES if key in own} | {"reduction": lost}
    share = 100 * share_of_possible(found["pixel_distance"], possible)
    return {**found, "share": share, "row": row}


def half_of_copies(given: Given, record: RunRecord) -> float | None:
    """Distance of the farthest affine copy of a reference that loses half, if one does."""
    unit, name = record.settings.unit, (record.settings.reference or {})["run"]

    def measure() -> dict[str, Any]:
        copies = affine_baseline(given.subject, unit, record.tensors["reference_image"])
        far = distance_at(copies, 50)
        return {"half": None if math.isnan(far) else far}

    return given.trial(f"affine_{name}", measure)["half"]


def run_figures(given: Given, record: RunRecord) -> dict[str, Any]:
    """Figures of a search: the members at fixed losses, beside affine copies."""
    s, front = record.settings, record.front
    reference = float(record.tensors["reference_activity"].mean())
    possible = farthest_seen(
        record.tensors["reference_image"], record.labels, s.subject, s.generator
    )
    rows = {
        "half": member_at_loss(front, reference, 50, s.task),
        "all": member_at_loss(front, reference, 100, s.task),
        "most": int(front["activation"].to_numpy(float).argmin()),
    }
    return {
        "unit": s.unit,
        "task": s.task,
        "site": s.site,
        "status": record.outcome["status"],
        "images": record.outcome["images"],
        "reference": reference,
        "affine": half_of_copies(given, record),
        **{name: member(record, row, possible) for name, row in rows.items()},
    }


def ended(given: Given, name: str) -> int:
    """Count a study's runs that came to their end."""
    return sum(record.outcome["status"] != "interrupted" for record in records_of(given, name))


def records_of(given: Given, name: str) -> list[RunRecord]:
    """Load a study's runs that have ended or were interrupted."""
    folder = given.out / "store" / "studies" / name
    if not folder.exists():
        return []
    study = iv.load_study(folder)
    folders = [study.folder.runs / run.folder for run in study.planned_runs]
    return [load_run(folder) for folder in folders if (folder / "outcome.json").exists()]


def part_figures(name: str, given: Given, generator: Generator) -> dict[str, Any]:
    """Figures of a study's runs that have ended."""
    part = PARTS[name]
    clock = given.out / f"{name}_seconds.json"
    bounded = iv.constrain_generator(generator, code_percentile=BOUND)
    found: dict[str, Any] = {
        "generator": part.generator,
        "bound": BOUND if part.bounded else None,
        "norm": bounded.radius,
        "clock": json.loads(clock.read_text()) if clock.exists() else (0, 0.0),
        "meis": {},
        "runs": [],
    }
    for record in records_of(given, name):
        s = record.settings
        if s.task == "excitation":
            best = record.front.iloc[-1]
            found["meis"][s.unit] = {
                "activity": float(best["activation"]),
                "saturation": float(best["saturation"]),
                "code_norm": float(best["code_norm"]),
                "images": record.outcome["images"],
            }
        else:
            found["runs"].append(run_figures(given, record))
    return found


def gallery(name: str, given: Given, generator: Generator) -> None:
    """Each unit's MEI, the farthest images that keep half, and the one that weakens it most."""
    part, records = PARTS[name], records_of(given, name)
    columns = ["MEI", *(f"half kept: {site}" for site in part.sites)]
    columns += ["most lost: pixels"]
    rows = []
    for number in part.units:
        unit = f"{READOUT}:{number}"
        own = [r for r in records if r.settings.unit == unit and r.settings.task != "excitation"]
        if len(own) + 1 < len(columns):
            continue
        own.sort(
            key=lambda r: (r.settings.task == "adversarial", part.sites.index(r.settings.site))
        )
        chosen = [run_figures(given, r) for r in own]
        key = {"invariance": "half", "adversarial": "most"}
        at = [(f[key[f["task"]]] or f["most"])["row"] for f in chosen]
        images = Result(own, generator).member_images(at)
        mei = own[0].tensors["reference_image"][None]
        rows.append((given.subject.classes[number], torch.cat([mei, images])))
    if rows:
        picture(rows, columns, ROOT / "docs" / "images" / f"imagenet_{name}.jpg", SMALL)


def mei_gallery(given: Given) -> None:
    """Show the MEIs of every generator side by side, of the units that all have one.

    Those of a bounded code space, which few units have, are not shown.
    """
    rows: dict[str, dict[str, torch.Tensor]] = {}
    for name, part in PARTS.items():
        found = [r for r in records_of(given, name) if r.settings.task == "excitation"]
        if found and not part.bounded:
            generator = iv.load_generator(given.generator(part))
            images = Result(found, generator).member_images([len(r.front) - 1 for r in found])
            own = rows.setdefault(part.generator, {})
            own |= {
                r.settings.unit: resize_images(i[None], 224)[0]
                for r, i in zip(found, images, strict=True)
            }
    if rows:
        units = [u for u in next(iter(rows.values())) if all(u in own for own in rows.values())]
        columns = [given.subject.classes[int(unit.split(":")[1])] for unit in units]
        shown = [(name, torch.stack([own[unit] for unit in units])) for name, own in rows.items()]
        picture(shown, columns, ROOT / "docs" / "images" / "imagenet_meis.jpg")


def collect(given: Given) -> dict[str, Any]:
    """Collect everything that has ended."""
    subject = given.subject
    statistics = NaturalStatistics.load(given.table, subject)
    units = {}
    for number in NETTE:
        unit = f"{READOUT}:{number}"
        own = statistics.of(parse_target(unit, subject.sites()))
        assert own is not None
        about = {"maximum": own.maximum, "minimum": own.minimum}
        units[unit] = {"name": subject.classes[number], **about}
    found = {
        "machine": describe(torch.device("cpu")),
        "top1": natural(given),
        "units": units,
        "space": SPACE,
        "spaces": {},
        "parts": {},
        "waiting": {},
    }
    for name in ("photos", "embedded", *SPACES):
        if (path := given.out / "trials" / f"{name}.json").exists():
            words = SPACES[name].words if name in SPACES else "`embedded`, 96 px"
            found["spaces"][name] = {"words": words, **json.loads(path.read_text())}
    for name, part in PARTS.items():
        found["waiting"][name] = part.runs - ended(given, name)
        if records_of(given, name):
            generator = iv.load_generator(given.generator(part))
            found["parts"][name] = part_figures(name, given, generator)
            if not part.bounded:
                gallery(name, given, generator)
    mei_gallery(given)
    return found


def write(found: dict[str, Any]) -> None:
    """Write the figures and the page's tables."""
    save(ROOT / "benchmarks" / "imagenet.json", found)
    page = ROOT / "docs" / "imagenet.md"
    text = page.read_text()
    for name, table in TABLES.items():
        text = fill(text, f"imagenet.json {name}", table(found))
    page.write_text(text)


def main() -> None:
    """Measure what is missing, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--larger", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=["spaces", *PARTS], default=["spaces", *PARTS])
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--mei-generations", type=int, default=32)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    places = (asked.photos, asked.larger or asked.photos, asked.weights, asked.out)
    given = Given(*(place.resolve() for place in places))
    if asked.write:
        write(collect(given))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    natural(given)
    space = given.out / "codes.safetensors"
    if not space.exists():
        space_bench(given).space(SPACE).save(space)
    if "spaces" in asked.only:
        try_spaces(space_bench(given), given.trial)
    for name in PARTS:
        if name in asked.only:
            search(name, given, asked.generations, asked.mei_generations)


if __name__ == "__main__":
    main()
