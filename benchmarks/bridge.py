"""Do invariant images differ between networks trained with a transformation and without?

Writes `benchmarks/bridge.json` and the table of `docs/categories.md` from a study of
`configs/bridge/blur.toml`'s form: two conditions, the same units and sites in both.

    python benchmarks/bridge.py STORE/studies/NAME
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

import invariscope as iv
from bench.machine import describe
from invariscope.analysis.appearance import STATISTICS, appearance
from invariscope.analysis.grouping import Rows, groups_by, rows_where
from invariscope.analysis.intervals import clustered_mean

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "categories.md"
MARK = "benchmarks/bridge.json"
WORDS = {
    "pixel_distance": "pixel distance",
    "reduction": "activity lost, %",
    "luminance": "change of luminance",
    "contrast": "change of contrast",
    "colour": "change of colourfulness",
    "slope": "change of the spectrum's slope (below 0: smoother)",
    "texture": "texture, distance",
    "layout": "layout, distance",
}


def measured(study: iv.StudyResult) -> Rows:
    """One row a run: its condition and every number that is compared."""
    table = study.table()
    table = rows_where(table, table["task"] == "invariance").reset_index(drop=True)
    records = study.records(table)
    references = torch.stack([record.tensors["reference_image"] for record in records])
    changes = appearance(table, study.images(table), references)
    for name in STATISTICS:
        own = rows_where(changes, changes["statistic"] == name)
        column = "apart" if name in ("texture", "layout") else "change"
        table[name] = own[column].to_numpy(float)
    return table


def compared(table: Rows) -> list[dict[str, Any]]:
    """Each number's mean in both conditions, and the difference over units with its interval."""
    first, second = dict.fromkeys(table["condition"])
    rows = []
    for key, own in groups_by(table, ["site"]):
        means = own.pivot_table(index="unit", columns="condition", values=list(WORDS))
        for name in WORDS:
            pair = means[name]
            apart = (pair[second] - pair[first]).dropna()
            middle, low, high = clustered_mean(apart.to_numpy(float), apart.index.tolist())
            rows.append(
                {
                    **key,
                    "what": name,
                    first: round(float(pair[first].mean()), 4),
                    second: round(float(pair[second].mean()), 4),
                    "difference": round(middle, 4),
                    "low": round(low, 4),
                    "high": round(high, 4),
                    "units": len(apart),
                }
            )
    return rows


def as_markdown(rows: list[dict[str, Any]]) -> str:
    first, second = list(rows[0])[2:4]
    lines = [
        f"| stretched at | of the image | {first} | {second} | difference |",
        "| --- " * 5 + "|",
    ]
    for row in rows:
        digits = 1 if row["what"] in ("pixel_distance", "reduction") else 3
        a, b, apart, low, high = (
            f"{row[key]:.{digits}f}" for key in (first, second, "difference", "low", "high")
        )
        clear = row["low"] > 0 or row["high"] < 0
        said = f"{apart} [{low}, {high}]"
        lines.append(
            f"| `{row['site']}` | {WORDS[row['what']]} | {a} | {b} "
            f"| {f'**{said}**' if clear else said} |"
        )
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    study = iv.load_study(folder)
    table = measured(study)
    rows = compared(table)
    figures = {
        "command": "python benchmarks/bridge.py STORE/studies/NAME",
        "machine": describe(torch.device("cpu")),
        "runs": len(table),
        "units": int(table["unit"].nunique()),
        "seeds": int(table["seed"].nunique()),
        "generations": int(table["most_generations"].max()),
        "subjects": table.groupby("condition")["subject"]
        .first()
        .map(lambda x: Path(x).name)
        .to_dict(),
        "rows": rows,
    }
    (ROOT / "benchmarks" / "bridge.json").write_text(json.dumps(figures, indent=1) + "\n")
    text = PAGE.read_text()
    before, rest = text.split(f"<!-- {MARK} -->\n", 1)
    after = rest.split("<!-- end -->", 1)[1]
    PAGE.write_text(f"{before}<!-- {MARK} -->\n{as_markdown(rows)}<!-- end -->{after}")
    print(as_markdown(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
