"""What a study of networks shows: a page, its tables and figures, and the findings in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

from invariscope.analysis.network_tables import NetworkTables
from invariscope.categories.result_tables import read_tables
from invariscope.paper.finding_claims import FindingClaim
from invariscope.paper.findings import clean_accuracy, find, findings_table
from invariscope.report.network_figures import NetworkFigure, network_figures
from invariscope.report.page import fill, svg
from invariscope.store.files import make_folder, replace_file
from invariscope.transformations import load, names

PAGE = "report.html"
KEPT = ("fig2a", "fig2b", "fig2c", "fig3b", "fig4", "fig5a", "fig5b", "fig5c", "fig6", "fig12")


def families() -> dict[str, str]:
    """The family of every known transformation."""
    return {name: load(name).group for name in names()}


@dataclass(frozen=True)
class ReportedStudy:
    """A study, read from its files."""

    folder: Path
    tables: NetworkTables
    claims: list[FindingClaim]
    figures: list[NetworkFigure]

    def faults(self) -> list[str]:
        """What could not be trained, a sentence each."""
        rows = self.tables.plan["networks"]
        return list(dict.fromkeys(row["fault"] for row in rows if row["fault"]))

    def facts(self) -> dict[str, Any]:
        """Figures about the study itself."""
        tables = self.tables
        clean = clean_accuracy(tables)
        return {
            "title": tables.plan["title"] or self.folder.name,
            "networks": len(tables.training),
            "planned": sum(not row["fault"] for row in tables.plan["networks"]),
            "categories": tables.categories,
            "training_images": tables.plan["training_images"],
            "test_images": tables.plan["test_images"],
            "chance": tables.chance,
            "clean": clean[0],
            "minutes": sum(tables.training["seconds"].tolist()) / 60,
            "tau": tables.measured.get("tau"),
            "site": tables.site,
            "seeds": len({row["seed"] for row in tables.plan["networks"]}),
            "transformations": ", ".join(tables.transformations),
            "counts": ", ".join(str(c) for c in sorted(set(tables.beside["count"]))),
            "notes": tables.plan["notes"],
        }


def read_study(folder: Path, beside: Path | None = None) -> ReportedStudy:
    """A study's tables, claims and figures.

    Args:
        folder: the study's.
        beside: a second study of another network, for finding 9.

    Raises:
        StoreError: nothing was measured there.
    """
    tables, of_kind = read_tables(folder), families()
    second = None if beside is None else read_tables(beside)
    return ReportedStudy(
        folder, tables, find(tables, of_kind, second), network_figures(tables, of_kind)
    )


def _png(drawn: NetworkFigure, path: Path) -> None:
    with mpl.rc_context({"svg.hashsalt": "invariscope"}):
        replace_file(
            path, lambda part: drawn.figure.savefig(part, format="png", dpi=110, metadata={})
        )


def write_networks_report(folder: Path, beside: Path | None = None) -> Path:
    """Write `report.html`, `tables/` and `figures/` into a study's folder.

    Returns:
        The page's path.

    Raises:
        StoreError: nothing was measured there, or the folder cannot be written.
    """
    shown = read_study(folder, beside)
    tables = shown.tables.save(folder / "tables")
    table = findings_table(shown.claims)
    replace_file(tables / "findings.csv", lambda part: table.to_csv(part, index=False))
    place = make_folder(folder / "figures")
    for drawn in shown.figures:
        _png(drawn, place / f"{drawn.name}.png")
    text = fill(
        "networks.html",
        {
            "facts": shown.facts(),
            "claims": shown.claims,
            "faults": shown.faults(),
            "figures": [
                {"name": d.name, "title": d.title, "caption": d.caption, "image": svg(d.figure)}
                for d in shown.figures
            ],
            "beside": shown.tables.beside.to_dict("records"),
            "plan": shown.tables.plan,
        },
    )
    page = folder / PAGE
    replace_file(page, lambda part: part.write_text(text, encoding="utf-8"))
    return page


def _markdown(shown: ReportedStudy, pictures: str) -> list[str]:
    facts = shown.facts()
    several = "s" * (facts["seeds"] > 1)
    told = (
        f"{facts['networks']} of {facts['planned']} networks, {facts['seeds']} seed{several}; "
        f"{facts['categories']} categories, {facts['training_images']} training and "
        f"{facts['test_images']} test images; trained with {facts['transformations']}; "
        f"{facts['counts']} categories seen transformed. Training took {facts['minutes']:.0f} "
        f"minutes in all. Clean accuracy is {100 * facts['clean']:.1f} % (chance "
        f"{100 * facts['chance']:.1f} %). τ = {facts['tau']:g}; penultimate layer "
        f"`{facts['site']}`."
    )
    lines = [f"## {facts['title']}", "", told, ""]
    lines += [f"- {fault}." for fault in shown.faults()] + [""] * bool(shown.faults())
    lines += ["| finding | claim | outcome | number |", "| --- | --- | --- | --- |"]
    for claim in shown.claims:
        told = "; ".join(filter(None, (claim.number, claim.needs and f"needs {claim.needs}")))
        lines.append(f"| {claim.finding} | {claim.claim} | **{claim.outcome}** | {told} |")
    lines.append("")
    for drawn in shown.figures:
        if drawn.name in KEPT:
            lines += [f"![{drawn.title}]({pictures}/{drawn.name}.png)", ""]
            lines += [f"*{drawn.title}. {drawn.caption}*", ""]
    return lines


HEAD = """# Robustness to transformations across categories

Jang et al., *Robustness to Transformations Across Categories* (arXiv 2007.00112), with networks
that fit the machine at hand. This page is written from result files by

```
{command}
```

A claim **holds** where its number passes the bound that its words name. Intervals are 95 %: of
means by Student's t over networks (two seeds give wide ones), of correlations by Fisher's z, of
ratios by bootstrap. What does not hold at this size says what it would need.
"""
FIRST_LINE = HEAD.partition("\n")[0] + "\n"


def write_reproduction(folders: Sequence[Path], path: Path, beside: Path | None = None) -> Path:
    """Write the findings of studies as one Markdown page, pictures beside it.

    Args:
        folders: the studies; the first is the main one.
        path: of the page.
        beside: a second study of another network, for finding 9 of the first.

    Raises:
        StoreError: nothing was measured in a folder, or the page cannot be written.
    """
    words = " ".join(folder.name for folder in folders)
    second = f" --beside {beside.name}" if beside else ""
    command = f"invariscope categories reproduce {words}{second} --out {path.name}"
    lines = [HEAD.format(command=command)]
    for number, folder in enumerate(folders):
        shown = read_study(folder, beside if number == 0 else None)
        pictures = make_folder(path.parent / path.stem / folder.name)
        for drawn in shown.figures:
            if drawn.name in KEPT:
                _png(drawn, pictures / f"{drawn.name}.png")
        lines += _markdown(shown, f"{path.stem}/{folder.name}")
    text = "\n".join(lines).rstrip() + "\n"
    replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))
    return path
