"""The figures of a study's analyses, and figures as files."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariscope import plot
from invariscope.analysis.grouping import Rows, groups_by, rows_with
from invariscope.experiments.result import Result
from invariscope.plot.axes import figure_of
from invariscope.plurals import number_of
from invariscope.store.files import replace_file
from invariscope.store.own_files import SOFTWARE, check_may_replace, is_drawing
from invariscope.study.analyses import Tables
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.analyses.searches import examples

Drawn = Iterator[tuple[str, Figure]]
DPI = 130
UNDATED: dict[str, dict[str, Any]] = {
    "png": {},
    "pdf": {"Creator": SOFTWARE, "CreationDate": None},
    "svg": {"Creator": SOFTWARE, "Date": None},
}
TEXT: Any = {"svg.fonttype": "none", "svg.hashsalt": "invariscope", "pdf.fonttype": 42}


def _titled(ax: Axes, title: str) -> Figure:
    ax.set_title(title, fontsize="small", loc="left")
    return figure_of(ax)


def _distance(_: AnalysisMaterial, table: Rows, controls: Rows | None = None) -> Drawn:
    """Draw Fig. 2: searches, affine copies and the other controls that were measured."""
    for key, own in groups_by(table, ["subject"]):
        beside = None if controls is None else rows_with(controls, subject=key["subject"])
        ax = plot.mean_distance(own, controls=beside)
        yield key["subject"], _titled(ax, key["subject"])


def _galleries(m: AnalysisMaterial, _: Rows) -> Drawn:
    for key, own in groups_by(examples(m.whole), ["subject", "unit"]):
        figure = plot.gallery(Result(m.records(own), m.generator(own)))
        yield f"{key['subject']} {key['unit']}", figure


def _fronts(m: AnalysisMaterial, _: Rows) -> Drawn:
    for key, own in groups_by(examples(m.whole), ["subject", "task", "site"]):
        ax = plot.front(Result(m.records(own)))
        title = f"{key['subject']}, {number_of(own['unit'].nunique(), 'unit')}"
        yield " ".join(key.values()), _titled(ax, title)


def _separability(_: AnalysisMaterial, table: Rows) -> Drawn:
    for scheme in ("grouped", "stratified"):
        yield scheme, figure_of(plot.separability(table, scheme))


def _dimension(_: AnalysisMaterial, table: Rows) -> Drawn:
    for key, own in groups_by(table, ["subject", "estimator"]):
        ax = plot.dimension(own, key["estimator"])
        yield " ".join(key.values()), _titled(ax, key["subject"])


def _observers(m: AnalysisMaterial, table: Rows) -> Drawn:
    for key, own in groups_by(table, ["source"]):
        if key["source"]:
            ax = plot.observers(own, order=_by_depth(m, own))
            yield key["source"], _titled(ax, f"images of {key['source']}")


def _recognition(m: AnalysisMaterial, table: Rows) -> Drawn:
    for key, own in groups_by(table, ["source"]):
        ax = plot.recognition(own, order=_by_depth(m, own))
        yield key["source"], _titled(ax, f"images of {key['source']}")


def _by_depth(m: AnalysisMaterial, table: Rows) -> list[str]:
    """Name a source's conditions: the MEI, then the stretched sites by depth."""
    sites = m.sites_of.get(table["source"].iloc[0], m.sites)
    return ["MEI", *(f"invariance {site}" for site in sites if site in set(table["site"]))]


def _layers(_: AnalysisMaterial, table: Rows) -> Drawn:
    for key, own in groups_by(table, ["subject", "observer"]):
        name = f"{key['subject']} seen by {key['observer']}"
        yield name, _titled(plot.layer_distances(own), name)


def _paths(_: AnalysisMaterial, table: Rows) -> Drawn:
    for key, own in groups_by(table, ["subject", "site"]):
        name = " ".join(key.values())
        yield name, _titled(plot.paths(own), name)


def _of_each(
    column: str, draw: Callable[[Rows], Axes]
) -> Callable[[AnalysisMaterial, Rows], Drawn]:
    """Draw a figure for each value of a column."""

    def drawn(_: AnalysisMaterial, table: Rows) -> Drawn:
        for key, own in groups_by(table, [column]):
            yield key[column], _titled(draw(own), key[column])

    return drawn


def _one(draw: Callable[[Rows], Axes]) -> Callable[[AnalysisMaterial, Rows], Drawn]:
    """Draw one figure of the whole table."""

    def drawn(_: AnalysisMaterial, table: Rows) -> Drawn:
        yield "", figure_of(draw(table))

    return drawn


# By the table that a figure shows.
FIGURES: dict[str, Callable[..., Drawn]] = {
    "distance": _distance,
    "controls": _of_each("subject", plot.controls),
    "galleries": _galleries,
    "separability": _separability,
    "people": _one(plot.people),
    "people_agreement": _one(plot.agreement),
    "observers": _observers,
    "observers_kinds": _recognition,
    "naturalness": _one(plot.naturalness),
    "layers": _layers,
    "convergence": _one(plot.convergence),
    "dimension": _dimension,
    "gradients": _one(plot.gradients),
    "subsets": _one(plot.subsets),
    "acceptance": _one(plot.acceptance),
    "coverage": _of_each("subject", plot.coverage),
    "displacement": _one(plot.displacement),
    "paths_places": _paths,
    "fronts": _fronts,
    "appearance": _of_each("subject", plot.appearance),
}


BESIDE = {"distance": ("controls_means",)}  # a further table that a figure shows too


def figures(material: AnalysisMaterial, tables: Tables) -> Iterator[tuple[str, str, Figure]]:
    """Draw the figures of tables: the table's name, a few words, the figure."""
    for name, table in tables.items():
        if name in FIGURES:
            beside = [tables[other] for other in BESIDE.get(name, ()) if other in tables]
            for words, figure in FIGURES[name](material, _filled(table), *beside):
                yield name, words, figure


def _filled(table: Rows) -> Rows:
    """Fill empty words, NaN in a CSV file."""
    words = table.select_dtypes(["object", "string"]).columns
    return table.assign(**{name: table[name].fillna("") for name in words})


def save(
    figure: Figure,
    folder: Path,
    name: str,
    words: str = "",
    formats: Sequence[str] = ("png",),
    *,
    force: bool = True,
) -> list[Path]:
    """Write a figure as `NAME_WORDS.FORMAT`, the same bytes every time.

    Args:
        formats: of `png`, `pdf` and `svg`; letters of the last two stay letters.
        force: replace any file; else of those that are there only a PDF or SVG of ours.

    Raises:
        InputError: a file is there that is not ours.
        StoreError: a file cannot be written.
    """
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in words)
    paths = []
    for kind in formats:
        path = folder / (f"{name}_{safe}.{kind}" if safe else f"{name}.{kind}")
        check_may_replace(path, is_drawing, force=force)
        with mpl.rc_context(TEXT):
            replace_file(
                path,
                lambda part, k=kind: figure.savefig(part, format=k, dpi=DPI, metadata=UNDATED[k]),
            )
        paths.append(path)
    return paths


def draw(material: AnalysisMaterial, tables: Tables, folder: Path) -> list[Path]:
    """Draw each table that has a figure into `folder`, as PNG.

    Raises:
        StoreError: a file cannot be written.
    """
    return [
        path
        for name, words, figure in figures(material, tables)
        for path in save(figure, folder, name, words)
    ]
