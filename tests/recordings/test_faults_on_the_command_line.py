"""Each fault of each format is one sentence on the command line: no traceback, no wrong number."""

import json

import numpy as np
import pytest
from scipy import io
from written import (
    RATE,
    write_nev,
    write_open_ephys,
    write_open_ephys_legacy,
    write_phy,
    write_plx,
    write_spikeglx,
    write_tdt,
)

from invariscope.cli.app import run

WORD = "Acquisition_Board-100.Rhythm/TTL:word"


def write_events(folder, session, scale=1.0):
    rows = zip(session.onsets.tolist(), session.codes.tolist(), strict=True)
    text = "".join(f"{onset / RATE * scale!r},{code}\n" for onset, code in rows)
    (folder / "events.csv").write_text("time,code\n" + text)
    return ["--events", str(folder / "events.csv")]


def nev(folder, session, **words):
    pytest.importorskip("neo")
    write_nev(folder / "a.nev", session, **words)
    return ["a.nev"]


def plexon(folder, session, rate=RATE):
    pytest.importorskip("neo")
    write_plx(folder / "a.plx", session)
    whole = bytearray((folder / "a.plx").read_bytes())
    whole[136:140] = rate.to_bytes(4, "little")
    (folder / "a.plx").write_bytes(whole)
    return ["a.plx"]


def tdt(folder, session):
    pytest.importorskip("neo")
    write_tdt(folder / "tank", session)
    return ["tank"]


def open_ephys(folder, session):
    write_open_ephys(folder / "new", session)
    return ["new", "--event", WORD]


def open_ephys_05(folder, session, rate=RATE):
    write_open_ephys(folder / "old", session, seconds=False)
    about = folder / "old" / "structure.oebin"
    about.write_text(about.read_text().replace(str(RATE), str(rate)))
    return ["old", "--event", WORD]


def open_ephys_04(folder, session, **words):
    write_open_ephys_legacy(folder / "oldest", session, **words)
    return ["oldest", "--event", "100:word"]


def phy(folder, session, **words):
    write_phy(folder / "sorted", session, {0: "good", 1: "mua", 2: "good", 9: "good"}, **words)
    return ["sorted", *write_events(folder, session)]


def spikeglx(folder, session, rate=RATE):
    first = int(session.onsets[0]) - 300
    write_phy(folder / "sorted", session, dict.fromkeys(range(3), "good"), start=first)
    write_spikeglx(folder / "run", session, line=0, start=first)
    meta = next((folder / "run").glob("*.meta"))
    meta.write_text(meta.read_text().replace(f"niSampRate={RATE}", f"niSampRate={rate}"))
    (folder / "order.csv").write_text("image\n" + "".join(f"{c}\n" for c in session.codes))
    return ["sorted", "--events", str(folder / "run"), "--order", str(folder / "order.csv")]


def csv(folder, session, scale=1.0):
    rows = [(c, u, t) for (c, u), train in session.spikes.items() for t in train.tolist()]
    text = "".join(f"{c}/{u},{t / RATE * scale!r}\n" for c, u, t in rows)
    (folder / "spikes.csv").write_text("unit,time\nsilent,\n" + text)
    return ["spikes.csv", *write_events(folder, session, scale)]


def nwb(folder, session, scale=1.0):
    h5py = pytest.importorskip("h5py")
    trains = [train / RATE * scale for train in session.spikes.values()] + [np.zeros(0)]
    with h5py.File(folder / "a.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file["units/spike_times"] = np.concatenate(trains)
        file["units/spike_times_index"] = np.cumsum([len(t) for t in trains])
        file["units/id"] = np.arange(len(trains))
        file["intervals/trials/start_time"] = session.onsets / RATE * scale
        file["intervals/trials/image"] = session.codes
    return ["a.nwb"]


def responses(session):
    """Counts as neurons × images × repeats, the fourth neuron silent."""
    counts = session.counts(list(session.spikes)).reshape(6, 3, 3).transpose(2, 1, 0)
    return np.concatenate([counts, np.zeros((1, 3, 6))])


def npy(folder, session):
    np.save(folder / "a.npy", responses(session))
    return ["a.npy"]


def npz(folder, session):
    np.savez(folder / "a.npz", responses=responses(session))
    return ["a.npz"]


def mat(folder, session):
    io.savemat(folder / "a.mat", {"responses": responses(session)})
    return ["a.mat"]


def mat_73(folder, session):
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "a.mat", "w", userblock_size=512) as file:
        file["responses"] = responses(session).T
    with (folder / "a.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, by hand".ljust(128))
    return ["a.mat"]


def csv_responses(folder, session):
    rows = zip(session.codes, session.counts(list(session.spikes)), strict=True)
    lines = "".join(f"{code},{','.join(map(str, row))},0\n" for code, row in rows)
    (folder / "a.csv").write_text("image,u1,u2,u3,silent\n" + lines)
    return ["a.csv"]


WITH_EVENTS = [nev, plexon, tdt, open_ephys, open_ephys_05, open_ephys_04, phy, csv, nwb]
ARRAYS = [npy, npz, mat, mat_73]
EVERY = [*WITH_EVENTS, spikeglx, *ARRAYS, csv_responses]
by_name = {"ids": lambda write: write.__name__}


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run `invariscope recording` and give exit code, output and the error's lines."""
    monkeypatch.setenv("COLUMNS", "200")

    def running(words, *more):
        code = run(["recording", str(tmp_path / words[0]), *words[1:], *more])
        told = capsys.readouterr()
        return code, told.out, told.err.strip().splitlines()

    return running


def refused(result, told=""):
    code, _, lines = result
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert told in lines[0]
    return lines[0]


@pytest.mark.parametrize("write", EVERY, **by_name)
def test_the_file_as_it_should_be(write, session, tmp_path, command):
    code, out, errors = command(write(tmp_path, session))
    assert (code, errors) == (0, [])
    assert "3 units, 3 images, 18 trials" in out
    if write in (phy, csv, nwb, *ARRAYS, csv_responses):
        assert "left out: 1 unit (without a spike: " in out


@pytest.mark.parametrize("write", EVERY, **by_name)
@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 0.97, 1.0])
def test_a_truncated_file(write, share, session, tmp_path, command):
    words = write(tmp_path, session)
    place = tmp_path / ("run" if write is spikeglx else words[0])
    kinds = (".npy", ".spikes", ".events", ".tsq", ".bin")
    files = [place] if place.is_file() else [f for f in place.rglob("*") if f.suffix in kinds]
    for file in files:
        if file.name == "messages.events":
            continue
        whole = file.read_bytes()
        length = min(int(share * len(whole)), len(whole) - 1)
        if write is tdt and length == 0:
            length = 10  # an index of no rows is a block without anything
        # No file tells that whole lines, or records of an even number of bytes, are missing.
        if whole[length - 1 : length] == b"\n" or (write is open_ephys_04 and length % 2 == 0):
            length -= 1
        file.write_bytes(whole[: max(length, 0)])
        refused(command(words))
        file.write_bytes(whole)


@pytest.mark.parametrize("write", [*WITH_EVENTS, csv_responses], **by_name)
def test_wrong_codes_and_an_image_that_was_never_shown(write, session, tmp_path, command):
    table = tmp_path / "codes.csv"
    table.write_text("code,image\n1,a\n2,b\n")
    words = write(tmp_path, session)
    assert "3" in refused(command(words, "--images", str(table)))
    table.write_text("code,image\n1,a\n2,b\n3,c\n4,d\n")
    code, out, _ = command(words, "--images", str(table))
    assert code == 0
    assert "left out: 1 image (never shown: d)" in out


@pytest.mark.parametrize(
    "write", [nev, plexon, open_ephys_05, open_ephys_04, phy, spikeglx], **by_name
)
def test_a_sampling_rate_of_0(write, session, tmp_path, command):
    refused(command(write(tmp_path, session, rate=0)), "0 Hz; expected a number above 0")


def test_an_option_of_0_hz(session, tmp_path, command):
    words = csv(tmp_path, session)
    refused(command(words, "--time-unit", "samples", "--sampling-rate", "0"), "number above 0")
    refused(command(words, "--time-unit", "samples"), "give sampling_rate, in Hz")


@pytest.mark.parametrize("write", [csv, nwb], **by_name)
def test_ms_taken_for_s_and_s_for_ms(write, session, tmp_path, command):
    words = write(tmp_path, session, scale=1e3)
    refused(command(words), "rather in ms")
    assert command(words, "--time-unit", "ms")[0] == 0
    words = write(tmp_path, session)
    refused(command(words, "--time-unit", "ms"), "above 1,000; its times are rather in another")


@pytest.mark.parametrize("write", WITH_EVENTS, **by_name)
def test_no_unit_with_a_spike(write, session, tmp_path, command):
    first = next(iter(session.spikes))
    session.spikes = {first: session.spikes[first][:0]}
    refused(command(write(tmp_path, session)))


def test_no_spike_in_an_array_or_a_table(tmp_path, command):
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 2)))
    refused(command(["a.npy"]), "no unit of a has a spike")
    (tmp_path / "a.csv").write_text("image,u1\na,0\nb,0\n")
    refused(command(["a.csv"]), "no unit of a has a spike")


def test_damaged_descriptions(session, tmp_path, command):
    words = open_ephys(tmp_path, session)
    about = tmp_path / "new" / "structure.oebin"
    for text in ("[]", "{", json.dumps({"events": [3]}), json.dumps({"spikes": [{}]})):
        about.write_text(text)
        refused(command(words))
    words = phy(tmp_path, session)
    (tmp_path / "sorted" / "params.py").write_text("sample_rate = fast\n")
    refused(command(words))
