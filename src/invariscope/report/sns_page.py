"""`docs/reproduce/sns.md`: each figure's numbers beside the paper's, with verdict and reason."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from invariscope.errors import StoreError
from invariscope.markup import markdown_table
from invariscope.paper.claim import Claim
from invariscope.paper.figure_claims import figure_claims
from invariscope.plurals import number_of
from invariscope.report.figures import FIGURES
from invariscope.store.files import make_folder, replace_file
from invariscope.study.analyses import read_tables, save_tables

JOINED = ("convergence", "missing")  # of every study; of the others the first study's counts
MOST_ROWS = 40
MOST_FIGURES = 4  # of a table
MOST_PARTS = 6  # of what was found, in the first table
NOT_PRINTED = {"galleries", "fronts", "paths_places"}  # figures say it
LEFT_OUT = {"gradients_starts", "appearance_sites"}
HEAD = """# Stretch-and-Squeeze, figure by figure

What the analyses of the studies below found, beside what the paper (Tausani et al.,
[arXiv 2506.17040](https://arxiv.org/abs/2506.17040)) says. The paper measured a ResNet-50 at
224 px with 500 generations a run; distances compare as shares of the possible, not as numbers.

One rule gives the verdicts. A number with its 95 % interval **holds** where the interval is between
the stated bounds and is **contradicted** where the interval is wholly beyond one; an interval with
a bound inside, or no interval, is **undecided**. Of several numbers each must hold, and their
intervals are widened so that all together are wrong in 5 % at most (Bonferroni).

Written by `{command}` from the tables of `STUDY/analysis`, those of earlier calls included. The
verdicts are in `{name}.json` too, tables and figures in the folder `{name}`; without a STUDY the
command writes the page again from these.
"""
FIRST_LINE = HEAD.partition("\n")[0] + "\n"
VERDICT = ("analysis", "verdict")  # of what the JSON file has of each


def collect_tables(folders: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Read the tables of several studies; of a table in two the first study's.

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


def first_parts(claim: Claim) -> str:
    """Say the first parts of the evidence; a table below has the rest."""
    parts = [part.words for part in claim.evidence]
    rest = len(parts) - MOST_PARTS
    more = [f"{rest} more from the table {claim.analysis!r} below"] if rest > 0 else []
    return "; ".join([*parts[:MOST_PARTS], *more]) or "–"


def figures_of(name: str, folders: Sequence[Path]) -> list[Path]:
    """Find the figures of a table, from the first study that has some; a few of many, evenly."""
    longer = tuple(f"{other}_" for other in FIGURES if other.startswith(f"{name}_"))
    for folder in folders:
        paths = [*folder.glob(f"{name}.png"), *sorted(folder.glob(f"{name}_*.png"))]
        found = [path for path in paths if not f"{path.stem}_".startswith(longer or "/")]
        if found:
            count = min(len(found), MOST_FIGURES)
            return [found[round(k * (len(found) - 1) / max(1, count - 1))] for k in range(count)]
    return []


def section(
    name: str, table: pd.DataFrame | None, figures: Sequence[Path], folder: Path
) -> list[str]:
    """Write a table and its figures as Markdown; `folder` gets the figures.

    Args:
        name: of the table.
        table: None where only the figures were kept.
        figures: files of figures.
        folder: beside the page.
    """
    lines = [f"### {name}\n"]
    if table is not None and "runs" in table:
        runs, studies = (", ".join(map(str, dict.fromkeys(table[k]))) for k in ("runs", "study"))
        lines.append(f"Study {studies}; runs that count: {runs}.\n")
    for path in figures:
        content = path.read_bytes()
        replace_file(folder / path.name, lambda part, c=content: part.write_bytes(c))
        shown = " ".join([name, path.stem.removeprefix(name).strip("_")]).strip()
        lines.append(f"![{shown}]({folder.name}/{path.name})\n")
    if table is None:
        return lines
    whole = f"[{name}.csv]({folder.name}/{name}.csv).\n"
    if name in NOT_PRINTED:
        return [*lines, f"All of {whole}"]
    shown = table.drop(columns=["study", "runs"], errors="ignore").head(MOST_ROWS)
    cells = markdown_table(list(map(str, shown.columns)), shown.itertuples(index=False))
    count = (
        f"The first {MOST_ROWS} of {number_of(len(table), 'row')} of"
        if len(table) > MOST_ROWS
        else "All of"
    )
    return [*lines, cells, f"\n{count} {whole}"]


def write_page(folders: Sequence[Path], page: Path, command: str = "") -> Path:
    """Write the page, the verdicts as JSON, and a folder of tables and figures.

    Args:
        folders: `STUDY/analysis` of each study, or the folder that an earlier page has.
        page: the Markdown file.
        command: what a person typed.

    Raises:
        StoreError: no tables, or a page that cannot be written.
    """
    tables = {k: table for k, table in collect_tables(folders).items() if k not in LEFT_OUT}
    claims = figure_claims(tables)
    record, folder = page.with_suffix(".json"), make_folder(page.with_suffix(""))
    save_tables(tables, folder)
    rows = [[c.source, c.statement, first_parts(c), f"**{c.outcome}**"] for c in claims]
    lines = [HEAD.format(command=command or "invariscope analyze", name=page.stem)]
    lines += [markdown_table(["figure", "the paper", "found", "verdict"], rows)]
    lines.append("\n## The tables\n")
    for name in dict.fromkeys([*tables, *FIGURES]):
        figures = figures_of(name, folders)
        if name in tables or figures:
            lines += section(name, tables.get(name), figures, folder)
    text = json.dumps([c.record() for c in claims], indent=1, ensure_ascii=False) + "\n"
    replace_file(record, lambda part: part.write_text(text, encoding="utf-8"))
    replace_file(page, lambda part: part.write_text("\n".join(lines), encoding="utf-8"))
    return page
