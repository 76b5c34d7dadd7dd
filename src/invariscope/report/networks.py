"""Reports on a study of networks: a page, tables and figures, and the findings in Markdown."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

from invariscope.analysis.across import NetworkTables
from invariscope.categories.result_tables import read_tables
from invariscope.errors import StoreError
from invariscope.invariance.ablation import passed_by
from invariscope.invariance.calibrate import bound_of
from invariscope.markup import markdown_table
from invariscope.paper.claim import Claim, read_claim
from invariscope.paper.findings import clean_accuracy, find
from invariscope.paper.measured_study import MeasuredStudy, base_name
from invariscope.plurals import number_of
from invariscope.report.network_figures import NetworkFigure, network_figures
from invariscope.report.page import fill, svg
from invariscope.store.files import make_folder, replace_file
from invariscope.transformations import load, names

PAGE, CLAIMS = "report.html", "claims.json"
BY_CHANNEL = (
    "Measured before each place of a channel was a unit: a unit here is a channel's mean over "
    "places (or tokens), so layers do not compare (finding 6, Fig. 11)."
)


def families() -> dict[str, str]:
    """List the family of every known transformation."""
    return {name: load(name).group for name in names()}


@dataclass(frozen=True)
class ReportedStudy:
    """A study as a page of findings describes the study.

    Attributes:
        facts: figures about the study itself.
        faults: what could not be trained, a sentence each.
        claims: the findings.
        captions: name, title and caption of each figure on the page.
    """

    facts: dict[str, Any]
    faults: list[str]
    claims: list[Claim]
    captions: list[list[str]]

    def save(self, folder: Path) -> None:
        """Write `claims.json`, the source of the page when the page is written again."""
        plain = {**vars(self), "claims": [claim.record() for claim in self.claims]}
        text = json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
        replace_file(folder / CLAIMS, lambda part: part.write_text(text, encoding="utf-8"))


def load_reported(folder: Path) -> ReportedStudy:
    """Read a study that `ReportedStudy.save` wrote.

    Raises:
        StoreError: the file is damaged.
    """
    path = folder / CLAIMS
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        claims = [read_claim(record) for record in plain["claims"]]
        return ReportedStudy(plain["facts"], plain["faults"], claims, plain["captions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{str(path)!r} is damaged ({error}); report the study again") from error


def weaker_than_calibrated(study: MeasuredStudy) -> list[str]:
    """Name transformations weaker than by the paper's rule of calibration."""
    told, clean = [], clean_accuracy(study)[0]
    bound, _ = bound_of(study.tables.chance, clean)
    grows = [name for name in names() if load(name).strength]
    for label in study.single:
        kept = float(study.without(label).mean())
        if base_name(label) in grows and kept > bound:
            told.append(
                f"{label} is weaker than the paper's rule makes it: networks that never saw it are "
                f"still right in {100 * kept:.0f} %, and strength grows until that is "
                f"{100 * bound:.0f} % (`invariscope calibrate`)."
            )
    return told


def _facts(tables: NetworkTables, title: str) -> dict[str, Any]:
    words = passed_by(tables.ablation)
    around = [f"{words[0].upper()}{words[1:]}."] if words else []
    by_channel = [] if tables.layers_compare else [BY_CHANNEL]
    study = MeasuredStudy(tables, families())
    return {
        "title": tables.plan["title"] or title,
        "networks": len(tables.training),
        "planned": sum(not row["fault"] for row in tables.plan["networks"]),
        "categories": tables.categories,
        "training_images": tables.plan["training_images"],
        "test_images": tables.plan["test_images"],
        "chance": tables.chance,
        "clean": clean_accuracy(study)[0],
        "minutes": sum(tables.training["seconds"].tolist()) / 60,
        "tau": tables.measured.get("tau"),
        "site": tables.site,
        "seeds": len({row["seed"] for row in tables.plan["networks"]}),
        "transformations": ", ".join(tables.transformations),
        "counts": ", ".join(str(c) for c in sorted(set(tables.beside["count"]))),
        "notes": [
            *tables.plan["notes"],
            *by_channel,
            *weaker_than_calibrated(study),
            *around,
        ],
    }


def report_study(
    folder: Path, beside: Path | None = None
) -> tuple[ReportedStudy, NetworkTables, list[NetworkFigure]]:
    """Judge a study and draw its figures.

    Args:
        folder: the study's.
        beside: a second study of another network, for finding 9, or of the recurrent twin.

    Raises:
        StoreError: nothing was measured there.
    """
    tables, of_kind = read_tables(folder), families()
    second = None if beside is None else read_tables(beside)
    claims = find(tables, of_kind, second)
    figures = network_figures(tables, of_kind)
    faults = [row["fault"] for row in tables.plan["networks"] if row["fault"]]
    captions = [[d.name, d.title, d.caption] for d in figures]
    facts = _facts(tables, folder.name)
    if second and beside:
        other = _facts(second, beside.name)
        named = f"Beside it: {other['title']}; {number_of(other['networks'], 'network')}"
        facts["notes"] = [*facts["notes"], f"{named}, clean accuracy {100 * other['clean']:.1f} %."]
    return ReportedStudy(facts, list(dict.fromkeys(faults)), claims, captions), tables, figures


def _png(drawn: NetworkFigure, path: Path) -> None:
    with mpl.rc_context({"svg.hashsalt": "invariscope"}):
        replace_file(
            path, lambda part: drawn.figure.savefig(part, format="png", dpi=110, metadata={})
        )


def write_networks_report(folder: Path, beside: Path | None = None) -> Path:
    """Write `report.html`, `tables/` and `figures/` into a study's folder.

    Args:
        folder: the study's.
        beside: a second study of another network, for finding 9, or of the recurrent twin.

    Returns:
        The page's path.

    Raises:
        StoreError: nothing was measured there, or the folder cannot be written.
    """
    study, tables, figures = report_study(folder, beside)
    study.save(tables.save(folder / "tables"))
    place = make_folder(folder / "figures")
    for drawn in figures:
        _png(drawn, place / f"{drawn.name}.png")
    shown = [
        {"name": d.name, "title": d.title, "caption": d.caption, "image": svg(d.figure)}
        for d in figures
    ]
    context = {
        **vars(study),
        "figures": shown,
        "beside": tables.beside.to_dict("records"),
        "plan": tables.plan,
    }
    text, page = fill("networks.html", context), folder / PAGE
    replace_file(page, lambda part: part.write_text(text, encoding="utf-8"))
    return page


def _markdown(study: ReportedStudy, pictures: str) -> list[str]:
    facts = study.facts
    about = (
        f"{facts['networks']} of {number_of(facts['planned'], 'network')}, "
        f"{number_of(facts['seeds'], 'seed')}; {number_of(facts['categories'], 'category')}, "
        f"{facts['training_images']} training and "
        f"{number_of(facts['test_images'], 'test image')}; trained with "
        f"{facts['transformations']}; {facts['counts']} categories seen transformed. Training "
        f"took {facts['minutes']:.0f} minutes in all. Clean accuracy is "
        f"{100 * facts['clean']:.1f} % (chance {100 * facts['chance']:.1f} %). τ = "
        f"{facts['tau']:g}; penultimate layer `{facts['site']}`."
    )
    notes = [*facts["notes"], *(f"{fault}." for fault in study.faults)]
    lines = [f"## {facts['title']}", "", about, "", *(f"- {note}" for note in notes)]
    lines += [""] * bool(notes)
    rows = [
        [c.source.removeprefix("finding "), c.statement, c.found or "–", f"**{c.outcome}**"]
        for c in study.claims
    ]
    lines += [markdown_table(["finding", "the paper", "found", "verdict"], rows), ""]
    for name, title, caption in study.captions:
        lines += [f"![{title}]({pictures}/{name}.png)", "", f"*{title.rstrip('.')}. {caption}*", ""]
    return lines


HEAD = """# Robustness to transformations across categories

Jang et al., *Robustness to Transformations Across Categories* (arXiv 2007.00112), with networks
that fit the machine at hand. This page is written from result files by

```
{command}
```

One rule gives the verdicts. A number with its 95 % interval **holds** where the interval is between
the stated bounds and is **contradicted** where the interval is wholly beyond one; an interval with
a bound inside, or no interval, is **undecided**. Networks that share a seed are one cluster:
intervals are Student's t over seeds (few seeds give wide ones), of correlations over the seeds'
Fisher z inside each transformation; values that are all equal have none. Of several numbers each
must hold (Bonferroni), those too that could not be compared.
The numbers of each study are in `claims.json` beside the figures, from which the command writes
the page again.
"""
FIRST_LINE = HEAD.partition("\n")[0] + "\n"


def write_reproduction(folders: Sequence[Path], path: Path, beside: Path | None = None) -> Path:
    """Write the findings of studies as one Markdown page, pictures beside the page.

    Args:
        folders: the studies, the main one first; or folders with `claims.json` and pictures that
            an earlier page has beside it.
        path: of the page.
        beside: a second study, as in `report_study`, for the first of the folders.

    Raises:
        StoreError: nothing was measured in a folder, or the page cannot be written.
    """
    words = " ".join(folder.name for folder in folders)
    second = f" --beside {beside.name}" if beside else ""
    command = f"invariscope categories reproduce {words}{second} --out {path.name}"
    lines = [HEAD.format(command=command)]
    for number, folder in enumerate(folders):
        pictures = make_folder(path.parent / path.stem / folder.name)
        if (folder / CLAIMS).exists():
            study = load_reported(folder)
            for name, _, _ in study.captions:
                content = (folder / f"{name}.png").read_bytes()
                replace_file(pictures / f"{name}.png", lambda part, c=content: part.write_bytes(c))
        else:
            study, _, figures = report_study(folder, beside if number == 0 else None)
            for drawn in figures:
                _png(drawn, pictures / f"{drawn.name}.png")
        study.save(pictures)
        lines += _markdown(study, f"{path.stem}/{folder.name}")
    text = "\n".join(lines).rstrip() + "\n"
    replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))
    return path
