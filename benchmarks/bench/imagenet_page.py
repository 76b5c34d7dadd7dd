"""Tables of `docs/imagenet.md` from the figures of `benchmarks/imagenet.json`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from invariscope.markup import markdown_table

Figures = Mapping[str, Any]
NAMES = {"embedded": "`embedded`", "codes": "code space"}
NONE = "–"


def _name(part: Figures) -> str:
    bounded = f", bounded ({part['bound']} %)" if part["bound"] else ""
    return NAMES[part["generator"]] + bounded


def meis(found: Figures) -> str:
    """Each class's MEIs beside its strongest photo."""
    columns: dict[str, dict[str, Figures]] = {}
    for part in found["parts"].values():
        columns.setdefault(_name(part), {}).update(part["meis"])
    lines = []
    for unit, own in found["units"].items():
        cells = [
            f"{mei['activity']:.1f}, {mei['activity'] / own['maximum']:.2f} ×" if mei else NONE
            for mei in (column.get(unit) for column in columns.values())
        ]
        lines.append([f"`{unit}` {own['name']}", f"{own['maximum']:.1f}", *cells])
    return markdown_table(["unit", "strongest photo", *columns], lines, ("---", "---:")) + "\n"


def _table(heads: list[str], lines: list[list[Any]], align: tuple[str, ...]) -> str:
    return markdown_table(heads, lines, align) + "\n" if lines else "*Not run yet.*\n"


def _mean(rows: Sequence[Figures], *keys: str) -> float:
    values = []
    for row in rows:
        value: Any = row
        for key in keys:
            value = value.get(key) if value else None
        if value is not None:
            values.append(float(value))
    return float(np.mean(values)) if values else float("nan")


def _number(value: float, form: str = ".0f", unit: str = "") -> str:
    return NONE if np.isnan(value) else f"{value:{form}}{unit}"


def _by_site(part: Figures, task: str) -> Iterator[tuple[str, list[Figures]]]:
    rows = [row for row in part["runs"] if row["task"] == task]
    for site in dict.fromkeys(row["site"] for row in rows):
        yield site, [row for row in rows if row["site"] == site]


def invariance(found: Figures) -> str:
    """The farthest images that keep half of the activity, by generator and site."""
    heads = ["generator", "stretched at", "units", "distance", "of the possible", "activity kept"]
    heads += ["saturated values", "code norm, natural 99 %", "affine copies that lose half"]
    lines = []
    for part in found["parts"].values():
        for site, rows in _by_site(part, "invariance"):
            reached = [row for row in rows if row["half"]]
            norm = f"{_number(_mean(reached, 'half', 'code_norm'), '.1f')}, {part['norm']:.1f}"
            lines.append(
                [
                    _name(part),
                    f"`{site}`",
                    f"{len(reached)} of {len(rows)}",
                    _number(_mean(reached, "half", "pixel_distance")),
                    _number(_mean(reached, "half", "share"), ".0f", " %"),
                    _number(100 - _mean(reached, "half", "reduction"), ".0f", " %"),
                    _number(100 * _mean(reached, "half", "saturation"), ".0f", " %"),
                    norm,
                    _number(_mean(rows, "affine")),
                ]
            )
    return _table(heads, lines, ("---", "---", "---:"))


def silencing(found: Figures) -> str:
    """What took the activity, by generator and unit."""
    heads = ["generator", "unit", "most lost", "at distance", "nearest that loses half"]
    heads += ["nearest that loses all", "saturated values"]
    lines = []
    for part in found["parts"].values():
        for _, rows in _by_site(part, "adversarial"):
            for row in rows:
                most, half, whole = row["most"], row["half"], row["all"]
                lines.append(
                    [
                        _name(part),
                        f"`{row['unit']}` {found['units'][row['unit']]['name']}",
                        f"{most['reduction']:.0f} %",
                        f"{most['pixel_distance']:.0f}",
                        f"{half['pixel_distance']:.0f}" if half else "none",
                        f"{whole['pixel_distance']:.0f}" if whole else "none",
                        f"{100 * most['saturation']:.0f} %",
                    ]
                )
    return _table(heads, lines, ("---", "---", "---:"))


def spaces(found: Figures) -> str:
    """The code spaces that were tried."""
    heads = ["images from", "code", "reconstructions: PSNR", "recognised", "detail, 4–32 cycles"]
    heads += ["32–112 cycles", "ms an image"]
    lines = [
        [
            own["words"],
            f"{own['code']:,}",
            f"{own['psnr']:.1f} dB",
            f"{100 * own['recognised']:.0f} %",
            f"{own['coarse']:.2f}",
            f"{own['fine']:.2f}",
            f"{own['milliseconds']:.0f}",
        ]
        for name, own in found["spaces"].items()
        if name != "photos"
    ]
    return _table(heads, lines, ("---", "---:"))


def speed(found: Figures) -> str:
    """Images and processor seconds of each study."""
    heads = ["study", "searches", "images a search", "images", "processor s", "images a s"]
    lines = []
    for part in found["parts"].values():
        runs = [*part["runs"], *part["meis"].values()]
        own = sorted({row["images"] for row in runs})
        images, seconds = part["clock"]
        lines.append(
            [
                _name(part),
                len(runs),
                " and ".join(f"{number:,}" for number in own),
                f"{sum(row['images'] for row in runs):,}",
                f"{seconds:,.0f}" if images else NONE,
                f"{images / seconds:.0f}" if images and seconds else NONE,
            ]
        )
    return _table(heads, lines, ("---", "---:"))


def summary(found: Figures) -> str:
    """What was found, in sentences, and what has not run."""
    top, lines = found["top1"], []
    lines.append(
        f"The network names {100 * top['cut']:.1f} % of the {top['photos']} photos rightly, of "
        f"1,000 classes, cut as timm cuts photos, and {100 * top['whole']:.1f} % of them whole."
    )
    for part in found["parts"].values():
        lines += [*_of_meis(part, found["units"]), *_of_searches(part)]
    waiting = [name for name, own in found["waiting"].items() if own]
    if waiting:
        told = "; ".join(f"{name} ({found['waiting'][name]} runs)" for name in waiting)
        lines.append(f"Not run to the end yet: {told}.")
    return "".join(f"- {line}\n" for line in lines)


def _of_meis(part: Figures, units: Figures) -> Iterator[str]:
    ratios = [own["activity"] / units[unit]["maximum"] for unit, own in part["meis"].items()]
    if ratios:
        images = max(own["images"] for own in part["meis"].values())
        saturated = _mean(list(part["meis"].values()), "saturation")
        yield (
            f"{_name(part)}: {len(ratios)} MEIs after at most {images:,} images have "
            f"{min(ratios):.2f} to {max(ratios):.2f} × the activity of the strongest photo, with "
            f"{100 * saturated:.0f} % of their values saturated."
        )


def _of_searches(part: Figures) -> Iterator[str]:
    for site, rows in _by_site(part, "invariance"):
        reached = [row for row in rows if row["half"]]
        beside = [row for row in reached if row["affine"]]
        farther = sum(row["half"]["pixel_distance"] > row["affine"] for row in beside)
        images = max(row["images"] for row in rows)
        cut = any(row["status"] == "interrupted" for row in rows)
        yield (
            f"{_name(part)}, stretched at `{site}`, after {images:,} images"
            f"{' (interrupted)' if cut else ''}: {len(reached)} of {len(rows)} searches have an "
            f"image that keeps half; {farther} of {len(beside)} of these lie farther than every "
            "affine copy that loses half."
        )
    for _, rows in _by_site(part, "adversarial"):
        silenced = sum(bool(row["all"]) for row in rows)
        yield f"{_name(part)}: {silenced} of {len(rows)} units silenced (all of the activity lost)."


TABLES = {
    "summary": summary,
    "meis": meis,
    "invariance": invariance,
    "silencing": silencing,
    "spaces": spaces,
    "speed": speed,
}
