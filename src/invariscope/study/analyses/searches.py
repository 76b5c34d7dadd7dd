"""Analyses of the runs' images: Figs. 2, 3 and S1, rows 8, 10, 11, 13, image statistics."""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from invariscope.analysis.appearance import appearance, appearance_summary, between_sites
from invariscope.analysis.dimension import dimension, known_dimensions
from invariscope.analysis.distance import (
    beside_affine,
    distance_activation,
    silencing_beside_invariance,
)
from invariscope.analysis.grouping import Rows, groups_by, rows_where
from invariscope.analysis.losses import distance_at_losses, members_at_losses
from invariscope.analysis.naturalness import Distribution, distribution, naturalness, sample
from invariscope.analysis.respond import activity, features, features_at
from invariscope.analysis.searches import convergence, subsets
from invariscope.analysis.separability import gram, separability
from invariscope.errors import InputError, StoreError
from invariscope.experiments.front_choice import choose
from invariscope.experiments.result import Result
from invariscope.natural.statistics import PERCENTILES, NaturalStatistics
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.subjects import Subject
from invariscope.subjects.base import PIXELS
from invariscope.subjects.pixels import farthest_seen
from invariscope.units import parse_target

Tables = dict[str, pd.DataFrame]
EXAMPLES = 4  # units of a subject that are shown whole, as in the paper's Fig. S1
LAST = "farthest"  # the original's choice of a member
FEWEST = 10  # runs of a unit and site from which a dimension is estimated at all


def examples(rows: Rows) -> Rows:
    """Keep the runs of each subject's first units."""
    first = [own["unit"].drop_duplicates()[:EXAMPLES] for _, own in groups_by(rows, ["subject"])]
    return rows_where(rows, rows["unit"].isin(set(pd.concat(first))))


def make_distance(m: AnalysisMaterial) -> Tables:
    """Row 1: distance against activation, affine copies beside."""
    possible = [
        farthest_seen(
            r.tensors["reference_image"], r.labels, r.settings.subject, r.settings.generator
        )
        for r in m.records(m.whole)
    ]
    try:
        affine = m.study.affine()
    except StoreError:
        affine = None  # the table says so: it holds no affine series
    summary = distance_activation(m.whole.assign(possible=possible), affine)
    tables = {"distance": summary, "distance_beside_affine": beside_affine(summary)}
    both = silencing_beside_invariance(m.whole)
    return tables | ({"distance_of_tasks": both} if len(both) else {})


def make_losses(m: AnalysisMaterial) -> Tables:
    """Make row 1 at fixed losses: distances along whole fronts, beside two rules' members.

    `farthest` is the original's choice for the task `invariance`, `kept` ours.
    """
    rows = []
    for key, record in zip(m.whole.to_dict("records"), m.records(m.whole), strict=True):
        named = {rule: choose(record.front, record.settings, rule) for rule in ("farthest", "kept")}
        about = {name: key[name] for name in ("subject", "unit", "task", "site", "seed", "run")}
        own = members_at_losses(record.front, key["reference_activity"], key["task"], named)
        rows += [{**about, **row} for row in own]
    members = pd.DataFrame(rows)
    return {"losses": distance_at_losses(members), "losses_runs": members}


def make_galleries(m: AnalysisMaterial) -> Tables:
    """Make row 2: the images of the galleries."""
    columns = ["subject", "unit", "label", "task", "site", "seed", "run", "member", "converged"]
    columns += ["pixel_distance", "activation", "reduction", "saturation", "code_norm"]
    return {"galleries": examples(m.whole)[columns]}


def make_fronts(m: AnalysisMaterial) -> Tables:
    """Row 15: whole fronts of example units, and the end of every front.

    The end is one member, whose distance and loss are both told: of an adversarial front the one
    that loses most, of an invariance front the farthest in pixels.
    """
    front = _fronts(m, m.whole)
    column = front["task"].map({"adversarial": "reduction"}).fillna("pixel_distance")
    reached = front["reduction"].where(column == "reduction", front["pixel_distance"])
    known = front.assign(reached=reached).dropna(subset=["reached"])
    ends = known.loc[known.groupby("run", sort=False)["reached"].idxmax()]
    shown = set(examples(m.whole)["run"])
    return {
        "fronts": rows_where(front, front["run"].isin(shown)).reset_index(drop=True),
        "fronts_ends": ends.drop(columns="reached").reset_index(drop=True),
    }


def _fronts(m: AnalysisMaterial, rows: Rows) -> Rows:
    """Tabulate every member of the runs' fronts, with the loss in percent."""
    front = Result(m.records(rows)).front
    runs = rows.set_index("run")[["subject", "reference_activity"]]
    own = runs.loc[front["run"]].reset_index(drop=True)
    reference = own["reference_activity"].to_numpy(float)
    lost = reference - front["activation"].to_numpy(float)
    reduction = 100 * lost / np.where(reference > 0, reference, np.nan)
    return front.assign(subject=own["subject"], reduction=reduction)


def make_separability(m: AnalysisMaterial) -> Tables:
    """Row 3: can the stretched sites be told apart."""
    return {"separability": _separability(m, m.invariant, [])}


def _separability(m: AnalysisMaterial, rows: Rows, keys: list[str]) -> pd.DataFrame:
    parts = []
    for key, own in groups_by(rows, ["subject", *keys]):
        products = gram(m.images(own))
        found = separability(products, own["site"].tolist(), own["unit"].tolist())
        parts.append(found.assign(**key))
    return pd.concat(parts, ignore_index=True)


def make_convergence(m: AnalysisMaterial) -> Tables:
    """Make row 10: the share of all runs with a stopping rule that fired."""
    return {"convergence": convergence(m.study.table())}


def make_dimension(m: AnalysisMaterial) -> Tables:
    """Row 11: the dimension of a unit's images, beside estimates of known dimensions."""
    rows = m.invariant
    keys = ["subject", "unit", "site"]
    sizes = rows.groupby(keys)["name"].transform("size")
    if sizes.max() < FEWEST:
        raise InputError(
            f"a dimension needs many independent runs of a unit and site, 100 or more; "
            f"the study has {sizes.max()}"
        )
    parts = []
    for _, own in groups_by(rows_where(rows, sizes >= FEWEST), ["subject"]):
        groups = list(own[keys].itertuples(index=False, name=None))
        parts.append(dimension(gram(m.images(own)), groups))
    tables = {"dimension": pd.concat(parts, ignore_index=True)}
    return {**tables, "dimension_known": known_dimensions()}


def make_subsets(m: AnalysisMaterial) -> Tables:
    """Row 13: stretch at subsets of a site, beside two MEIs and stretch at pixels."""
    some = m.partial
    every = rows_where(m.table, m.table["task"] == "invariance")
    pixels = rows_where(every, every["site"] == PIXELS)
    every = rows_where(every, every["site"].isin(set(some["site"])))
    own = every.assign(full_stretch=_stretch_at(m, every, every["site"]))
    apart = {"mei": _between_meis(m, every), "pixel": _of_pixels(m, every, pixels)}
    tables = {"subsets": subsets(own, apart)}
    entries = every["subset"].astype(float).fillna(0)  # 0: the whole site
    split = every.assign(entries=entries)
    if split.groupby(["subject", "entries"])["site"].nunique().min() > 1:
        tables["subsets_separability"] = _separability(m, split, ["entries"])
    return tables


def _stretch_at(m: AnalysisMaterial, rows: Rows, sites: pd.Series) -> NDArray[np.float64]:
    """Measure the distance from each run's reference to its image over a whole site."""
    full = np.full(len(rows), np.nan)
    place = {index: number for number, index in enumerate(rows.index)}
    for key, own in groups_by(rows.assign(measured=sites), ["subject", "measured"]):
        subject = m.subject(key["subject"])
        for part in np.array_split(np.arange(len(own)), -(-len(own) // 64)):
            some = own.iloc[part]
            there = features(subject, m.images(some), key["measured"])
            origin = features(subject, m.references(some), key["measured"])
            full[[place[index] for index in some.index]] = (there - origin).norm(dim=1).numpy()
    return full


def _of_pixels(m: AnalysisMaterial, rows: Rows, pixels: Rows) -> pd.DataFrame:
    """Measure how far a unit's images that were stretched at pixels lie at the other sites."""
    found = []
    for site in dict.fromkeys(rows["site"]):
        far = _stretch_at(m, pixels, pd.Series(site, index=pixels.index))
        means = pixels.assign(apart=far).groupby(["subject", "unit"])["apart"].mean()
        found.append(means.reset_index().assign(site=site))
    return pd.concat(found, ignore_index=True)


def _between_meis(m: AnalysisMaterial, rows: Rows) -> pd.DataFrame:
    """Measure how far the MEIs of a unit lie apart at the stretched sites."""
    found = []
    for key, own in groups_by(rows.drop_duplicates(["subject", "unit", "site"]), ["subject"]):
        meis = rows_where(m.meis, m.meis["subject"] == key["subject"])
        for of_unit, same in groups_by(meis, ["unit"]):
            if len(same) < 2 or of_unit["unit"] not in set(own["unit"]):
                continue
            sites = list(dict.fromkeys(own["site"]))
            there = features_at(m.subject(key["subject"]), m.images(same), sites)
            far = {site: float(torch.pdist(there[site].double()).mean()) for site in sites}
            found += [{**key, **of_unit, "site": site, "apart": far[site]} for site in sites]
    return pd.DataFrame(found, columns=["subject", "unit", "site", "apart"])


def make_naturalness(m: AnalysisMaterial) -> Tables:
    """Row 8: activity among that of natural images, of each front's last member.

    The kept member was chosen by the natural maximum, which the table would only give back.
    """
    known: dict[tuple[str, str], Distribution] = {}
    photos = []
    for name, subject, own in m.by_subject(m.whole):
        units = own.drop_duplicates("unit")
        known |= _stored(name, subject, units["unit"].tolist())
        found = m.shown(subject)
        if found is None:
            continue
        for unit, label in zip(units["unit"], units["label"], strict=True):
            values = activity(subject, parse_target(unit, subject.sites()), found.images).cpu()
            known.setdefault((name, unit), sample(values.numpy()))
            part = {"subject": name, "unit": unit, "activation": values.double().numpy()}
            same = [own_class == label for own_class in found.classes]
            photos.append(pd.DataFrame({**part, "same_class": same}))
    beside = pd.concat(photos, ignore_index=True) if photos else None
    last = [
        r.front["activation"].iloc[choose(r.front, r.settings, LAST)] for r in m.records(m.whole)
    ]
    return {"naturalness": naturalness(m.whole.assign(activation=last), known, beside)}


def _stored(name: str, subject: Subject, units: list[str]) -> dict[tuple[str, str], Distribution]:
    """Read the natural distributions of a subject's statistics."""
    if subject.natural is None:
        return {}
    table = NaturalStatistics.load(subject.natural, subject).table
    train = rows_where(table, table["split"] == "train").set_index("unit")
    there = [unit for unit in units if unit in train.index]
    return {(name, unit): distribution(train.loc[unit], PERCENTILES) for unit in there}


def make_appearance(m: AnalysisMaterial) -> Tables:
    """Make the image statistics of all changes."""
    rows, parts = m.whole, []
    for _, own in groups_by(rows, ["subject"]):
        for start in range(0, len(own), 256):
            some = own.iloc[start : start + 256]
            parts.append((some, m.images(some), m.references(some)))
    table = pd.concat([part[0] for part in parts])
    images = torch.cat([part[1] for part in parts])
    changes = appearance(table, images, torch.cat([part[2] for part in parts]))
    return {
        "appearance": appearance_summary(changes),
        "appearance_sites": between_sites(changes, m.sites),
    }
