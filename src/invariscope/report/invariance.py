"""One self-contained HTML page about a network's invariance coefficients."""

from pathlib import Path
from typing import Any

import pandas as pd

from invariscope import plot
from invariscope.invariance.ablation import passed_by
from invariscope.invariance.accumulate import EVERY
from invariscope.invariance.result import Invariance, load_invariance
from invariscope.plot.axes import figure_of
from invariscope.report.page import fill, svg
from invariscope.store.files import replace_file
from invariscope.store.own_files import check_may_replace, is_page

Rows = list[dict[str, Any]]


def _where(table: pd.DataFrame, mask: Any) -> pd.DataFrame:
    rows: Any = table[mask]
    return rows


def _grid(table: pd.DataFrame, rows: str, columns: str, values: str) -> dict[str, Any]:
    """Make a table of means, in the order of its names' first appearance."""
    across, down = (list(dict.fromkeys(table[name])) for name in (columns, rows))
    means = table.pivot_table(values, rows, columns, dropna=False).reindex(down)[across]
    return {"columns": across, "rows": list(zip(down, means.to_numpy().tolist(), strict=True))}


def _missing(units: pd.DataFrame) -> Rows:
    """Count the units without a coefficient, by site, transformation and reason."""
    without = _where(units, (units["class"] == EVERY) & (units["reason"] != ""))
    groups = without.groupby(["site", "transformation", "reason"], sort=False)
    return groups.agg(units=("unit", "size")).reset_index().to_dict("records")


def _ablation(table: pd.DataFrame) -> dict[str, Any]:
    """Draw the plot at τ, and average the accuracy by threshold over transformations."""
    groups = table.groupby(["threshold", "ablated", "shown"], sort=False)
    means = groups.agg(accuracy=("accuracy", "mean"), share=("share", "mean"))
    shares = any(str(name).startswith("top") for name in table["threshold"])
    return {
        "site": table["site"].iloc[0],
        "passed_by": passed_by(table),
        "bars": svg(figure_of(plot.ablation(table))),
        "shares": svg(figure_of(plot.ablation_by_share(table))) if shares else None,
        "rows": means.reset_index().to_dict("records"),
    }


def render_invariance(result: Invariance, command: str = "") -> str:
    """Write the page as text.

    Args:
        result: from `invariance_coefficient`.
        command: what a person typed, for the last section.
    """
    units, summary = result.units, result.summary
    deepest = units["site"].iloc[-1]
    every = _where(summary, summary["class"] == EVERY)
    ranked = _where(every, every["site"] == deepest).dropna(subset=["mean"])
    top = _where(result.top, result.top["site"] == deepest)
    classes = _where(units, (units["site"] == deepest) & (units["class"] != EVERY))
    return fill(
        "invariance.html",
        {
            **result.settings,
            "deepest": deepest,
            "sites": len(result.settings["measured"]["sites"]),
            "units": units["unit"].nunique(),
            "ranked": ranked.sort_values("mean", ascending=False).to_dict("records"),
            "violins": svg(figure_of(plot.coefficients(units))),
            "specialization": svg(figure_of(plot.coefficients(units, column="specialization"))),
            "layers": svg(figure_of(plot.layers(summary))),
            "active": svg(figure_of(plot.active_shares(units, result.images))),
            "top": _grid(top, "transformation", "percent", "kept") if len(top) else None,
            "classes": _grid(classes, "class", "transformation", "invariance")
            if len(classes)
            else None,
            "missing": _missing(units),
            "summary": every.to_dict("records"),
            "ablation": None if result.ablation is None else _ablation(result.ablation),
            "tau_passed_by": "" if result.tau_tried is None else passed_by(result.tau_tried),
            "tau_tried": None if result.tau_tried is None else _tau(result.tau_tried),
            "command": command,
        },
    )


def _tau(table: pd.DataFrame) -> Rows:
    """Find the largest loss at each τ, and the share of units set to 0."""
    rows = []
    for tau, tried in table.groupby("tau"):
        worst = tried.sort_values("lost").iloc[-1]
        rows.append({**worst.to_dict(), "tau": tau, "share": tried["share"].mean()})
    return rows


def write_invariance_report(
    folder: str | Path,
    path: str | Path | None = None,
    *,
    command: str = "",
    force: bool = False,
) -> Path:
    """Write one self-contained HTML page about a result of `invariance_coefficient`.

    Args:
        folder: that result's.
        path: where the page goes; by default `report.html` in the folder.
        command: what a person typed, for the last section.
        force: replace a file at the page's path that is not ours.

    Returns:
        The page's path.

    Raises:
        InputError: a file is there that is not ours.
        StoreError: no result there, or a path that cannot be written.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> found = iv.invariance_coefficient(subject, images, "inversion", sites="output", top=())
        >>> iv.write_invariance_report(found.save("coefficients")).name
        'report.html'
    """
    place = Path(folder)
    page = Path(path) if path else place / "report.html"
    check_may_replace(page, is_page, force=force)
    text = render_invariance(load_invariance(place), command)
    replace_file(page, lambda part: part.write_text(text, encoding="utf-8"))
    return page
