"""`docs/reproduce/sns.md`: each figure's numbers beside the paper's, with verdict and reason."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.errors import StoreError
from invariscope.paper.figure_claims import CLAIMS, FigureClaim
from invariscope.paper.figure_verdicts import UNTESTED, Tables, Verdict
from invariscope.report.figures import FIGURES
from invariscope.store.files import make_folder, replace_file
from invariscope.study.analyses import read_tables, save_tables

JOINED = ("convergence", "missing")  # of every study; of the others the first study's counts
MOST_ROWS = 40
MOST_FIGURES = 4  # of a table
MOST_PARTS = 6  # of what was found, in the first table
HEAD = """# Stretch-and-Squeeze, figure by figure

What the analyses of the studies below found, beside what the paper (Tausani et al.,
[arXiv 2506.17040](https://arxiv.org/abs/2506.17040)) says. The paper measured a ResNet-50 at
224 px with 500 generations a run; distances compare as shares of the possible, not as numbers.
Where a verdict is "not testable at this size", the last column says what is missing.

Written by `{command}` from every table in `STUDY/analysis`, those of earlier calls included. The
verdicts are in `{name}.json` too, whole tables and the figures in the folder `{name}`.
"""
FIRST_LINE = HEAD.partition("\n")[0] + "\n"
VERDICT = ("figure", "analysis", "paper", "verdict")  # of what the JSON file has of each


def collect_tables(folders: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """The tables of several studies; where two have one, that of the first.

    Raises:
        StoreError: there are none.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    for folder in folders:
        for name, table in read_tables(folder).items():
            if len(table):
                found.setdefault(name, []).append(table)
    if not found:
        raise StoreError(f"no analyses in {', '.join(map(repr, map(str, folders)))}; make them")
    return {
        name: pd.concat(parts, ignore_index=True) if name in JOINED else parts[0]
        for name, parts in found.items()
    }


def judged(tables: Tables) -> list[tuple[FigureClaim, Verdict]]:
    """Every claim with its verdict; one whose tables are not there is not testable."""
    reasons = {}
    if "missing" in tables:
        missing = tables["missing"]
        reasons = dict(zip(missing["analysis"], missing["reason"], strict=True))
    found = []
    for claim in CLAIMS:
        if all(name in tables for name in claim.tables):
            found.append((claim, claim.decide(tables)))
        else:
            reason = reasons.get(claim.analysis, f"the analysis {claim.analysis!r} was not made")
            found.append((claim, Verdict("—", UNTESTED, reason)))
    return found


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.3g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def first_parts(claim: FigureClaim, found: str) -> str:
    """What was found, its first parts where they are many: the table below has them all."""
    parts = found.split("; ")
    if len(parts) <= MOST_PARTS:
        return found
    rest = len(parts) - MOST_PARTS
    return "; ".join(parts[:MOST_PARTS]) + f"; {rest} more in the table {claim.analysis!r} below"


def as_markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, its numbers to three digits, its first 40 rows."""
    shown = table.drop(columns=["study", "runs"], errors="ignore").head(MOST_ROWS)
    lines = [
        "| " + " | ".join(map(str, shown.columns)) + " |",
        "|" + " --- |" * shown.shape[1],
        *("| " + " | ".join(map(_cell, row)) + " |" for row in shown.itertuples(index=False)),
    ]
    return "\n".join(lines)


def figures_of(name: str, folders: Sequence[Path]) -> list[Path]:
    """The figures of a table, from the first study that has some; a few of many, evenly."""
    longer = tuple(f"{other}_" for other in FIGURES if other.startswith(f"{name}_"))
    for folder in folders:
        paths = [*folder.glob(f"{name}.png"), *sorted(folder.glob(f"{name}_*.png"))]
        found = [path for path in paths if not f"{path.stem}_".startswith(longer or "/")]
        if found:
            count = min(len(found), MOST_FIGURES)
            return [found[round(k * (len(found) - 1) / max(1, count - 1))] for k in range(count)]
    return []


def section(name: str, table: pd.DataFrame, figures: Sequence[Path], place: Path) -> list[str]:
    """One table and its figures, which are kept in the folder `place`."""
    runs = ", ".join(map(str, dict.fromkeys(table["runs"])))
    studies = ", ".join(map(str, dict.fromkeys(table["study"])))
    lines = [f"### {name}\n\nStudy {studies}; runs that count: {runs}.\n"]
    for figure in figures:
        replace_file(place / figure.name, lambda part, f=figure: part.write_bytes(f.read_bytes()))
        shown = " ".join([name, figure.stem.removeprefix(name).strip("_")]).strip()
        lines.append(f"![{shown}]({place.name}/{figure.name})\n")
    if name in NOT_PRINTED:
        return lines
    save_tables({name: table}, place)
    whole = f"[{name}.csv]({place.name}/{name}.csv)"
    count = f"The first {MOST_ROWS} of {len(table)} rows of" if len(table) > MOST_ROWS else "All of"
    return [*lines, as_markdown(table), f"\n{count} {whole}.\n"]


NOT_PRINTED = {"galleries", "fronts", "paths_places"}  # figures say it
LEFT_OUT = {"missing", "gradients_starts", "appearance_sites"}


def write_page(folders: Sequence[Path], page: Path, command: str = "") -> Path:
    """Write the page, the verdicts as JSON beside it, and a folder of its tables and figures.

    Args:
        folders: `STUDY/analysis` of each study.
        command: what a person typed.

    Raises:
        StoreError: no tables, or a page that cannot be written.
    """
    tables = collect_tables(folders)
    verdicts = judged(tables)
    record, place = page.with_suffix(".json"), page.with_suffix("")
    make_folder(place)
    lines = [HEAD.format(command=command or "invariscope analyze", name=page.stem)]
    lines += ["| figure | the paper | found | verdict | why |", "| --- | --- | --- | --- | --- |"]
    lines += [
        "| "
        + " | ".join(
            map(_cell, (c.figure, c.paper, first_parts(c, v.found), f"**{v.verdict}**", v.reason))
        )
        + " |"
        for c, v in verdicts
    ]
    lines.append("\n## The tables\n")
    for name, table in tables.items():
        if name not in LEFT_OUT:
            lines += section(name, table, figures_of(name, folders), place)
    plain = [
        {"figure": c.figure, "analysis": c.analysis, "paper": c.paper, **v._asdict()}
        for c, v in verdicts
    ]
    text = json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
    replace_file(record, lambda part: part.write_text(text, encoding="utf-8"))
    replace_file(page, lambda part: part.write_text("\n".join(lines), encoding="utf-8"))
    return page
