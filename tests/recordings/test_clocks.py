"""Clocks with an offset and drift: events come back to where they were on the spikes' clock."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written import RATE, make_session, write_open_ephys, write_phy, write_spikeglx

from invariscope import RecordingOptions, read_recording
from invariscope.cli.app import run
from invariscope.errors import InputError
from invariscope.recordings.clocks import pair_clocks


def other_clock(seconds, *, offset=-1000.0, drift=80e-6):
    """The time on a clock that was started at another moment and goes faster."""
    return (np.asarray(seconds) + offset) * (1 + drift)


def pulse_times(seed=0, pulses=120, irregular=True):
    stream = np.random.default_rng(seed)
    gaps = stream.uniform(5, 15, pulses) if irregular else np.full(pulses, 10.0)
    return 40 + np.cumsum(gaps)


@given(
    offset=st.floats(-1e4, 1e4),
    drift=st.floats(-9e-5, 9e-5),
    wobble=st.floats(0, 2e-5),
    lost=st.integers(-30, 30),
    seed=st.integers(0, 20),
)
@settings(deadline=None, max_examples=60)
def test_times_come_back_within_two_samples_of_either_clock(offset, drift, wobble, lost, seed):
    pulses = pulse_times(seed)
    times = np.random.default_rng(seed + 99).uniform(pulses[0] - 100, pulses[-1] + 100, 500)

    def events_clock(t):
        return other_clock(t, offset=offset, drift=drift) + wobble * 200 * np.sin(t / 200)

    events, spikes = events_clock(pulses), pulses
    if lost > 0:
        events = events[lost:]
    elif lost < 0:
        spikes = spikes[:lost]
    rounded = np.rint(events * RATE) / RATE, np.rint(spikes * RATE) / RATE
    found = pair_clocks(*rounded).to_spikes(events_clock(times))
    inside = (times >= pulses[max(lost, 0)]) & (times <= pulses[min(lost, 0) - 1])
    slack = 2 / RATE + wobble * 15**2 / 8 / 200  # samples, and a chord below a sine between pulses
    assert np.abs(found - times)[inside].max() <= slack
    if wobble == 0:  # outside, the line of all pulses
        assert np.abs(found - times).max() <= 3 / RATE


def test_the_identity_and_an_offset_are_exact():
    pulses = pulse_times()
    times = np.array([pulses[3], np.nan, 100.0, pulses[-1] + 5])
    assert np.allclose(pair_clocks(pulses, pulses).to_spikes(times), times, equal_nan=True)
    moved = pair_clocks(pulses + 7, pulses)
    assert moved.rate == pytest.approx(1, abs=1e-12)
    assert np.allclose(moved.to_spikes(times + 7), times, equal_nan=True, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p[:1], "at least 2 of each"),
        (lambda p: p * 1000, "in another unit"),
        (lambda p: np.append(np.delete(p, 50), p[-1] + 7), "pulses 50 and 51 of sync are"),
        (lambda p: np.delete(p, 50), "with no way to pair them"),
        (lambda p: np.sort(np.random.default_rng(5).uniform(0, p[-1], 115)), "no way to pair"),
    ],
)
def test_pulses_that_are_not_the_same_are_refused(change, told):
    pulses = pulse_times()
    with pytest.raises(InputError, match=told):
        pair_clocks(change(other_clock(pulses)), pulses)


def test_regular_pulses_pair_in_turn_and_are_refused_where_one_is_missing():
    pulses = pulse_times(irregular=False)
    paired = pair_clocks(other_clock(pulses), pulses)
    assert np.allclose(paired.to_spikes(other_clock(pulses + 3)), pulses + 3, atol=1e-9)
    with pytest.raises(InputError, match="ways to pair them"):
        pair_clocks(other_clock(pulses[2:]), pulses)


def test_events_far_outside_the_pulses_are_refused():
    pulses = pulse_times()
    paired = pair_clocks(other_clock(pulses), pulses)
    far = other_clock(pulses[-1] + 2 * (pulses[-1] - pulses[0]))
    with pytest.raises(InputError, match="outside the pulses of sync"):
        paired.to_spikes(np.array([far]))


def write_times(path, seconds, codes=None):
    words = [f"{t!r}" for t in np.asarray(seconds, float).tolist()]
    lines = words if codes is None else [f"{w},{c}" for w, c in zip(words, codes, strict=True)]
    path.write_text("\n".join(["time" if codes is None else "time,code", *lines]) + "\n")
    return path


@pytest.fixture
def long_session():
    """Twenty minutes, in which 80 ppm are 100 ms: a whole response window."""
    session = make_session(trials=18)
    spread = np.arange(18) * 70 * RATE
    onsets = session.onsets + spread
    spikes = {}
    for unit, train in session.spikes.items():
        trial = np.clip(np.searchsorted(session.onsets, train, side="right") - 1, 0, 17)
        spikes[unit] = np.unique(train + spread[trial])
    return type(session)(spikes, onsets, session.codes)


def test_a_sorting_and_events_on_two_clocks(tmp_path, long_session, capsys):
    session = long_session
    write_phy(tmp_path / "s", session, dict.fromkeys(range(3), "good"))
    onsets = session.onsets / RATE
    events = write_times(tmp_path / "events.csv", other_clock(onsets), session.codes)
    pulses = 1200 + pulse_times(pulses=130)
    on_spikes = write_times(tmp_path / "here.csv", pulses)
    on_events = write_times(tmp_path / "there.csv", other_clock(pulses))
    expected = session.counts(list(session.spikes))
    offset_alone = onsets[0] - other_clock(onsets[0])
    options = RecordingOptions(events=events, events_offset=offset_alone)
    assert not np.array_equal(read_recording(tmp_path / "s", options).counts, expected)
    options = RecordingOptions(events=events, sync=(on_spikes, on_events))
    assert np.array_equal(read_recording(tmp_path / "s", options).counts, expected)
    words = ["--events", str(events), "--sync", str(on_spikes), str(on_events)]
    out = tmp_path / "out"
    assert run(["recording", str(tmp_path / "s"), *words, "--out", str(out)]) == 0
    assert "3 images, 18 trials" in capsys.readouterr().out
    assert str(on_events) in (out / "recording.json").read_text()
    for words in (["--sync", str(on_spikes), str(on_events)], ["--sync-channels", "a", "b"]):
        assert run(["recording", str(tmp_path / "s"), *words]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) <= 3


def test_pulses_from_spikeglx_and_from_a_line_of_open_ephys(tmp_path, session):
    first = int(session.onsets[0]) - 3000
    write_phy(tmp_path / "s", session, dict.fromkeys(range(3), "good"), start=first)
    write_spikeglx(tmp_path / "imec", session, line=6, start=first)  # a pulse at each onset
    write_open_ephys(tmp_path / "oe", session)
    board = "Acquisition_Board-100.Rhythm/TTL"
    words = {"events": tmp_path / "oe", "event": f"{board}:word"}
    sync = (tmp_path / "imec", tmp_path / "oe")

    def reading(channel):
        options = RecordingOptions(sync=sync, sync_channels=("nidq:0.6", channel), **words)
        return read_recording(tmp_path / "s", options)

    expected = session.counts(list(session.spikes))
    assert np.array_equal(reading(f"{board}:word").counts, expected)
    # Line 1 is up for codes 1 and 3: two pulses of three are not all pulses.
    with pytest.raises(InputError, match="18 pulses on the spikes' clock and 12 on the events'"):
        reading(f"{board}=1")
    with pytest.raises(InputError, match="unknown code of"):
        reading(f"{board}=9")
    write_times(tmp_path / "pulses.csv", session.onsets / RATE)
    options = RecordingOptions(
        sync=(tmp_path / "imec", tmp_path / "pulses.csv"),
        sync_channels=("nidq:0.6", ""),
        **words,
    )
    assert np.array_equal(read_recording(tmp_path / "s", options).counts, expected)


def test_sync_needs_events_and_no_offset(tmp_path):
    sync = (tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(InputError, match="give events"):
        RecordingOptions(sync=sync)
    with pytest.raises(InputError, match="give one of them"):
        RecordingOptions(sync=sync, events=tmp_path / "e.csv", events_offset=1.0)
    with pytest.raises(InputError, match="expected sync"):
        RecordingOptions(sync_channels=("a", "b"))
