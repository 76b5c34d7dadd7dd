"""The data that the page's explorable fronts are drawn from."""

import math
from typing import Any

import numpy as np

from invariscope.experiments.front_choice import CHOICES, choose, meets_bound
from invariscope.report.album import Album
from invariscope.store.record import RunRecord

STEPS = 60  # generations of a run that can be stepped through
RANGES = ("stretch", "squeeze", "activation")
# What the member `kept` is, by the side of the bound that it meets.
KEPT = {
    "above": "farthest above every photo",
    "below": "nearest below every photo",
    "at_or_below": "nearest at the photos' lowest",
}


def _short(value: float) -> float | None:
    """Four digits are more than a plot shows; None where there is no number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _steps(record: RunRecord) -> list[list[Any]]:
    """List generations evenly over the journal: number, three ranges, count beyond the bound."""
    journal = record.journal
    places = np.linspace(0, len(journal) - 1, min(len(journal), STEPS)).round().astype(int)
    return [
        [
            line["generation"],
            *([_short(float(x)) for x in line.get(name, ())] for name in RANGES),
            line.get("reached"),
        ]
        for line in (journal[place] for place in places)
    ]


def kept_name(record: RunRecord) -> str:
    """Name the member `kept` by its bound; "" where no member meets the bound."""
    milestone = record.settings.milestone
    if not meets_bound(record.front, milestone).any():
        return ""
    return KEPT.get(str(milestone.get("side")), "")


def explored(cell: dict[str, Any], group: int, album: Album) -> dict[str, Any]:
    """Describe one search as plain data.

    Args:
        cell: of `groups.describe`.
        group: the number of its unit on the page.
        album: gives the pictures; that of the shown member is the gallery's own.

    Returns:
        `line`: stretch and squeeze of every member; `joined`: whether a line joins them, which
        has no meaning between the members of cells; `shown`: those with a picture (row, stretch,
        squeeze, activation, pixel distance, generation, picture or the id of one on the page);
        `chosen`: places in `shown` by name; `kept`: the words for `kept`, empty where no member
        meets the bound; `steps`: generations.
    """
    record: RunRecord = cell["record"]
    front, rows = record.front, album.rows(record)
    columns = ["stretch", "squeeze", "activation", "pixel_distance", "generation"]
    values = front.reindex(columns=columns).to_numpy(float)
    shown = [
        [
            row,
            *map(_short, values[row].tolist()),
            f"#run-{cell['id']}" if row == cell["member"] else album.image(record, row),
        ]
        for row in rows
    ]
    picks = {name: choose(front, record.settings, name) for name in CHOICES}
    s = record.settings
    site = str(s.site) + (f" ({len(s.subset)} of its units)" if s.subset else "")
    return {
        "group": group,
        "task": s.task,
        "site": site,
        "seed": s.seed,
        "population": s.population,
        "generations": record.outcome["generations"],
        "reference": _short(float(record.tensors["reference_activity"].mean())),
        "joined": not s.strategy.get("cells"),
        "line": [[_short(x), _short(y)] for x, y in values[:, :2].tolist()],
        "shown": shown,
        "kept": kept_name(record),
        "chosen": {name: rows.index(row) for name, row in picks.items() if row in rows},
        "steps": _steps(record),
    }
