"""Analysis of where invariant images went, beside the units' invariance coefficients."""

import pandas as pd

from invariscope.analysis.displacement import displacement_along, predicted_displacement
from invariscope.analysis.grouping import Rows, rows_where
from invariscope.errors import InputError
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.setup import ALL, choose_transformations, images_for, labels
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.analyses.recognition import Tables
from invariscope.subjects import Subject
from invariscope.units import parse_target


def make_displacement(m: AnalysisMaterial) -> Tables:
    """Measure displacement along the twelve transformations, and the units' I_k on the photos."""
    transformations = choose_transformations(ALL)
    parts = []
    for name, subject, own in m.by_subject(m.invariant):
        images, references = m.images(own), m.references(own)
        about = own[["unit", "site"]].reset_index(drop=True)
        found = [
            about.assign(
                transformation=label, along=displacement_along(images, references, t).numpy()
            )
            for label, t in zip(labels(transformations), transformations, strict=True)
        ]
        keys = ["unit", "site", "transformation"]
        grouped = pd.concat(found).groupby(keys, sort=False, as_index=False)
        along = pd.DataFrame(grouped.mean())
        known = _coefficients(m, subject, own)
        parts.append(along.merge(known, on=["unit", "transformation"]).assign(subject=name))
    table = pd.concat(parts, ignore_index=True)
    return {"displacement": predicted_displacement(table), "displacement_units": table}


def _coefficients(m: AnalysisMaterial, subject: Subject, own: Rows) -> pd.DataFrame:
    """Measure I_k of the units of the runs, over all photos."""
    units = list(dict.fromkeys(own["unit"]))
    sites = dict.fromkeys(s for unit in units for s in parse_target(unit, subject.sites()).sites)
    if m.photos is None:
        raise InputError("no photos were given for the coefficients; name a folder with --photos")
    measured = invariance_coefficient(
        subject,
        images_for(subject, m.photos),
        sites=list(sites),
        reading="place",
        top=(),
        progress=False,
    ).units
    every = rows_where(measured, measured["class"] == "all")
    return rows_where(every, every["unit"].isin(units))[["unit", "transformation", "invariance"]]
