"""Each format's file, written by hand, gives the counts of a plain loop over samples."""

import contextlib
import json

import numpy as np
import pytest
from written import (
    RATE,
    make_session,
    write_nev,
    write_open_ephys,
    write_open_ephys_legacy,
    write_phy,
    write_plx,
    write_spikeglx,
    write_tdt,
)

from invariscope import RecordingOptions, read_recording
from invariscope.errors import InputError, StoreError

WORD = "Acquisition_Board-100.Rhythm/TTL:word"


def write_old_open_ephys(path, session):
    write_open_ephys(path, session, seconds=False)


def write_sorted(path, session):
    """A phy folder with its onsets, in samples of its own file, beside it."""
    write_phy(path, session, {0: "good", 1: "mua", 2: "good"})
    rows = zip(session.onsets.tolist(), session.codes.tolist(), strict=True)
    lines = "".join(f"{onset / RATE!r},{code}\n" for onset, code in rows)
    (path.parent / "onsets.csv").write_text("time,code\n" + lines)


FORMATS = {
    "nev": ("a.nev", write_nev, {}),
    "plexon": ("a.plx", write_plx, {}),
    "open ephys 1.0": ("new", write_open_ephys, {"event": WORD}),
    "open ephys 0.5": ("old", write_old_open_ephys, {"event": WORD}),
    "open ephys 0.4": ("oldest", write_open_ephys_legacy, {"event": "100:word"}),
    "tdt": ("tank", write_tdt, {}),
    "phy": ("sorted", write_sorted, {"events": "onsets.csv"}),
}
NEEDS_NEO = ("nev", "plexon", "tdt")


@pytest.fixture(params=FORMATS)
def written(request, tmp_path, session):
    """A file's path and how to read it."""
    if request.param in NEEDS_NEO:
        pytest.importorskip("neo")
    name, write, words = FORMATS[request.param]
    write(tmp_path / name, session)
    if "events" in words:
        words = {"events": tmp_path / words["events"]}
    return tmp_path / name, words


def test_counts_are_those_of_a_plain_loop(written, session):
    path, words = written
    found = read_recording(path, RecordingOptions(**words))
    expected = session.counts(list(session.spikes))
    assert np.array_equal(found.counts, expected)
    assert np.array_equal(found.responses, expected * 10)
    assert found.quantity == "spikes/s"
    assert np.array_equal(found.shown, session.codes - 1)
    assert found.images == ("1", "2", "3")
    assert np.allclose(np.diff(found.onsets), np.diff(session.onsets) / RATE, atol=1e-9)


def test_a_baseline_is_subtracted_as_a_rate(written, session):
    path, words = written
    options = RecordingOptions(window=(0.0, 200.0), baseline=(-50.0, 0.0), **words)
    found = read_recording(path, options)
    units = list(session.spikes)
    expected = session.counts(units, (0.0, 200.0)) * 5 - session.counts(units, (-50.0, 0.0)) * 20
    assert np.allclose(found.responses, expected, atol=1e-9)


def test_windows_hold_their_first_instant_and_not_their_last(written, session):
    path, words = written
    # Every unit has a spike exactly at 50 ms and one exactly at 150 ms of each image.
    short = RecordingOptions(window=(150.0, 151.0), **words)
    assert (read_recording(path, short).counts >= 1).all()
    before = RecordingOptions(window=(149.0, 150.0), **words)
    at_end = session.counts(list(session.spikes), (149.0, 150.0))
    assert np.array_equal(read_recording(path, before).counts, at_end)


@pytest.mark.parametrize("write", [write_nev, write_plx, write_tdt], ids=["nev", "plexon", "tdt"])
def test_unsorted_and_noise_count_where_asked(write, tmp_path):
    pytest.importorskip("neo")
    noise = {write_nev: 255, write_tdt: 31}.get(write)
    units = [(1, 0), (1, 1)] + ([(2, noise)] if noise else [])
    session = make_session(units)
    path = tmp_path / {write_nev: "a.nev", write_plx: "a.plx", write_tdt: "tank"}[write]
    write(path, session)
    found = read_recording(path)
    assert found.units == ("ch1#1",)
    assert {(d.what, d.why.partition(":")[0]) for d in found.dropped} == (
        {("unit", "unsorted"), ("unit", "noise")} if noise else {("unit", "unsorted")}
    )
    kinds = ("sorted", "unsorted", "noise")
    every = read_recording(path, RecordingOptions(kinds=kinds))
    assert np.array_equal(every.counts, session.counts(units))


def test_a_persons_labels_stand_above_the_sorters_and_no_label_is_unsorted(tmp_path, session):
    write_sorted(tmp_path / "s", session)
    (tmp_path / "s" / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tnoise\n")
    (tmp_path / "s" / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n0\tgood\n1\tmua\n")
    options = RecordingOptions(events=tmp_path / "onsets.csv")
    found = read_recording(tmp_path / "s", options)
    assert found.units == ("1",)
    told = sorted(str(one) for one in found.dropped)
    assert told == ["left out: 1 unit (noise: 0)", "left out: 1 unit (unsorted: 2)"]


def test_params_are_read_and_never_run(tmp_path, session):
    write_sorted(tmp_path / "s", session)
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\nsample_rate = 30000.\n"
    (tmp_path / "s" / "params.py").write_text(trap)
    read_recording(tmp_path / "s", RecordingOptions(events=tmp_path / "onsets.csv"))
    assert not (tmp_path / "ran").exists()


def test_events_of_another_file_are_moved_onto_the_spikes_clock(tmp_path, session):
    first = int(session.onsets[0]) - 30_000
    write_phy(tmp_path / "s", session, dict.fromkeys(range(3), "good"), start=first)
    write_open_ephys(tmp_path / "oe", session)
    chosen = tmp_path / "oe"
    options = RecordingOptions(events=chosen, event=WORD, events_offset=-first / RATE)
    found = read_recording(tmp_path / "s", options)
    assert np.array_equal(found.counts, session.counts(list(session.spikes)))


def test_lines_of_spikeglx_beyond_the_eighth_have_their_own_edges(tmp_path, session):
    first = int(session.onsets[0]) - 300
    write_spikeglx(tmp_path / "run", session, line=11, start=first)
    write_phy(tmp_path / "s", session, dict.fromkeys(range(3), "good"), start=first)
    rows = "".join(f"{code}\n" for code in session.codes)
    (tmp_path / "order.csv").write_text("image\n" + rows)
    options = RecordingOptions(events=tmp_path / "run", order=tmp_path / "order.csv")
    found = read_recording(tmp_path / "s", options)
    assert np.array_equal(found.counts, session.counts(list(session.spikes)))
    (tmp_path / "order.csv").write_text("image\n" + rows + "1\n")
    with pytest.raises(InputError, match="19 rows, and there are 18 events"):
        read_recording(tmp_path / "s", options)


def test_a_truncated_file_is_refused(written):
    path, words = written
    kinds = (".npy", ".spikes", ".events")
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.suffix in kinds)
    files = [file for file in files if file.name != "messages.events"]  # is not read
    if not files:
        files = list(path.rglob("*.tsq"))
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) - 13])
        with pytest.raises((StoreError, InputError)) as told:
            read_recording(path, RecordingOptions(**words))
        assert str(path.name) in str(told.value)
        file.write_bytes(whole)


def test_a_truncated_spikeglx_file_is_refused(tmp_path, session):
    write_spikeglx(tmp_path / "run", session, line=0, start=int(session.onsets[0]) - 300)
    data = next((tmp_path / "run").rglob("*.bin"))
    data.write_bytes(data.read_bytes()[:-40])
    with pytest.raises(StoreError, match="truncated"):
        read_recording(tmp_path / "run")


def test_sampling_rate_0_is_refused(tmp_path, session):
    write_phy(tmp_path / "s", session, {0: "good"}, rate=0)
    with pytest.raises(InputError, match="0 Hz; expected a number above 0"):
        read_recording(tmp_path / "s")
    write_open_ephys(tmp_path / "oe", session, seconds=False)
    about = tmp_path / "oe" / "structure.oebin"
    text = json.loads(about.read_text())
    text["spikes"][0]["sample_rate"] = 0
    about.write_text(json.dumps(text))
    with pytest.raises(InputError, match="0 Hz"):
        read_recording(tmp_path / "oe")
    pytest.importorskip("neo")
    write_nev(tmp_path / "a.nev", session, rate=0)
    with pytest.raises(InputError, match="0 Hz"):
        read_recording(tmp_path / "a.nev")
    write_plx(tmp_path / "a.plx", session)
    plexon = bytearray((tmp_path / "a.plx").read_bytes())
    plexon[136:140] = bytes(4)
    (tmp_path / "a.plx").write_bytes(plexon)
    with pytest.raises(InputError, match="0 Hz"):
        read_recording(tmp_path / "a.plx")


def test_several_recordings_ask_for_one(tmp_path, session):
    for name in ("recording1", "recording2"):
        write_open_ephys(tmp_path / "experiment1" / name, session)
    with pytest.raises(InputError, match="holds 2 recordings; choose segment"):
        read_recording(tmp_path)
    chosen = read_recording(tmp_path, RecordingOptions(event=WORD, segment=1))
    assert chosen.name == "recording2"
    with pytest.raises(InputError, match="none of number 2"):
        read_recording(tmp_path, RecordingOptions(event=WORD, segment=2))


def test_a_legacy_folder_in_segments_and_its_lines(tmp_path, session):
    write_open_ephys_legacy(tmp_path / "oe", session)
    write_open_ephys_legacy(tmp_path / "oe", session, segment="_2")
    with pytest.raises(InputError, match="holds 2 segments; choose segment"):
        read_recording(tmp_path / "oe")
    with pytest.raises(InputError, match="none of 2"):
        read_recording(tmp_path / "oe", RecordingOptions(segment=2))
    options = RecordingOptions(segment=1, event="100")
    with pytest.raises(InputError, match=r"two images at once, 6 times.* channel of words"):
        read_recording(tmp_path / "oe", options)
    session.codes[session.codes == 3] = 2
    write_open_ephys_legacy(tmp_path / "oe", session, segment="_2")
    found = read_recording(tmp_path / "oe", options)
    assert len(found.shown) == len(session.codes)
    assert np.array_equal(found.shown, session.codes - 1)
    assert found.images == ("0", "1")
    assert found.units == ("SE1#1", "SE1#2", "SE2#1")
    write_open_ephys_legacy(tmp_path / "none", session, rate=0)
    with pytest.raises(InputError, match="0 Hz"):
        read_recording(tmp_path / "none")


def damaged(content, stream):
    """The bytes cut short, or with a few of the first 600 changed."""
    changed = bytearray(content)
    if stream.random() < 0.4:
        return bytes(changed[: stream.integers(0, len(changed))])
    for place in stream.integers(0, min(len(changed), 600), 3):
        changed[place] = stream.integers(0, 256)
    return bytes(changed)


def test_damaged_bytes_never_end_in_a_traceback(written):
    path, words = written
    stream = np.random.default_rng(1)
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    for file in files:
        whole = file.read_bytes()
        for _ in range(8 if whole else 0):
            file.write_bytes(damaged(whole, stream))
            with contextlib.suppress(StoreError, InputError):
                read_recording(path, RecordingOptions(**words))
        file.write_bytes(whole)
    read_recording(path, RecordingOptions(**words))
