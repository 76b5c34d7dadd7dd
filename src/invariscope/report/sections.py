"""A study's analyses as sections of its page: figure, table, the paper's words, the method."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from invariscope.analysis.grouping import Rows
from invariscope.paper.figure_claims import figure_claims
from invariscope.report.explained import EXPLAINED
from invariscope.report.figures import figures
from invariscope.report.page import csv, svg
from invariscope.study.analyses import ANALYSES, FOLDER
from invariscope.study.analyses.material import AnalysisMaterial

MOST_ROWS = 30
LARGEST = 150_000  # bytes of a table that the page holds; a larger one is named
ABOVE = ("galleries", "fronts")  # what the page shows of every unit anyway


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.4g}"  # noqa: PLR0124  (NaN)
    return str(value)


def _table(name: str, table: Rows) -> dict[str, Any]:
    """Describe a table: its first rows, and the whole as CSV where not too large."""
    size = len(table.to_csv(index=False))
    shown = table.drop(columns=["study", "runs"], errors="ignore")
    numbers = [pd.api.types.is_numeric_dtype(shown[column]) for column in shown]
    rows = [[_plain(x) for x in row] for row in shown.head(MOST_ROWS).itertuples(index=False)]
    return {
        "name": name,
        "columns": list(zip(shown.columns, numbers, strict=True)),
        "rows": [list(zip(row, numbers, strict=True)) for row in rows],
        "length": len(table),
        "csv": csv(table) if size <= LARGEST else None,
        "kilobytes": size / 1000,
        "place": f"{FOLDER}/{name}.csv",
    }


def _own(tables: Mapping[str, Rows], analysis: str) -> list[str]:
    """List the tables that an analysis wrote."""
    return [n for n in tables if n == analysis or n.startswith(f"{analysis}_")]


def sections(material: AnalysisMaterial, tables: Mapping[str, Rows]) -> list[dict[str, Any]]:
    """Make a section for each analysis with tables.

    Args:
        material: the study.
        tables: from `study.analyses.read_tables`.
    """
    claims = figure_claims(tables)
    found = []
    for analysis, (title, how) in EXPLAINED.items():
        own = [name for name in _own(tables, analysis) if len(tables[name])]
        if not own:
            continue
        drawn = [] if analysis in ABOVE else figures(material, {n: tables[n] for n in own})
        found.append(
            {
                "name": analysis,
                "title": title,
                "how": how,
                "serves": ", ".join(ANALYSES[analysis].serves),
                "runs": ", ".join(dict.fromkeys(tables[own[0]]["runs"].astype(str))),
                "claims": [c for c in claims if c.analysis == analysis],
                "figures": [(name, words, svg(figure)) for name, words, figure in drawn],
                "tables": [_table(name, tables[name]) for name in own],
            }
        )
    return found


def left_out(tables: Mapping[str, Rows]) -> list[dict[str, str]]:
    """List the analyses that the study does not allow, each with its reason."""
    return tables["missing"].to_dict("records") if "missing" in tables else []
