"""Names that would collide after a session are refused before it; answers keep their question."""

import warnings

import pytest
import torch

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.rig.export import RecordedSession
from invariscope.rig.file import Recording
from invariscope.rig.names import SUBJECT, TRIAL_COLUMNS, check_names, nwb_column


@pytest.mark.parametrize(
    "units",
    [
        *([name, "u2"] for name in ("trial", "image", "shown", *TRIAL_COLUMNS)),
        *(["u1", "gain u1"], ["u1", "u1 trials"], ["u1", "u1 error"], ["u1", "u1"]),
        *(["probe0/u1", "probe0:u1"], ["u", "u_gain"], ["u", "u gain"], ["best"]),
        *([""], [" "], ["u1 "], ["a,b"], ['a"b'], ["a\nb"], ["a\0b"], []),
    ],
)
def test_units_that_cannot_be_columns_are_refused(units):
    with pytest.raises(InputError, match=r"\[rig\] unit"):
        check_names(Recording(name="a", units=tuple(units)))


def test_ordinary_units_and_animals_are_taken():
    units = ("u1", "U1", "probe0/u1", "probe1:u1", "Größe µ", "gain", "trials", "fc:3")
    check_names(Recording(name="A, 22 November", units=units, subject=dict.fromkeys(SUBJECT, "x")))


@pytest.mark.parametrize(
    "subject",
    [{"date_of_birth": "2020-01-01"}, {"weigth": "3 kg"}, {"age__reference": "x"}, {"sex": ""}],
)
def test_what_nwb_does_not_take_of_an_animal_is_refused(subject):
    with pytest.raises(InputError, match=r"\[rig\] subject"):
        check_names(Recording(name="a", units=("u1",), subject=subject))


def test_every_word_of_the_animal_is_one_of_nwb():
    pynwb = pytest.importorskip("pynwb")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pynwb.file.Subject(**dict.fromkeys(SUBJECT, "P8Y"))
    assert made.fields == dict.fromkeys(SUBJECT, "P8Y") | {"age__reference": "birth"}


def test_the_fixed_columns_are_those_of_the_tables(clean):
    recorded = RecordedSession.load(clean)
    own = [*recorded.units, *(f"gain {unit}" for unit in recorded.units)]
    assert list(recorded.trials.columns) == [*TRIAL_COLUMNS, *own]
    assert nwb_column("probe0/u1") == "response_probe0_u1"


def test_a_session_with_such_a_name_makes_no_folder(make_session, asked, tmp_path):
    file = asked()
    units = ("image", "b", "c")
    named = file.model_copy(update={"rig": file.rig.model_copy(update={"units": units})})
    with pytest.raises(InputError, match="'image' has the name of a column of the rig's answers"):
        make_session(named)
    assert not (tmp_path / "session").exists()


def test_the_rig_as_a_subject_answers_what_it_is_asked(make_session):
    session = make_session()
    images = seeds.uniform([("asked", i) for i in range(4)], (3, 8, 8))
    first = session.rig.respond(images[[0, 1]], ["rig"])["rig"]
    other = session.rig.respond(images[[0, 2]], ["rig"])["rig"]  # the same first image and number
    turned = session.rig.respond(images[[1, 0]], ["rig"])["rig"]
    assert not torch.equal(first[1], other[1])
    requests = session.presenter.ledger.requests
    names = session.presenter.store(images)
    asked = [[names[0], names[1]], [names[0], names[2]], [names[1], names[0]]]
    assert [v for k, v in requests.items() if k.startswith("asked/")] == asked
    trials = len(session.presenter.ledger.trials)
    assert torch.equal(session.rig.respond(images[[0, 1]], ["rig"])["rig"], first)
    assert torch.equal(session.rig.respond(images[[1, 0]], ["rig"])["rig"], turned)
    assert len(session.presenter.ledger.trials) == trials  # asked the same, nothing is shown again
