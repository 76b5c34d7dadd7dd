"""A run as one row of a study's table."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invariscope.store.record import RunRecord

_CHOSEN = (
    "member",
    "stretch",
    "squeeze",
    "pixel_distance",
    "saturation",
    "code_norm",
    "activation",
    "reduction",
    "above_reference",
)
_NATURAL = ("maximum", "minimum", "mean", "sd")
# The table's columns, in order; `row_of` says what they are.
COLUMNS = (
    *("run", "name", "task", "subject", "generator", "unit", "label", "site", "subset"),
    *("direction", "seed", "strategy", "population", "most_generations", "precision"),
    *("reference", "reference_id", "status", "converged", "milestone", "milestone_generation"),
    *("generations", "bf16_generations", "images", "seconds", "members", *_CHOSEN[:7]),
    *("reference_activity", *_CHOSEN[7:], "kind", *(f"natural_{key}" for key in _NATURAL)),
    *("context_changes", "device", "torch", "threads", "chunk", "bytes"),
)


def folder_bytes(folder: Path) -> int:
    """Add up the size of all files of a run."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _finite(value: Any) -> Any:
    """JSON holds no NaN: None where there is no number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _reference(recipe: dict[str, Any] | None) -> dict[str, Any]:
    """Describe the reference of a run: its kind and identity."""
    recipe = recipe or {}
    return {
        "reference": recipe.get("kind"),
        "reference_id": recipe.get("run") or recipe.get("sha256"),
    }


def row_of(record: "RunRecord") -> dict[str, Any]:
    """Put an ended run into plain data: settings, outcome, chosen image, numeric context.

    `converged`: the stopping rule fired. `milestone`: 25 of 50 were reached. `member` and what
    follows it are of the image that `choose` keeps. `precision`: the one that it began with;
    `bf16_generations`: how many were evaluated in bf16. `context_changes`: how often it went on in
    another numeric context; with 0 its result repeats bit for bit on the CPU.
    """
    from invariscope.experiments.result import Result  # noqa: PLC0415  (torch: see `load_study`)

    s, end, context = record.settings, record.outcome, record.context
    chosen = Result([record]).table().to_dict("records")[0]
    natural = s.natural or {}
    row = {
        "run": record.path.name,
        "name": record.name,
        "task": s.task,
        "subject": record.labels.get("subject"),
        "generator": record.labels.get("generator"),
        "unit": s.unit,
        "label": record.labels.get("unit"),
        "site": s.site,
        "subset": None if s.subset is None else len(s.subset),
        "direction": s.direction,
        "seed": s.seed,
        "strategy": s.strategy.get("name"),
        "population": s.population,
        "most_generations": s.generations,
        "precision": context.get("precision", s.precision),
        **_reference(s.reference),
        "status": end["status"],
        "converged": end["status"] == "stopped",
        "milestone": end["milestone"] is not None,
        "milestone_generation": end["milestone"],
        "generations": end["generations"],
        "bf16_generations": end.get("bf16_generations"),
        "images": end["images"],
        "seconds": end["seconds"],
        "members": len(record.front),
        **{key: _finite(chosen[key]) for key in _CHOSEN},
        "reference_activity": _finite(chosen["reference"]),
        "kind": chosen["kind"],
        **{f"natural_{key}": _finite(natural.get(key)) for key in _NATURAL},
        "context_changes": len(record.context_changes),
        "device": context.get("device"),
        "torch": context.get("torch"),
        "threads": context.get("threads"),
        "chunk": context.get("chunk"),
        "bytes": folder_bytes(record.path),
    }
    return {key: row[key] for key in COLUMNS}
