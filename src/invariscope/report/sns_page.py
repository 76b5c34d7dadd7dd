"""`docs/reproduce/sns.md`: each figure's numbers beside the paper's, with verdict and reason."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.errors import StoreError
from invariscope.report.sns_claims import CLAIMS, Claim
from invariscope.report.sns_verdicts import UNTESTED, Tables, Verdict
from invariscope.store.files import make_folder, replace_file
from invariscope.study.analyses import read_tables

JOINED = ("convergence", "missing")  # of every study; of the others the first study's counts
MOST_ROWS = 40
MOST_PARTS = 6  # of what was found, in the first table
HEAD = """# Stretch-and-Squeeze, figure by figure

What the analyses of the studies below found, beside what the paper (Tausani et al.,
[arXiv 2506.17040](https://arxiv.org/abs/2506.17040)) says. The paper measured a ResNet-50 at
224 px with 500 generations a run; distances compare as shares of the possible, not as numbers.
Where a verdict is "not testable at this size", the last column says what is missing.

Written by `{command}` from every table in `STUDY/analysis` (CSV), those of earlier calls
included; the verdicts are in `{name}` too.
"""


def gather(folders: Sequence[Path]) -> dict[str, pd.DataFrame]:
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


def judged(tables: Tables) -> list[tuple[Claim, Verdict]]:
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


def first_parts(claim: Claim, found: str) -> str:
    """What was found, its first parts where they are many: the table below has them all."""
    parts = found.split("; ")
    if len(parts) <= MOST_PARTS:
        return found
    rest = len(parts) - MOST_PARTS
    return "; ".join(parts[:MOST_PARTS]) + f"; {rest} more in the table {claim.analysis!r} below"


def as_markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, its numbers to three digits, at most 40 rows."""
    shown = table.drop(columns=["study", "runs"], errors="ignore").head(MOST_ROWS)
    lines = [
        "| " + " | ".join(map(str, shown.columns)) + " |",
        "|" + " --- |" * shown.shape[1],
        *("| " + " | ".join(map(_cell, row)) + " |" for row in shown.itertuples(index=False)),
    ]
    if len(table) > MOST_ROWS:
        lines.append(f"\n{len(table) - MOST_ROWS} more rows are in the CSV.")
    return "\n".join(lines)


WHOLE = {"galleries", "fronts", "missing", "gradients_starts", "appearance_sites", "paths_places"}


def write_page(folders: Sequence[Path], page: Path, command: str = "") -> Path:
    """Write the page, and the verdicts as JSON beside it.

    Args:
        folders: `STUDY/analysis` of each study.
        command: what a person typed.

    Raises:
        StoreError: no tables, or a page that cannot be written.
    """
    tables = gather(folders)
    verdicts = judged(tables)
    record = page.with_suffix(".json")
    lines = [HEAD.format(command=command or "invariscope analyze", name=record.name)]
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
        if name in WHOLE:
            continue
        runs = ", ".join(map(str, dict.fromkeys(table["runs"])))
        studies = ", ".join(map(str, dict.fromkeys(table["study"])))
        lines.append(f"### {name}\n\nStudy {studies}; runs that count: {runs}.\n")
        lines.append(as_markdown(table) + "\n")
    plain = [
        {"figure": c.figure, "analysis": c.analysis, "paper": c.paper, **v._asdict()}
        for c, v in verdicts
    ]
    make_folder(page.parent)
    text = json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
    replace_file(record, lambda part: part.write_text(text, encoding="utf-8"))
    replace_file(page, lambda part: part.write_text("\n".join(lines), encoding="utf-8"))
    return page
