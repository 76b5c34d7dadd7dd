"""Write the README's table of the two papers' claims, each with its verdict, and count all.

Reads `docs/reproduce/sns.json` and `docs/reproduce/across_category/*/claims.json`, which
`invariscope analyze … --page` and `invariscope categories reproduce` wrote.

    python benchmarks/claims.py
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from first_run import fill
from invariscope.markup import markdown_table
from invariscope.paper.claim import CONTRADICTED, HOLDS, NOTHING, UNDECIDED, read_claim
from invariscope.paper.figure_claims import (
    APART,
    CONTROLS,
    FALLS,
    FARTHER,
    FRONTS,
    SHARED,
    SILENCING,
)

ROOT = Path(__file__).resolve().parent.parent
MARK = "benchmarks/claims.py"
IMAGENETTE = "across_category/imagenette/claims.json"
SNS = (FARTHER, CONTROLS, SILENCING, FRONTS, APART, FALLS.format("standard"), SHARED)
# Of the second paper the statements that two seeds or more could decide, by their first words.
CATEGORIES = (
    "Within-category accuracy falls",
    "Across-category accuracy rises",
    "Training with a transformation raises",
    "I_k rises from",
    "I_k builds up across layers",
)


def stored(name: str) -> Any:
    """Read a file of verdicts."""
    return json.loads((ROOT / "docs/reproduce" / name).read_text())


def row(paper: str, record: dict[str, Any], conditions: str) -> list[str]:
    """Make a claim's row: of its numbers the first that decides."""
    claim = read_claim(record)
    parts = [part for part in claim.evidence if part.verdict == claim.verdict] or claim.evidence
    found = parts[0].words if parts else claim.reason
    more = f" (1 of {len(claim.evidence)} numbers)" if len(claim.evidence) > 1 else ""
    return [
        f"{paper}, {claim.source}",
        claim.statement,
        f"**{claim.verdict}**",
        found + more,
        conditions,
    ]


def as_markdown() -> str:
    """Make the table: the claim, the verdict, a number with its interval, the conditions."""
    records = {record["statement"]: record for record in stored("sns.json")}
    rows = [row("SnS", records[words], records[words]["conditions"]) for words in SNS]
    whole = stored(IMAGENETTE)
    facts = whole["facts"]
    conditions = (
        f"{facts['title']}: {facts['networks']} networks, {facts['seeds']} seeds, "
        f"{facts['transformations']}"
    )
    for words in CATEGORIES:
        (record,) = (r for r in whole["claims"] if r["statement"].startswith(words))
        rows.append(row("categories", record, conditions))
    table = markdown_table(["paper", "claim", "verdict", "found", "conditions"], rows)
    return f"{table}\n\n{counts(stored('sns.json'), 'first paper')} {of_second_paper()}\n"


def counts(records: list[dict[str, Any]], where: str) -> str:
    """Count verdicts, and name the claims that are contradicted."""
    found = Counter(read_claim(record).verdict for record in records)
    against = [r["source"] for r in records if read_claim(r).verdict == CONTRADICTED]
    named = ", ".join(
        f"{source} ({number})" if number > 1 else source
        for source, number in sorted(Counter(against).items())
    )
    said = f" ({named})" if named else ""
    return (
        f"Of the {len(records)} claims of the {where}, {found[HOLDS]} hold, {found[CONTRADICTED]} "
        f"are contradicted{said}, {found[UNDECIDED]} are undecided and {found[NOTHING]} have "
        "nothing to compare."
    )


def of_second_paper() -> str:
    """Count the verdicts of the second paper's claims in all studies of its page."""
    folders = sorted((ROOT / "docs/reproduce/across_category").glob("*/claims.json"))
    records = [r for path in folders for r in json.loads(path.read_text())["claims"]]
    return counts(records, f"second paper, each in {len(folders)} studies")


def main() -> None:
    """Put the table into the README."""
    path = ROOT / "README.md"
    path.write_text(fill(path.read_text(), MARK, as_markdown()))


if __name__ == "__main__":
    main()
