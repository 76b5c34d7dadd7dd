"""The kind of a unit whose answers need a word stands wherever the unit is used."""

import pandas as pd
import pytest
import torch
from torch import nn

import invariscope as iv
from invariscope.cli.rig import _print_range
from invariscope.errors import InputError
from invariscope.experiments.result import kind_of, load_result
from invariscope.natural.statistics import NaturalStatistics
from invariscope.report.report import write_report
from invariscope.study.row import row_of
from invariscope.subjects import kinds

pytestmark = pytest.mark.reliability(
    "units that are dead, constant, saturated, never positive", "right"
)
SIDE = 16
OPTIONS = iv.SearchOptions(generations=2, population=8, precision="float32")
# Entry by entry: like most, silent, constant, never positive.
OF_UNIT = ["", kinds.SILENT, kinds.CONSTANT, kinds.NEVER_POSITIVE]


class OfEveryKind(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Identity()

    def forward(self, x):
        y = x.mean((1, 2, 3))
        return self.out(torch.stack([y + 9, 0 * y, 0 * y + 3, -y.abs() - 1], 1))


@pytest.fixture(scope="module")
def subject():
    return iv.NetworkSubject(OfEveryKind().eval(), image_size=SIDE, mean=0, std=1, name="kinds")


@pytest.fixture(scope="module")
def generator():
    return iv.load_generator("embedded")


@pytest.mark.parametrize("unit", range(4))
def test_a_search_for_an_mei_refuses_a_unit_without_answer(subject, generator, unit, tmp_path):
    def search():
        return iv.find_mei(subject, generator, f"out:{unit}", options=OPTIONS, out=tmp_path)

    kind = OF_UNIT[unit]
    if kind in kinds.WITHOUT_ANSWER:
        with pytest.raises(InputError, match=f"over the 16 images of the search.*{kind}"):
            search()
        note = kinds.kind_note(f"out:{unit}", kind)
        assert note in write_report(tmp_path, tmp_path / "page.html").read_text()
    else:
        assert search().activity is not None


@pytest.mark.parametrize("unit", range(4))
def test_tables_and_profile_of_a_search_state_the_kind(subject, generator, unit, tmp_path):
    """From a photo, as no MEI of a dead unit is departed from."""
    start = iv.image_reference(torch.rand(3, SIDE, SIDE), SIDE)
    address = f"out:{unit}"
    result = iv.stretch_and_squeeze(
        subject, generator, address, reference=start, options=OPTIONS, out=tmp_path
    )
    # Over its own images alone a unit that is never positive is not told from one like most.
    kind = OF_UNIT[unit] if OF_UNIT[unit] in kinds.WITHOUT_ANSWER else ""
    assert result.table()["kind"].tolist() == [kind]
    record = load_result(tmp_path).runs[0]
    assert kind_of(record) == row_of(record)["kind"] == kind
    card = iv.profile(subject, address, result=result).card()
    assert ("note:" in card) == bool(kind)
    assert kind in card
    page = write_report(tmp_path, tmp_path / "page.html").read_text()
    assert not kind or kind in page


def test_a_profile_from_photos_states_the_kind(subject):
    photos = iv.image_set(torch.rand(6, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
    for unit, kind in enumerate(OF_UNIT):
        card = iv.profile(subject, f"out:{unit}", images=photos).card()
        assert (f"note: unit out:{unit} is {kind}" in card) == bool(kind)


def test_an_active_reference_makes_a_unit_not_silent():
    assert kinds.searched_kind(None, [[0, 0, 0]], 0.0) == kinds.SILENT
    assert kinds.searched_kind(None, [[0, 0, 0]], 2.0) == ""
    assert kinds.searched_kind(None, [[3, 3, 3]], 3.0) == kinds.CONSTANT
    assert kinds.searched_kind(None, [[3, 3, 3], [3, 3, 4]]) == ""
    assert kinds.searched_kind(None, [[float("nan")] * 3]) == kinds.NOT_FINITE
    assert kinds.searched_kind(None, []) == ""
    of_photos = {"minimum": -3.0, "maximum": -1.0}
    assert kinds.searched_kind(of_photos, [[0, 0, 0]]) == kinds.NEVER_POSITIVE


@pytest.mark.parametrize(
    ("low", "high", "usual", "kind"),
    [(0, 0, 0, "silent"), (2, 2, 2, "constant"), (1, 9, 8.9, "saturated"), (0, 9, 1, "–")],
)
def test_the_table_of_a_range_block_states_the_kind(low, high, usual, kind, capsys):
    row = {"unit": "u:0", "split": "train", "name": "a", "minimum": low, "maximum": high}
    row |= {"p1": usual, "mean": 1.0, "sd": 1.0, "reliability": 0.5}
    _print_range(NaturalStatistics(pd.DataFrame([row]), {}))
    assert kind in capsys.readouterr().out
