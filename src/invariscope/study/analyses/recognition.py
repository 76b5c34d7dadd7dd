"""Analyses of networks' answers to a study's images: Figs. 4c and 4e."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from torch import Tensor

from invariscope.analysis.grouping import Rows, rows_where
from invariscope.analysis.losses import member_at_loss
from invariscope.analysis.observers import (
    classify,
    observer_accuracy,
    over_observers,
    same_network,
    trend,
)
from invariscope.analysis.recognition import (
    COMPARED_LOSS,
    NEAR,
    REACHED,
    SAME_DISTANCE,
    SAME_LOSS,
    recognition,
    recognition_slopes,
    robust_over_standard,
)
from invariscope.invariance.classes import classifier
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.subjects import Subject

Tables = dict[str, pd.DataFrame]
MEI, PHOTO, NATURAL = "MEI", "reference photo", "natural"


def references(rows: Rows) -> Rows:
    """Keep a single run of each reference."""
    return rows.drop_duplicates(["subject", "unit", "reference_id"])


def make_observers(m: AnalysisMaterial) -> Tables:
    """Make rows 5 and 6: observers' classes of the images."""
    rows = m.named(m.whole)
    classes = list(dict.fromkeys(rows["label"]))
    first = references(rows)
    kind = first["reference"].map({"mei": MEI}).fillna(PHOTO)
    shown = (
        (rows, m.images(rows)),
        (first.assign(task=kind, site="", milestone=True), m.references(first)),
    )
    answers = pd.concat([_answers(m, own, images, classes) for own, images in shown])
    photos = [_photos(m, observer, classes) for observer in m.watchers()]
    accuracy = observer_accuracy(pd.concat([answers, *photos], ignore_index=True))
    return {
        "observers": accuracy,
        "observers_mean": over_observers(accuracy),
        "observers_trend": trend(accuracy, m.sites_of),
        **_by_kind(m, answers),
    }


def _photos(m: AnalysisMaterial, observer: Subject, classes: list[str]) -> pd.DataFrame:
    """Collect an observer's answers to the photos of the study's classes."""
    names = m.names_for(observer, classes)
    units = classifier(observer, classes, names=names).targets.tolist()
    own = dict(zip(classes, classes, strict=True))
    if observer.classes:
        own = {observer.classes[unit]: name for unit, name in zip(units, classes, strict=True)}
    shown = m.shown(observer)
    chosen = [k for k, name in enumerate(shown.classes) if name in own] if shown else []
    if shown is None or not chosen:
        return pd.DataFrame()
    labels = [own[shown.classes[k]] for k in chosen]
    found = classify(observer, shown.images[chosen], labels, classes, names=names)
    about = {"source": "", "observer": observer.name, "own": False, "classes": len(classes)}
    return found.assign(**about, task=NATURAL, site="", unit=labels)


def _answers(m: AnalysisMaterial, rows: Rows, images: Tensor, classes: list[str]) -> pd.DataFrame:
    """Collect every observer's answers to one image a run."""
    parts = []
    for observer in m.watchers():
        names = m.names_for(observer, classes)
        found = classify(observer, images, rows["label"].tolist(), classes, names=names)
        about = rows[["subject", "task", "site", "unit", "milestone"]].reset_index(drop=True)
        about = about.rename(columns={"subject": "source"})
        own = {
            name: same_network(observer, m.subject(name)) for name in dict.fromkeys(about["source"])
        }
        about["own"] = about["source"].map(own).astype(bool)
        kind = m.observer_kinds.get(observer.name, "")
        about = about.assign(observer=observer.name, kind=kind, classes=len(classes))
        parts.append(pd.concat([about, found], axis=1))
    return pd.concat(parts, ignore_index=True)


def _by_kind(m: AnalysisMaterial, answers: pd.DataFrame) -> Tables:
    """Tabulate recognition by kind of observer, of runs that reached 25 of 50.

    Beside it that of archived members at equal loss and at equal pixel distance, whatever the run
    reached, since depth of the stretch comes with distance and with convergence.
    """
    reached = rows_where(answers, answers["milestone"].astype(bool))
    classes = list(dict.fromkeys(answers["class"]))
    found, slopes = [], [recognition_slopes(reached, m.sites_of).assign(match=REACHED)]
    for match, rows in matched_members(m, m.named(m.invariant)):
        own = _answers(m, rows, m.images(rows, "row"), classes)
        means = rows.groupby(["subject", "site"], sort=False)[["pixel_distance", "reduction"]]
        about = means.mean().rename_axis(["source", "site"]).reset_index()
        table = recognition(own).merge(about, on=["source", "site"])
        found.append(table.assign(match=match))
        slopes.append(recognition_slopes(own, m.sites_of).assign(match=match))
    tables = {
        "observers_kinds": recognition(reached).assign(match=REACHED),
        "observers_slopes": pd.concat(slopes, ignore_index=True),
        "observers_robust": robust_over_standard(reached, m.study.roles).assign(match=REACHED),
    }
    tables["observers_matched"] = pd.concat(found, ignore_index=True)
    return tables


def matched_members(m: AnalysisMaterial, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """Choose members of archived fronts that compare between sites.

    Yields:
        The rule, and the runs that have such a member, with `row`, the member's row of its front,
        and the member's `pixel_distance` and `reduction`. At equal loss the farthest that loses
        at most 25 %; at equal distance the one nearest to the distance that the unit's fronts
        reach at every site, where this is within a tenth of that distance.
    """
    fronts = [record.front for record in m.records(rows)]
    farthest = rows.assign(most=[front["pixel_distance"].max() for front in fronts])
    at_site = farthest.groupby(["subject", "unit", "site"], sort=False)["most"].min()
    shared = at_site.groupby(["subject", "unit"]).min()
    same_loss: list[int | None] = []
    same_distance: list[int | None] = []
    for key, front in zip(rows.to_dict("records"), fronts, strict=True):
        reference = float(key["reference_activity"])
        same_loss.append(member_at_loss(front, reference, COMPARED_LOSS, "invariance"))
        goal = shared[key["subject"], key["unit"]]
        apart = (front["pixel_distance"] - goal).abs().to_numpy()
        nearest = int(apart.argmin())
        same_distance.append(nearest if apart[nearest] <= NEAR * goal else None)
    for match, members in ((SAME_LOSS, same_loss), (SAME_DISTANCE, same_distance)):
        yield match, _with_members(rows, fronts, members)


def _with_members(rows: Rows, fronts: list[pd.DataFrame], members: list[int | None]) -> Rows:
    """Put the chosen member's numbers into the rows with such a member."""
    row = np.array([np.nan if k is None else k for k in members], float)
    there = np.isfinite(row)
    chosen = rows_where(rows, there).assign(row=row[there].astype(int))
    kept = [front.iloc[k] for front, k in zip(fronts, members, strict=True) if k is not None]
    reference = chosen["reference_activity"].to_numpy(float)
    active = np.array([float(member["activation"]) for member in kept])
    lost = 100 * (1 - active / np.where(reference > 0, reference, np.nan))
    distance = [float(member["pixel_distance"]) for member in kept]
    return chosen.assign(pixel_distance=distance, reduction=lost)
