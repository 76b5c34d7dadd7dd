"""Analyses that show a study's images to networks and people: Figs. 4a, b and d, rows 9, 14."""

import pandas as pd
import torch

from invariscope.analysis.grouping import groups_by, rows_where
from invariscope.analysis.layers import layer_distances, over_units
from invariscope.analysis.mixed import mixed_model
from invariscope.analysis.paths import along_paths, path_summary
from invariscope.analysis.people import agreement, people_accuracy
from invariscope.errors import InputError
from invariscope.invariance.setup import nonlinear_sites
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.analyses.recognition import Tables, make_observers, references
from invariscope.units import parse_target


def make_people(m: AnalysisMaterial) -> Tables:
    """Make rows 4 and 7: people's accuracy, agreement with observers, and the mixed model.

    The mean over units stands for an observer, as the mean over participants for people.
    """
    if m.answers is None:
        raise InputError("no answers of people were given; name a table with --answers")
    tables = {"people": people_accuracy(m.answers), "people_model": mixed_model(m.answers)}
    if m.observers:
        theirs = make_observers(m)["observers"]
        renamed = theirs.rename(
            columns={"source": "network", "task": "condition", "restricted": "accuracy"}
        )
        tables["people_agreement"] = agreement(m.answers, renamed)
    return tables


def make_layers(m: AnalysisMaterial) -> Tables:
    """Row 9: distances through observers."""
    rows, parts = m.invariant, []
    for observer in m.watchers():
        layers = nonlinear_sites(observer) or tuple(observer.sites())
        photos = m.needed_photos(observer)
        for name, _, own in m.by_subject(rows):
            first = references(own)
            meis = rows_where(m.meis, m.meis["subject"] == name)
            shown = [
                (first, "reference", "", m.references(first)),
                (own, "invariant", own["site"], m.images(own)),
            ]
            if len(meis):
                shown.append((meis, "mei", "", m.images(meis)))
            labels = [
                pd.DataFrame(
                    {"kind": kind, "unit": runs["unit"], "site": site, "class": runs["label"]}
                )
                for runs, kind, site, _ in shown
            ]
            natural = {"kind": "natural", "unit": None, "site": "", "class": photos.classes}
            every = pd.concat([*labels, pd.DataFrame(natural)], ignore_index=True)
            every["class"] = every["class"].fillna("")
            images = torch.cat([*(observer.see(part[3]).cpu() for part in shown), photos.images])
            found = layer_distances(observer, images, every, layers)
            parts.append(found.assign(subject=name, observer=observer.name))
    return {"layers": over_units(pd.concat(parts, ignore_index=True), ["subject", "observer"])}


def make_paths(m: AnalysisMaterial) -> Tables:
    """Row 14: activity along paths between the invariant images of a unit."""
    keys, parts = ["subject", "unit", "site"], []
    for key, own in groups_by(m.invariant, keys):
        if len(own) < 2:
            continue
        subject = m.subject(key["subject"])
        target = parse_target(key["unit"], subject.sites())
        points = along_paths(subject, m.generator(own), target, m.codes(own))
        parts.append(points.assign(**key))
    if not parts:
        raise InputError("paths need two runs of a unit and site, or more; the study has one")
    points = pd.concat(parts, ignore_index=True)
    places = points.groupby(["subject", "site", "way", "place"], sort=False, as_index=False)
    return {
        "paths": path_summary(points, ["subject", "site"]),
        "paths_places": places.agg(kept=("kept", "mean"), sd=("kept", "std")),
    }
