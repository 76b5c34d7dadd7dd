"""Observers whose answers are known: subjects that read an image's own marks."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import torch

from invariscope.analysis.observers import (
    classify,
    matching_activity,
    observer_accuracy,
    over_observers,
    same_network,
    trend,
)
from invariscope.errors import InputError
from invariscope.invariance.classes import classifier
from invariscope.subjects import Subject

CLASSES = ("ant", "bee", "cat", "dog")


@dataclass
class Reader(Subject):
    """Its readout is the first row of red pixels, in its own order of classes."""

    classes: tuple = CLASSES
    name: str = "reader"
    image_size: int = 8
    natural: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def identity(self):
        return {"kind": "reader", "classes": list(self.classes)}

    def _sites(self):
        return {"out": (len(self.classes),)}

    def _respond(self, images, sites):
        return {"out": images[:, 0, 0, : len(self.classes)]}


def marked(*rows):
    images = torch.zeros(len(rows), 3, 8, 8)
    for image, row in zip(images, rows, strict=True):
        image[0, 0, : len(row)] = torch.tensor(row)
    return images


IMAGES = marked([0.9, 0.1, 0.2, 0.3], [0.5, 0.4, 0.9, 0.1], [0.1, 0.8, 0.2, 0.9])


def test_answers_ranks_and_restricted_answers():
    table = classify(Reader(), IMAGES, ["ant", "ant", "bee"], ["ant", "bee"])
    assert list(table["answer"]) == ["ant", "cat", "dog"]
    assert list(table["rank"]) == [1, 2, 2]
    assert list(table["top1"]) == [True, False, False]
    assert list(table["topk"]) == [True, True, True]
    assert set(table["k"]) == {2}  # half of four classes, not five
    assert list(table["restricted_answer"]) == ["ant", "ant", "bee"]
    assert list(table["restricted"]) == [True, True, True]


def test_classes_are_matched_by_name_not_by_place():
    other = Reader(classes=("dog", "cat", "bee", "ant"))
    table = classify(other, IMAGES, ["dog", "bee", "ant"], CLASSES)
    assert list(table["top1"]) == [True, True, True]


def test_a_table_maps_other_names():
    latin = Reader(classes=("formica", "apis", "felis", "canis"))
    names = {"ant": "formica", "bee": "apis"}
    table = classify(latin, IMAGES, ["ant", "ant", "bee"], ["ant", "bee"], names=names)
    assert list(table["restricted"]) == [True, True, True]
    with pytest.raises(InputError, match="class 'ant'"):
        classify(latin, IMAGES, ["ant", "ant", "bee"], ["ant", "bee"])


def answers(**columns):
    base = {
        "source": "net",
        "observer": ["one"] * 4 + ["net"] * 4,
        "own": [False] * 4 + [True] * 4,
        "task": "invariance",
        "site": ["pixels", "pixels", "deep", "deep"] * 2,
        "unit": ["u", "v"] * 4,
        "top1": [True, True, False, True, True, True, True, True],
        "topk": True,
        "restricted": [True, True, False, True, True, True, True, True],
        "k": 2,
        "classes": 4,
    }
    return pd.DataFrame(base | columns)


def test_accuracy_is_the_mean_over_units_and_the_source_stands_apart():
    table = observer_accuracy(answers())
    rows = table.set_index(["observer", "site"])["restricted"]
    assert rows["one", "pixels"] == 1
    assert rows["one", "deep"] == 0.5
    assert set(table["chance"]) == {0.25}
    mean = over_observers(table).set_index("site")
    assert mean["restricted"].to_dict() == {"pixels": 1.0, "deep": 0.5}
    assert set(mean["observers"]) == {1}


def test_the_trend_is_the_slope_along_the_sites():
    table = observer_accuracy(answers())
    slopes = trend(table, {"net": ["pixels", "deep"]}).set_index("observer")["slope"]
    assert slopes["one"] == pytest.approx(-0.5)
    assert slopes["net"] == pytest.approx(0)
    assert len(trend(table, {"net": ["pixels", "other"]})) == 0


def test_a_network_knows_itself_by_identity():
    assert same_network(Reader(name="a"), Reader(name="b"))
    assert not same_network(Reader(), Reader(classes=("x", "y", "z", "w")))


def test_matching_units():
    other = Reader(classes=("dog", "cat", "bee", "ant"))
    match = classifier(other, CLASSES)
    logits = IMAGES[:, 0, 0, :4]
    found = matching_activity(logits, match, ["ant", "bee", "dog"], CLASSES)
    assert found.tolist() == pytest.approx([0.3, 0.9, 0.1])
