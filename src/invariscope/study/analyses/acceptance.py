"""Analysis of a study's images shown to every network: the acceptance matrix (after row 14)."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope.analysis.acceptance import (
    acceptance,
    acceptance_contrasts,
    accepted_images,
    rank_p,
    split_half,
)
from invariscope.analysis.controls import random_images
from invariscope.analysis.grouping import Rows, groups_by
from invariscope.analysis.observers import matching_activity, same_network
from invariscope.analysis.respond import features
from invariscope.errors import InputError
from invariscope.invariance.classes import Classifier, classifier
from invariscope.natural.statistics import NaturalStatistics
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.analyses.recognition import Tables
from invariscope.subjects import Subject
from invariscope.units import parse_target

DRAWN = 400  # random images: the smallest p is 1 / 401
REPEATS = 10  # answers of a noisy observer that are averaged


def make_acceptance(m: AnalysisMaterial) -> Tables:
    """Show every image, reference and random image to every network that knows the classes."""
    rows = m.named(m.whole)
    classes = list(dict.fromkeys(rows["label"]))
    sources = [_source(m, name, subject, own) for name, subject, own in m.by_subject(rows)]
    parts = []
    for observer in _networks(m):
        answering = _Answering.of(m, observer, classes)
        parts += [_answers(answering, source, classes) for source in sources]
    images = accepted_images(pd.concat(parts, ignore_index=True))
    if bool(images["own"].all()):
        raise InputError("acceptance needs another network than the source; give --observers")
    roles = m.study.roles | m.observer_kinds
    return {
        "acceptance": acceptance(images),
        "acceptance_contrasts": acceptance_contrasts(images, roles),
        "acceptance_images": images,
    }


def _networks(m: AnalysisMaterial) -> list[Subject]:
    """List the sources of the study, then the observers that are no source.

    Raises:
        InputError: two different networks of one name, whose answers could not be told apart.
    """
    found = [subject for _, subject, _ in m.by_subject(m.whole)]
    for address in m.observers:
        observer = m.observer(address)
        if not any(same_network(observer, known) for known in found):
            found.append(observer)
    names = [network.name for network in found]
    if len(set(names)) < len(names):
        raise InputError(f"networks that answer need different names; got {', '.join(names)}")
    return found


class _Source(NamedTuple):
    """A network's images: of runs, of references, and random images of the generator."""

    name: str
    subject: Subject
    rows: Rows
    images: Tensor
    references: Tensor
    drawn: Tensor


def _source(m: AnalysisMaterial, name: str, subject: Subject, rows: Rows) -> _Source:
    drawn = subject.see(random_images(m.generator(rows), DRAWN)).cpu()
    return _Source(name, subject, rows, m.images(rows), m.references(rows), drawn)


class _Answering(NamedTuple):
    """A network that answers, with its units for the classes and their natural maxima."""

    network: Subject
    match: Classifier
    maxima: list[float]

    @classmethod
    def of(cls, m: AnalysisMaterial, network: Subject, classes: list[str]) -> "_Answering":
        match = classifier(network, classes, names=m.names_for(network, classes))
        return cls(network, match, natural_maxima(network, match.site, match.targets.tolist()))

    def logits(self, images: Tensor) -> Tensor:
        """Collect the readout's answers, `(repeats, images, units)`; one repeat without noise."""
        repeats = REPEATS if self.match.site in self.network.noisy else 1
        return torch.stack(
            [features(self.network, images, self.match.site) for _ in range(repeats)]
        )


def natural_maxima(network: Subject, site: str, units: list[int]) -> list[float]:
    """Look up the natural maxima of some units of a readout; NaN where unknown."""
    if network.natural is None:
        return [np.nan] * len(units)
    known = NaturalStatistics.load(network.natural, network)
    found = [known.of(parse_target(f"{site}:{unit}", network.sites())) for unit in units]
    return [entry.maximum if entry else np.nan for entry in found]


def _answers(answering: _Answering, source: _Source, classes: list[str]) -> pd.DataFrame:
    """Tabulate one network's answers to the images of one source (`accepted_images`)."""
    match, labels = answering.match, source.rows["label"].tolist()
    logits = answering.logits(source.images)
    repeats = torch.stack([matching_activity(one, match, labels, classes) for one in logits], 1)
    reference = matching_activity(
        answering.logits(source.references).mean(0), match, labels, classes
    )
    drawn = answering.logits(source.drawn).mean(0)[:, match.targets].double().numpy()
    place = np.array([classes.index(label) for label in labels])
    active = repeats.double().mean(1).numpy()
    p = np.empty(len(active))
    for unit in np.unique(place):
        p[place == unit] = rank_p(active[place == unit], drawn[:, unit])
    table = source.rows[["task", "site", "unit", "seed"]].reset_index(drop=True)
    return table.assign(
        source=source.name,
        observer=answering.network.name,
        own=same_network(answering.network, source.subject),
        activation=active,
        reference=reference.double().numpy(),
        chance=drawn.mean(0)[place],
        others=_of_others(source.rows, logits.double().mean(0).numpy(), match, place),
        maximum=np.array(answering.maxima)[place],
        p=p,
        reliability=split_half(repeats.double().numpy()),
    )


def _of_others(
    rows: Rows, logits: NDArray[np.float64], match: Classifier, place: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Average each row's unit over the images of the source's other units, task and site alike."""
    found = np.full(len(rows), np.nan)
    units, own = match.targets.numpy()[place], rows.reset_index(drop=True)
    for _, group in groups_by(own, ["task", "site"]):
        at = group.index.to_numpy()
        for row in at:
            apart = at[own["unit"].to_numpy()[at] != own["unit"].iloc[row]]
            if len(apart):
                found[row] = logits[apart, units[row]].mean()
    return found
