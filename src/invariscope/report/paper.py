"""The figures of a page as PDF and SVG, for a paper."""

from pathlib import Path

from invariscope import plot
from invariscope.experiments.front_choice import choose
from invariscope.experiments.pictures import read_png
from invariscope.experiments.result import Result
from invariscope.plot.style import figure_of
from invariscope.report.album import picture_path
from invariscope.report.figures import figures, save
from invariscope.report.groups import ReferenceGroup, distance_axes, front_axes
from invariscope.report.sections import ABOVE
from invariscope.report.source import source_of
from invariscope.store.files import make_folder
from invariscope.study.analyses import FOLDER, read_tables
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.result import StudyResult

FORMATS = ("pdf", "svg")


def _of_unit(group: ReferenceGroup, folder: Path, *, force: bool) -> list[Path]:
    """Gallery, distances and fronts of one unit."""
    name = f"{group.first.labels['subject']} {group.first.settings.unit} {group.number}"
    images = [read_png(picture_path(r, choose(r.front, r.settings))) for r in group.runs]
    gallery = plot.gallery(Result(group.runs), images=images)
    paths = save(gallery, folder, "gallery", name, FORMATS, force=force)
    paths += save(figure_of(distance_axes(group)), folder, "distance", name, FORMATS, force=force)
    for title, ax in front_axes(group):
        paths += save(figure_of(ax), folder, "front", f"{name} {title}", FORMATS, force=force)
    return paths


def write_figures(result: Result | StudyResult, folder: Path, *, force: bool = False) -> list[Path]:
    """Write every figure as PDF and SVG: of each unit, and of each analysis of a study.

    Galleries hold the store's own pictures; text stays text that an editor can change.

    Args:
        force: replace files of these names that are not ours.

    Raises:
        InputError: a file is there that is not ours.
        StoreError: nothing to draw, a damaged run, or a folder that cannot be written.
    """
    make_folder(folder)
    paths = []
    for group in source_of(result).groups:
        paths += _of_unit(group, folder, force=force)
    if isinstance(result, StudyResult):
        tables = read_tables(result.folder.path / FOLDER)
        own = {name: table for name, table in tables.items() if name not in ABOVE and len(table)}
        for name, words, figure in figures(AnalysisMaterial(result), own):
            paths += save(figure, folder, f"analysis_{name}", words, FORMATS, force=force)
    return paths
