"""Whatever goes wrong on either side: nothing is lost, nothing counts twice, it goes on."""

import errno
import json
import math
from collections import Counter, deque
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest

from invariscope.errors import BeingWrittenError, StoreError
from invariscope.rig import log
from invariscope.rig.ledger import TrialLedger, rig_seconds
from invariscope.rig.log import SessionLog, read_log
from invariscope.rig.simulate import DirectLink
from invariscope.store import run_folder
from invariscope.store.record import load_run
from invariscope.subjects.rig.link import Link
from invariscope.subjects.rig.messages import AnswerDelivery, RigAnswer


class Killed(BaseException):
    """Takes the place of a kill: nothing catches it."""


def answered(folder):
    """Every trial with an answer, and each trial that was asked for, from the log."""
    entries = read_log(folder)
    asked = [t for e in entries if e["event"] == "block" for t in e["trials"]]
    answers = [a for e in entries if e["event"] == "answers" for a in e["answers"]]
    assert len({a["trial"] for a in answers}) == len(answers), "an answer was counted twice"
    return asked, {a["trial"]: a for a in answers}


def same_session(one, other):
    """Assert that two sessions showed, got and found the same, bit for bit."""
    assert answered(one) == answered(other)
    for path in sorted(one.glob("*/*/run.toml")):
        first = load_run(path.parent)
        second = load_run(other / path.parent.relative_to(one))
        assert first.journal == second.journal
        np.testing.assert_array_equal(first.front.to_numpy(), second.front.to_numpy())


def killing(moment):
    """Kills at the n-th time that something is about to be written, or was written just now."""
    left = [moment]

    def around(real):
        def work(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            done = real(*args, **kwargs)
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return done

        return work

    return left, around


def run_killed(make_session, moments):
    """A session that is killed and started again at each of these moments."""
    for moment in moments:
        left, around = killing(moment)
        session = make_session(out="killed")
        with (
            patch.object(SessionLog, "append", around(SessionLog.append)),
            patch.object(run_folder, "replace_file", around(run_folder.replace_file)),
            patch.object(run_folder.RunFolder, "append", around(run_folder.RunFolder.append)),
            patch.object(
                run_folder.RunFolder, "checkpoint", around(run_folder.RunFolder.checkpoint)
            ),
        ):
            try:
                session.run()
            except Killed:
                pass
            else:
                return left[0]
            finally:
                session.close()
    session = make_session(out="killed")
    session.run()
    session.close()
    return 0


def test_our_side_is_killed_again_and_again_and_ends_as_unbroken(make_session, clean, tmp_path):
    run_killed(make_session, [3, 9, 14, 27, 8, 21, 33])
    same_session(clean, tmp_path / "killed")


@pytest.mark.statistical
@pytest.mark.parametrize("first", range(1, 12))
def test_our_side_is_killed_at_every_moment(make_session, clean, tmp_path, first):
    run_killed(make_session, range(first, 90, 11))
    same_session(clean, tmp_path / "killed")


class Faulty(Link):
    """A link to a brain whose deliveries pass through a function before they arrive."""

    def __init__(self, brain, spoil):
        self.inner, self.spoil, self.waiting = DirectLink(brain), spoil, deque()

    def show(self, block, images):
        self.inner.show(block, images)

    def withdraw(self, block):
        self.inner.withdraw(block)

    def receive(self, seconds):
        if delivery := self.inner.receive(seconds):
            self.waiting += self.spoil(delivery)
        return self.waiting.popleft() if self.waiting else None

    @property
    def silence(self):
        return math.inf


def duplicated(delivery):
    return [delivery, delivery, AnswerDelivery(delivery.answers[:3], [])]


def reordered(delivery):
    return [AnswerDelivery([answer], []) for answer in reversed(delivery.answers)]


def other_second_answers(delivery):
    others = [replace(a, responses=dict.fromkeys(a.responses, 99.0)) for a in delivery.answers[:2]]
    return [AnswerDelivery(delivery.answers[:4], []), AnswerDelivery(others, []), delivery]


def wrong_names(delivery):
    first = delivery.answers[0]
    wrong = [
        replace(first, image="f" * 16),
        replace(first, trial="t999999"),
        replace(first, responses={"z": 1.0}),
    ]
    return [AnswerDelivery(wrong, ["half a line"]), delivery]


def clock_jumps(delivery):
    return [
        AnswerDelivery([replace(a, shown=-5.0 * i) for i, a in enumerate(delivery.answers)], [])
    ]


SPOILS = [duplicated, reordered, other_second_answers, wrong_names]


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_spoiled_deliveries_change_nothing(make_session, make_brain, clean, tmp_path, spoil):
    said = []
    session = make_session(link=Faulty(make_brain(), spoil), out="spoiled", say=said.append)
    session.run()
    session.close()
    same_session(clean, tmp_path / "spoiled")
    notes = [e["text"] for e in read_log(tmp_path / "spoiled") if e["event"] == "note"]
    expected = {
        "other_second_answers": ["second, different answer"],
        "wrong_names": ["names image 'ffff", "never asked for", "other units", "half a line"],
    }.get(spoil.__name__, [])
    assert bool(notes) == bool(expected)
    for text in expected:
        assert any(text in note for note in notes)
        assert any(text in note for note in said)


def test_partial_answers_come_again_and_late_ones_count_once(make_session, make_brain, tmp_path):
    held = []

    def partial_then_late(delivery):
        late = [AnswerDelivery([a], []) for a in held]
        held[:] = delivery.answers[::4] if len(delivery.answers) > 4 else []
        return [AnswerDelivery([a for a in delivery.answers if a not in held], []), *late]

    session = make_session(link=Faulty(make_brain(), partial_then_late), out="partial")
    session.run()
    session.close()
    asked, answers = answered(tmp_path / "partial")
    assert len(asked) > len(answers) * 0.9
    for entry in read_log(tmp_path / "partial"):
        if entry["event"] == "measured" and entry["key"] == "range":
            assert (np.array(entry["counts"]).min(1) >= 4).all()


def test_trials_that_were_not_recorded_come_again_or_are_left_out(make_session, asked, make_brain):
    for rule, name in (("again", "one"), ("skip", "two")):
        file = asked(blocks=f'on_missing = "{rule}"')
        session = make_session(file, link=DirectLink(make_brain(lost=0.3)), out=name)
        session.run()
        ledger = session.presenter.ledger
        counts = np.array(ledger.measured["range"]["counts"])
        shown = Counter(trial.image for trial in ledger.of("range"))
        times = np.array([shown[name] for name in ledger.requests["range"]])
        short = counts.min(1) < 4
        if rule == "again":  # 4, and up to 3 more
            assert times.max() > 4
            assert (times[short] == 7).all()
        else:
            assert (times == 4).all()
            assert short.any()
        session.close()


def test_a_clock_that_jumps_back_is_made_to_run_forward(make_session, make_brain, tmp_path):
    session = make_session(link=Faulty(make_brain(), clock_jumps), out="jumps")
    session.run()
    seconds = rig_seconds(session.presenter.ledger, 0.2)
    assert (np.diff(seconds) > 0).all()
    session.close()


def test_a_clock_that_runs_well_is_left_alone(clean):
    ledger = TrialLedger(SessionLog(clean))
    told = [ledger.answers[name].shown for name in ledger.trials]
    np.testing.assert_allclose(rig_seconds(ledger, 0.2), told, atol=1e-9)
    ledger.log.close()


def test_a_full_disk_stops_with_a_sentence_and_goes_on_when_there_is_room(
    make_session, clean, tmp_path
):
    real, left = log.os.fsync, [20]

    def full(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle)

    session = make_session(out="full")
    with (
        patch.object(log.os, "fsync", full),
        pytest.raises(StoreError, match="No space left on device"),
    ):
        session.run()
    session.close()
    whole = read_log(tmp_path / "full")
    assert all("event" in entry for entry in whole)
    session = make_session(out="full")
    session.run()
    session.close()
    same_session(clean, tmp_path / "full")


def test_half_a_line_of_a_killed_writer_is_cut(clean):
    before = read_log(clean)
    with (clean / "log.jsonl").open("ab") as file:
        file.write(b'{"event": "answ')
    opened = SessionLog(clean)
    opened.append({"event": "note", "text": "on"})
    opened.close()
    assert read_log(clean) == [*before, {"event": "note", "text": "on"}]


def test_a_damaged_log_is_refused(clean):
    lines = (clean / "log.jsonl").read_bytes().split(b"\n")
    lines[2] = b"{}"
    (clean / "log.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(StoreError, match="damaged at line 3"):
        SessionLog(clean)


def test_a_session_has_one_writer(make_session):
    make_session()
    with pytest.raises(BeingWrittenError):
        make_session()


def test_a_session_asked_otherwise_is_refused(make_session, asked, tmp_path):
    make_session().close()
    with pytest.raises(StoreError, match=r"\[blocks\] drift differs"):
        make_session(asked(blocks="drift = 50.0"))
    kept = json.loads((tmp_path / "session" / "session.json").read_text())
    assert kept["blocks"]["drift"] == 300


def test_answers_that_cannot_be_read_are_named(make_session, make_brain):
    answer = RigAnswer("t000000", "0" * 16, {"a": (1.5, 20.0), "b": math.nan, "c": 3.0})
    plain = json.loads(json.dumps(answer.plain()))
    assert plain["responses"] == {"a": [1.5, 20.0], "b": None, "c": 3.0}
