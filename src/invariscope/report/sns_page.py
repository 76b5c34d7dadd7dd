"""`docs/reproduce/sns.md`: each figure's numbers beside the paper's, with verdict and reason."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from invariscope.analysis.controls import AFFINE
from invariscope.analysis.coverage import AS_MANY, SECOND
from invariscope.analysis.grouping import rows_where, rows_with
from invariscope.analysis.intervals import SHARE, summary_interval
from invariscope.analysis.recognition import REACHED
from invariscope.errors import StoreError
from invariscope.markup import markdown_table
from invariscope.paper.claim import NOTHING, Claim
from invariscope.paper.figure_claims import (
    BOUND,
    COVERED,
    FARTHER,
    MATCHES,
    TESTS,
    figure_claims,
)
from invariscope.paper.measured_figures import bounded, first_study, unbounded
from invariscope.plurals import number_of
from invariscope.report.explained import EXPLAINED
from invariscope.report.figures import FIGURES
from invariscope.store.files import make_folder, replace_file
from invariscope.study.analyses import read_tables, save_tables

# Tables of every study; of the others the first study's counts.
JOINED = ("convergence", "missing", "controls", "controls_means", "losses", "losses_runs")
JOINED += (
    "distance",
    "distance_beside_affine",
    "distance_of_tasks",
    "appearance",
    "naturalness",
    "observers",
)
JOINED += ("observers_slopes",)  # Fig 4e is about the networks of several studies
JOINED += (
    "appearance_sites",
    "separability",
    "observers_robust",
)  # with codes bounded in a study beside
JOINED += ("coverage", "coverage_gains")  # restarts of one study, a twin beside in another
POOLED = ("Fig 4e", "coverage")  # claims about several studies; each other one is judged in one
MOST_ROWS = 40
MOST_FIGURES = 4  # of a table
MOST_PARTS = 6  # of what was found, in the first table
MANY = ("study", "constraints")  # of them those that stay in a table of several studies
NOT_PRINTED = {"galleries", "fronts", "fronts_ends", "losses_runs", "paths_places"}
NOT_PRINTED |= {"gradients_runs", "acceptance_images", "coverage_runs", "displacement_units"}
SHARES = ("above_maximum", "share", "saturation")  # columns between 0 and 1
ABOUT = ("study", "runs", "chosen", "budget", "constraints")  # what the line above a table says
HEAD = """# Stretch-and-Squeeze, figure by figure

What the analyses of the studies below found, beside what the paper (Tausani et al.,
[arXiv 2506.17040](https://arxiv.org/abs/2506.17040)) says. The paper measured a ResNet-50 at
224 px with 500 generations a run; the budget of our runs stands above each table. Distances compare
as shares of the possible, not as numbers.

One rule gives the verdicts. A number with its 95 % interval **holds** where the interval is between
the stated bounds and is **contradicted** where the interval is wholly beyond one; an interval with
a bound inside, or no interval, is **undecided**. Of several numbers each must hold, those too
that could not be compared, and their intervals are widened so that all together are wrong in 5 % at
most (Bonferroni). Values that are all equal have no interval: they say nothing of others.

Of a run counts the member that the table names: `kept`, the farthest that still beats every natural
image (silencing: the nearest below them all) or, of a front without such a member, the one at its
knee (silencing: of the lowest activity); `farthest`, the last of the front, the original's choice;
or the farthest that loses at most so much. In the tables `mean [low, high]` is a mean over units
with Student's 95 % interval; `low` and `high` are ends of 95 % intervals over units (Fig. 4c: over
units and observers). `saturation` is the share of an image's values at an end of the range,
`code_norm` the length of its code. [Analyses](../analyses.md) says what the other columns are.

Written by `{command}` from the tables of `STUDY/analysis`, those of earlier calls included. The
verdicts are in `{name}.json` too, tables and figures in the folder `{name}`; without a STUDY the
command writes the page again from these.
"""
FIRST_LINE = HEAD.partition("\n")[0] + "\n"
VERDICT = ("analysis", "verdict")  # of what the JSON file has of each


def collect_tables(folders: Sequence[Path], earlier: Path | None = None) -> dict[str, pd.DataFrame]:
    """Read the tables of several studies; of a table in two the first study's.

    Studies have the order of the page as it was, where their tables are read again or stay; after
    them come those that are new to it, in the order given.

    Args:
        folders: of tables.
        earlier: of the page as it was: rows of studies that are none of the others stay.

    Raises:
        StoreError: there are none.
    """
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for folder in folders:
        for name, table in read_tables(folder).items():
            for study, rows in _by_study(table).items():
                found.setdefault(name, {}).setdefault(study, rows)
    if not found:
        raise StoreError(f"no analyses in {', '.join(map(repr, map(str, folders)))}; make them")
    now = [study for parts in found.values() for study in parts]
    before = read_tables(earlier) if earlier else {}
    for name, table in before.items():
        kept = {study: rows for study, rows in _by_study(table).items() if study not in now}
        if kept:
            found[name] = found.get(name, {}) | kept
    longest_first = sorted(map(_by_study, before.values()), key=len, reverse=True)
    order = dict.fromkeys([study for parts in longest_first for study in parts] + now)
    place = {study: i for i, study in enumerate(order)}
    tables = {}
    for name, parts in found.items():
        own = [parts[study] for study in sorted(parts, key=place.__getitem__)]
        tables[name] = pd.concat(own, ignore_index=True) if name in JOINED else own[0]
    return tables


def _by_study(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Split a table into the rows of each study; an empty name where the table does not say."""
    names = pd.Series(_studies(table), index=table.index, dtype=object)
    return {str(s): rows_where(table, names == s) for s in dict.fromkeys(names)}


def _studies(table: pd.DataFrame) -> list[str]:
    """Name the study of each row; an empty name where the table does not say."""
    return [str(name) for name in table["study"]] if "study" in table else [""] * len(table)


def first_parts(claim: Claim) -> str:
    """Say the first parts of the evidence; a table below has the rest."""
    parts = [part.words for part in claim.evidence if math.isfinite(part.value)]
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


def about(table: pd.DataFrame) -> str:
    """Say of a table's rows the study, filter, member, budget and constraints."""
    if "match" in table:
        reached = table["match"] == REACHED
        table = table.assign(runs=table["runs"].mask(reached, "those that reached 25 of 50"))
        if "chosen" in table:
            table = table.assign(chosen=table["chosen"].where(reached, table["match"]))
    said = {k: ", ".join(map(str, dict.fromkeys(table[k].dropna()))) for k in ABOUT if k in table}
    words = [f"Study {said['study']}; runs that count: {said['runs']}"]
    words += [f"member: {said['chosen']}"] if said.get("chosen") else []
    words += ["at most " + said["budget"] + " images a run"] if said.get("budget") else []
    held = said.get("constraints", "none")
    words += [f"constraints: {held}"] if held != "none" else []
    return "; ".join(words) + "."


def conditions(claim: Claim, table: pd.DataFrame | None) -> str:
    """Say the units, study, filter, member and budget of the rows that a claim judges."""
    if table is None or not claim.evidence or "runs" not in table:
        return ""
    rows = bounded(table) if claim.statement.endswith(BOUND) else unbounded(table)
    if "match" in rows:
        ends = (match for end, match in MATCHES.items() if claim.statement.endswith(end))
        rows = rows_with(rows, match=next(ends, REACHED))
    if "gain" in rows:
        rows = rows_with(rows, gain=AS_MANY if claim.statement == COVERED else SECOND)
    if "loss" in rows and len(claim.evidence):
        judged = [any(f"{x:g} % lost" in p.name for p in claim.evidence) for x in rows["loss"]]
        rows = rows_where(rows, pd.Series(judged, rows.index)) if any(judged) else rows
    if "series" in rows and claim.statement.startswith(FARTHER):
        rows = rows_with(rows, series=AFFINE)
    rows = rows if claim.source in POOLED else first_study(rows)
    if name := next((name for name in ("source", "subject") if name in rows), None):
        said = " ".join(part.name for part in claim.evidence)
        named = [s for s in set(rows[name]) if re.search(rf"{re.escape(str(s))}(?![\w-])", said)]
        rows = rows_where(rows, rows[name].isin(named)) if named else rows
    if "kind" in rows:
        said = " ".join(part.name for part in claim.evidence)
        seen = [f"{kind} observers" in said for kind in rows["kind"]]
        rows = rows_where(rows, pd.Series(seen, rows.index)) if any(seen) else rows
    if "site" in rows:
        judged = [any(f"stretched at {x}:" in p.name for p in claim.evidence) for x in rows["site"]]
        rows = rows_where(rows, pd.Series(judged, rows.index)) if any(judged) else rows
    return "; ".join(filter(None, [_units(rows), about(rows).rstrip(".")]))


def _units(rows: pd.DataFrame) -> str:
    """Count the units of some rows; where rows differ, the fewest and the most."""
    number = counted(rows)
    counts: list[int] = []
    if "unit" in rows:
        counts = [len(set(rows["unit"]))]
    elif number:
        counts = [int(n) for n in rows[number].tolist() if n > 0]
    said = [_range(counts, "unit")] if counts else []
    if "observers" in rows and len(rows):
        said.append(_range([int(n) for n in rows["observers"]], "observer"))
    return ", ".join(said)


def counted(table: pd.DataFrame) -> str | None:
    """Find the column that counts the units behind a table's means."""
    return next((name for name in ("compared", "units") if name in table), None)


def _range(counts: Sequence[int], noun: str) -> str:
    """Write a count; where rows differ, the fewest and the most."""
    fewest, most = min(counts), max(counts)
    return number_of(most, noun) if fewest == most else f"{fewest} to {number_of(most, noun)}"


def survivors(claims: Sequence[Claim]) -> list[str]:
    """Compare verdicts with and without a bound on codes, in a list."""
    decided = {(c.source, c.statement): c.verdict for c in claims}
    pairs = [
        (of, decided[key], verdict)
        for of, verdict in decided.items()
        if of[1].endswith(BOUND) and (key := _unbounded(of, decided))
    ]
    if all(verdict == NOTHING for _, _, verdict in pairs):
        return []
    lines = ["Where codes are held to the natural 99th percentile (an exploration of ours):", ""]
    for (source, statement), before, verdict in pairs:
        change = f"still {verdict}" if before == verdict else f"{verdict} (unbounded: {before})"
        lines.append(f"- {source}, {statement.removesuffix(BOUND)}: **{change}**.")
    return lines


def _unbounded(
    of: tuple[str, str], decided: Mapping[tuple[str, str], str]
) -> tuple[str, str] | None:
    """Find the same statement about codes without a bound."""
    words = of[1].removesuffix(BOUND)
    alike = (k for k in decided if k[0] == of[0] and k[1].startswith(words) and k != of)
    return next(alike, None)


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """Write each mean that has an SD over units as text, with Student's 95 % interval."""
    number = counted(table)
    spreads = [c for c in table if f"{c}_sd" in table] if number else []
    counts = {c: f"{c}_units" if f"{c}_units" in table else number for c in spreads}
    dropped = [f"{c}_sd" for c in spreads] + [n for n in counts.values() if n != number]
    own = table.drop(columns=dropped)
    for column in spreads:
        rows = zip(table[column], table[f"{column}_sd"], table[counts[column]], strict=True)
        bounds = SHARE if column in SHARES else (-math.inf, math.inf)
        own[column] = [_interval(mean, sd, int(n), bounds) for mean, sd, n in rows]
    return own


def _interval(mean: float, sd: float, number: int, bounds: tuple[float, float]) -> str:
    """Write a mean with its interval, if any; a share's ends at 0 and 1."""
    middle, low, high = summary_interval(mean, sd, number)
    low, high = max(low, bounds[0]), min(high, bounds[1])
    if pd.isna(middle):
        return "–"
    return f"{middle:.3g}" if pd.isna(low) else f"{middle:.3g} [{low:.3g}, {high:.3g}]"


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
    if name in EXPLAINED:
        lines.append(f"{EXPLAINED[name].title} {EXPLAINED[name].how}\n")
    if table is not None and "runs" in table:
        lines.append(f"{about(table)}\n")
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
    several = len(set(_studies(table))) > 1
    dropped = [column for column in ABOUT if not (several and column in MANY)]
    shown = with_intervals(table.drop(columns=dropped, errors="ignore")).head(MOST_ROWS)
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
    record, folder = page.with_suffix(".json"), make_folder(page.with_suffix(""))
    tables = collect_tables(folders, None if folder in folders else folder)
    claims = figure_claims(tables)
    studied = {f: {s for t in read_tables(f).values() for s in _studies(t)} for f in folders}
    save_tables(tables, folder)
    known = [conditions(c, tables.get(t.tables[0])) for t, c in zip(TESTS, claims, strict=True)]
    rows = [
        [c.source, c.statement, first_parts(c), f"**{c.outcome}**", words or "–"]
        for c, words in zip(claims, known, strict=True)
    ]
    lines = [HEAD.format(command=command or "invariscope analyze", name=page.stem)]
    lines += [markdown_table(["figure", "the paper", "found", "verdict", "conditions"], rows)]
    lines += ["", *survivors(claims)]
    lines.append("\n## The tables\n")
    for name in dict.fromkeys([*tables, *FIGURES]):
        main = _studies(tables[name])[0] if name in tables else ""
        own = [place for place, studies in studied.items() if main in studies]
        figures = figures_of(name, [*own, folder, *folders])
        if name in tables or figures:
            lines += section(name, tables.get(name), figures, folder)
    records = [
        {**claim.record(), "conditions": words} for claim, words in zip(claims, known, strict=True)
    ]
    text = json.dumps(records, indent=1, ensure_ascii=False) + "\n"
    replace_file(record, lambda part: part.write_text(text, encoding="utf-8"))
    replace_file(page, lambda part: part.write_text("\n".join(lines), encoding="utf-8"))
    return page
