"""What a person may get wrong: one sentence each, and nothing counted wrongly without a word."""

from pathlib import Path

import numpy as np
import pytest
from written import RATE

from invariscope import RecordingOptions, read_recording
from invariscope.cli.app import run
from invariscope.errors import InputError


def write(folder, session, *, spikes=1.0, events=1.0, codes=None):
    """Two tables, their times in any unit."""
    rows = [
        f"{c}/{u},{t / RATE * spikes!r}\n"
        for (c, u), train in session.spikes.items()
        for t in train.tolist()
    ]
    (folder / "spikes.csv").write_text("unit,time\n" + "".join(rows))
    codes = session.codes if codes is None else codes
    lines = zip(session.onsets.tolist(), codes, strict=True)
    text = "".join(f"{t / RATE * events!r},{code}\n" for t, code in lines)
    (folder / "events.csv").write_text("time,code\n" + text)
    return folder / "spikes.csv"


@pytest.fixture
def read(tmp_path):
    def reading(path, **words):
        return read_recording(path, RecordingOptions(events=tmp_path / "events.csv", **words))

    return reading


@pytest.fixture
def images(tmp_path):
    """A table of four images; the session shows three of them."""
    (tmp_path / "codes.csv").write_text("code,image\n1,a\n2,b\n3,c\n4,d\n")
    return tmp_path / "codes.csv"


def test_the_tables_as_they_should_be(session, read, tmp_path):
    found = read(write(tmp_path, session))
    assert np.array_equal(found.counts, session.counts(list(session.spikes)))


def test_wrong_event_codes(session, read, images, tmp_path):
    codes = session.codes.copy()
    codes[:2] = 77
    path = write(tmp_path, session, codes=codes)
    with pytest.raises(InputError, match=r"2 events .* no image \(77\); expected 1, 2, 3, 4"):
        read(path, images=images)
    found = read(path, images=images, other_codes="drop")
    assert len(found.shown) == 16
    assert "left out: 2 events (codes that are no image: 77)" in map(str, found.dropped)
    with pytest.raises(InputError, match="no event of 'events' names an image"):
        read(write(tmp_path, session, codes=codes + 100), images=images, other_codes="drop")


def test_an_image_that_was_never_shown_is_told_and_missing(session, read, images, tmp_path):
    found = read(write(tmp_path, session), images=images)
    assert [str(d) for d in found.dropped] == ["left out: 1 image (never shown: d)"]
    assert np.isnan(found.means[3]).all()


def test_a_unit_without_spikes_is_told(session, read, tmp_path):
    path = write(tmp_path, session)
    path.write_text(path.read_text() + "silent,\n")
    found = read(path)
    assert "silent" not in found.units
    assert [str(d) for d in found.dropped] == ["left out: 1 unit (without a spike: silent)"]
    path.write_text("unit,time\nsilent,\n")
    with pytest.raises(InputError, match="no unit of spikes is left"):
        read(path)


def test_ms_taken_for_s_and_s_taken_for_ms(session, read, tmp_path):
    with pytest.raises(InputError, match="rather in ms"):
        read(write(tmp_path, session, spikes=1e3, events=1e3))
    both = read(tmp_path / "spikes.csv", time_unit="ms")
    assert np.array_equal(both.counts, session.counts(list(session.spikes)))
    with pytest.raises(InputError, match=r"spikes/s on average, above 1,000"):
        read(write(tmp_path, session), time_unit="ms")
    with pytest.raises(InputError, match="so none can be a response"):
        read(write(tmp_path, session, spikes=1e3))


def test_events_in_another_unit_than_the_spikes(session, read, tmp_path):
    with pytest.raises(InputError, match=r"0\.\d+ ms apart .* check time_unit"):
        read(write(tmp_path, session, spikes=1e3), time_unit="ms")


def test_what_a_file_holds_twice(session, read, tmp_path):
    path = write(tmp_path, session)
    wanted = read(path)
    events = tmp_path / "events.csv"
    header, *lines = events.read_text().splitlines(keepends=True)
    events.write_text(header + "".join(lines + lines[:4]))
    found = read(path)
    assert np.array_equal(found.counts, wanted.counts)
    assert [str(d) for d in found.dropped] == ["left out: 4 events (the same event again)"]
    time, _, code = lines[5].partition(",")
    events.write_text(header + "".join(lines) + f"{time},{int(code) % 3 + 1}\n")
    with pytest.raises(InputError, match="two images at once, 1 times"):
        read(path)
    write(tmp_path, session)
    header, *lines = path.read_text().splitlines(keepends=True)
    path.write_text(header + "".join(lines + lines))
    with pytest.raises(InputError, match="has its spikes twice"):
        read(path)


@pytest.mark.parametrize(
    "words",
    [
        *({"baseline": (-100.0, 0.0)}, {"events": Path("e.csv")}, {"time_unit": "ms"}),
        *({"kinds": ("sorted",)}, {"event": "a"}, {"sampling_rate": 30_000.0}, {"segment": 0}),
    ],
)
def test_what_responses_cannot_answer_is_refused(words, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(12).reshape(2, 3, 2))
    (tmp_path / "a.csv").write_text("image,u1\na,3\nb,4\n")
    for name in ("a.npy", "a.csv"):
        with pytest.raises(InputError, match=f"of which {next(iter(words))} says nothing"):
            read_recording(tmp_path / name, RecordingOptions(**words))


def test_what_spikes_cannot_answer_is_refused(session, read, tmp_path):
    path = write(tmp_path, session)
    for words in ({"values": "rates"}, {"axes": ("images",)}, {"variable": "a"}):
        with pytest.raises(InputError, match="holds spike times, of which"):
            read(path, **words)


def test_formats_of_their_makers_alone_say_what_to_do(tmp_path):
    (tmp_path / "a.pl2").write_bytes(b"PL2")
    with pytest.raises(InputError, match=r"save it as \.plx or NWB"):
        read_recording(tmp_path / "a.pl2")


def test_events_without_codes_ask_for_an_order(session, read, tmp_path):
    path = write(tmp_path, session, codes=[""] * len(session.codes))
    with pytest.raises(InputError, match="expected codes, or the image of each event in turn"):
        read(path)


@pytest.mark.parametrize(("neurons", "refractory"), [(1, 45), (6, 1)], ids=["one", "several"])
def test_ms_taken_for_s_where_only_the_spikes_tell(neurons, refractory, session, tmp_path, read):
    """Images that come fast, and clocks from 0: neither pauses nor clocks look wrong."""
    stream = np.random.default_rng(0)
    gaps = refractory + stream.exponential(RATE / (8 * neurons), 2500)
    session.spikes = {(1, 1): np.unique(np.cumsum(gaps).astype(np.int64))}
    last = int(session.spikes[1, 1][-1])
    session.onsets = np.arange(last // 10_000, last, RATE // 20)
    session.codes = np.ones(len(session.onsets), int)
    read(write(tmp_path, session))
    for spikes, events in ((1e3, 1.0), (1e3, 1e3), (RATE, RATE)):
        with pytest.raises(InputError, match="no two spikes of a unit of spikes are nearer"):
            read(write(tmp_path, session, spikes=spikes, events=events))


def test_a_recording_that_ends_before_its_events_is_not_silent(session, read, tmp_path):
    path = write(tmp_path, session)
    lines = path.read_text().splitlines(keepends=True)
    end = session.onsets[9] / RATE
    kept = [line for line in lines[1:] if float(line.split(",")[1]) < end]
    path.write_text(lines[0] + "".join(kept))
    found = read(path)
    assert len(found.shown) < 12
    assert "too long a silence by chance" in str(found.dropped[0])


def test_nan_and_words(session, read, tmp_path):
    path = write(tmp_path, session)
    path.write_text(path.read_text() + "1/1,nan\n")
    with pytest.raises(InputError, match="NaN or infinite"):
        read(path)
    path.write_text(path.read_text() + "1/1,soon\n")
    with pytest.raises(InputError, match="'soon' as time; expected a number"):
        read(path)
    write(tmp_path, session)
    events = tmp_path / "events.csv"
    events.write_text(events.read_text() + ",2\n1235,\n")
    found = read(path)
    assert sorted(map(str, found.dropped)) == [
        "left out: 1 event (no code)",
        "left out: 1 trial (the event's time is missing)",
    ]


def test_truncated_tables(session, read, tmp_path):
    path = write(tmp_path, session)
    path.write_text(path.read_text() + "1/1")
    with pytest.raises(InputError, match="may be truncated"):
        read(path)
    path.write_text("")
    with pytest.raises(InputError, match="is empty"):
        read(path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"window": (150, 50)}, "is empty"),
        ({"window": (0.05, 0.15)}, "shorter than 1 ms"),
        ({"window": (0, float("nan"))}, "first and last ms"),
        ({"kinds": ("best",)}, "unknown kind of unit 'best'"),
        ({"sampling_rate": 0.0}, "0 Hz"),
        ({"values": "spikes"}, "unknown values"),
        ({"events_offset": float("inf")}, "expected seconds"),
    ],
)
def test_options_out_of_range(words, told):
    with pytest.raises(InputError, match=told):
        RecordingOptions(**words)


def test_no_file_another_file_and_no_events(session, tmp_path):
    with pytest.raises(InputError, match="there is no recording"):
        read_recording(tmp_path / "none.nwb")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match=r"expected \.nwb"):
        read_recording(tmp_path / "a.txt")
    with pytest.raises(InputError, match="holds no events; give the images' onsets"):
        read_recording(write(tmp_path, session))


def test_the_command_prints_what_was_left_out_and_writes_tables(session, images, tmp_path, capsys):
    path = write(tmp_path, session)
    words = ["--events", str(tmp_path / "events.csv"), "--images", str(images)]
    assert run(["recording", str(path), *words, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "spikes: 3 units, 4 images, 18 trials, in spikes/s" in told
    assert "left out: 1 image (never shown: d)" in told
    assert "no responses.parquet: the images are no files" in told
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"recording.json", "trials.parquet", "units.csv"} <= names
    assert run(["recording", str(path), "--window", "150", "50"]) == 2
    assert "is empty" in capsys.readouterr().err
