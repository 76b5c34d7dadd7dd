"""A small session, and files of it written by hand from the formats' documents.

Three units, three images, eighteen trials; the clock stands at 1,234.5 s when the first image
comes. Times lie on a grid of 1/30,000 s, so that every format holds them exactly.
"""

import json
import struct
from dataclasses import dataclass

import numpy as np

RATE = 30_000
START = 1234.5
WINDOW = (50.0, 150.0)


@dataclass
class Session:
    """Spikes in samples by (channel, unit code), onsets in samples, and each onset's code."""

    spikes: dict
    onsets: np.ndarray
    codes: np.ndarray

    def counts(self, units, window=WINDOW):
        """Spikes in the window of each trial: a plain loop over whole samples."""
        first, last = (round(edge * RATE / 1000) for edge in window)
        return np.array(
            [
                [sum(first <= t - onset < last for t in self.spikes[unit]) for unit in units]
                for onset in self.onsets.tolist()
            ],
            float,
        )


def make_session(units=((1, 1), (1, 2), (2, 1)), trials=18, images=3, seed=0):
    stream = np.random.default_rng(seed)
    onsets = round(START * RATE) + np.arange(trials) * 6000 + stream.integers(0, 600, trials)
    codes = np.tile(np.arange(1, images + 1), trials // images)
    spikes = {}
    for number, unit in enumerate(units):
        train = [onsets[0] - 3000, onsets[-1] + 9000]
        for onset, code in zip(onsets, codes, strict=True):
            # At the window's first sample, at its last, and inside: which count is defined.
            train += [onset + 1500, onset + 4500]
            train += (onset + stream.integers(1500, 4500, code * (number + 1))).tolist()
        spikes[unit] = np.unique(np.array(train, np.int64))
    return Session(spikes, onsets, codes)


def packets(session):
    """Everything that happens, in order: sample, channel, unit or code, whether a spike."""
    found = [(t, c, u, True) for (c, u), train in session.spikes.items() for t in train.tolist()]
    events = zip(session.onsets.tolist(), session.codes.tolist(), strict=True)
    return sorted(found + [(t, 0, code, False) for t, code in events])


def write_nev(path, session, *, rate=RATE):
    """Blackrock NEV 2.3: 336 bytes, extended headers of 32, packets of 104."""
    channels = sorted({channel for channel, _ in session.spikes})
    size, packet = 336 + 32 * len(channels), 104
    origin = (2026, 11, 5, 27, 9, 30, 0, 0)
    head = struct.pack("<8sBBHIIII8H", b"NEURALEV", 2, 3, 1, size, packet, rate, rate, *origin)
    head += struct.pack("<32s256sI", b"by hand", b"", len(channels))
    for channel in channels:
        head += struct.pack(
            "<8sHBBHHhhBBH8x", b"NEUEVWAV", channel, 1, channel, 250, 0, 0, 0, 5, 2, 48
        )
    body = b""
    for time, channel, code, is_spike in packets(session):
        if is_spike:
            body += struct.pack("<IHBB", time, channel, code, 0).ljust(packet, b"\0")
        else:
            body += struct.pack("<IHBBH", time, 0, 1, 0, code).ljust(packet, b"\0")
    path.write_bytes(head + body)


def write_plx(path, session):
    """Plexon PLX 105: global header, spike and event channel headers, data blocks of 16 bytes."""
    channels = sorted({channel for channel, _ in session.spikes})
    head = struct.pack(
        "<Ii128siiiiii6i",
        0x58454C50,
        105,
        b"by hand",
        RATE,
        len(channels),
        1,
        0,
        8,
        1,
        *(2026, 11, 27, 9, 30, 0),
    )
    head += struct.pack("<iidBBBBHHH", 0, RATE, 0.0, 1, 1, 12, 12, 3000, 5000, 1000)
    head = head.ljust(256, b"\0") + b"\0" * (7504 - 256)
    for channel in channels:
        one = struct.pack("<32s32siiiiii", b"sig%03d" % channel, b"", channel, 0, 0, 0, 1, 1)
        head += one.ljust(1020, b"\0")
    head += struct.pack("<32siii", b"Strobed", 257, 0, 0).ljust(296, b"\0")
    body = b""
    for time, channel, code, is_spike in packets(session):
        kind, place = (1, channel) if is_spike else (4, 257)
        body += struct.pack("<hHIhhhh", kind, time >> 32, time & 0xFFFFFFFF, place, code, 0, 0)
    path.write_bytes(head + body)


def write_open_ephys(folder, session, *, seconds=True):
    """Open Ephys binary: of version 0.6 and later with seconds, of earlier ones with samples."""
    ttl = folder / "events" / "Acquisition_Board-100.Rhythm" / "TTL"
    sorted_spikes = folder / "spikes" / "Spike_Sorter-102.Rhythm" / "Stereotrode_1"
    for place in (ttl, sorted_spikes):
        place.mkdir(parents=True)
    name = ttl.parent.name + "/TTL/"
    spikes = sorted_spikes.parent.name + "/Stereotrode_1/"
    about = {
        "GUI version": "1.0.1" if seconds else "0.5.5",
        "continuous": [],
        "events": [{"folder_name": name, "channel_name": "TTL", "sample_rate": RATE}],
        "spikes": [{"folder_name": spikes, "sample_rate": RATE}],
    }
    (folder / "structure.oebin").write_text(json.dumps(about))
    # Every image raises the lines of its code, a row a line, and all fall 100 ms later.
    samples, states, words = [], [], []
    for onset, code in zip(session.onsets.tolist(), session.codes.tolist(), strict=True):
        lines = [line for line in (1, 2) if code >> (line - 1) & 1]
        samples += [onset] * len(lines) + [onset + RATE // 10] * len(lines)
        states += lines + [-line for line in lines]
        words += [code] * len(lines) + [0] * len(lines)
    samples, words = np.array(samples, np.int64), np.array(words, np.uint64)
    suffix = "timestamps.npy"
    np.save(ttl / suffix, samples / RATE if seconds else samples)
    if seconds:
        np.save(ttl / "sample_numbers.npy", samples)
        np.save(ttl / "states.npy", np.array(states, np.int16))
        np.save(ttl / "full_words.npy", words)
    else:
        np.save(ttl / "channel_states.npy", np.array(states, np.int16))
        np.save(ttl / "channels.npy", np.abs(np.array(states, np.int16)))
        low = np.stack([words & 255, words >> np.uint64(8)], 1)
        np.save(ttl / "full_words.npy", low.astype(np.uint8))
    every = [(t, channel, code) for t, channel, code, is_spike in packets(session) if is_spike]
    times, channels, codes = np.array(every, np.int64).reshape(-1, 3).T
    if seconds:
        np.save(sorted_spikes / "timestamps.npy", times / RATE)
        np.save(sorted_spikes / "clusters.npy", codes.astype(np.uint16))
        np.save(sorted_spikes / "electrode_indices.npy", channels.astype(np.uint16))
    else:
        np.save(sorted_spikes / "spike_times.npy", times)
        np.save(sorted_spikes / "spike_clusters.npy", codes.astype(np.uint16))
        np.save(sorted_spikes / "spike_electrode_indices.npy", channels.astype(np.uint16))


def write_open_ephys_legacy(folder, session, *, rate=RATE, segment=""):
    """Open Ephys 0.4: headers of 1,024 bytes; spikes of 1 channel and 40 samples; TTL edges."""
    folder.mkdir(parents=True, exist_ok=True)
    head = (
        "header.format = 'Open Ephys Data Format';\nheader.version = 0.4;\n"
        f"header.header_bytes = 1024;\nheader.channel = 'Electrode';\nheader.sampleRate = {rate};\n"
    )
    head = head.encode().ljust(1024)
    for channel in sorted({channel for channel, _ in session.spikes}):
        own = [(t, code) for t, c, code, is_spike in packets(session) if is_spike and c == channel]
        body = b""
        for time, code in own:
            body += struct.pack("<BqqHHHHHH3B2fH", 4, time, 0, 100, 1, 40, code, 0, 0, *[0] * 6)
            body += struct.pack("<40Hf2H", *[32768] * 40, 1.0, 0, 0)
        (folder / f"SE{channel}{segment}.spikes").write_bytes(head + body)
    body = b""
    edges = []
    for onset, code in zip(session.onsets.tolist(), session.codes.tolist(), strict=True):
        for line in (0, 1):
            if code >> line & 1:
                edges += [(onset, 1, line), (onset + RATE // 10, 0, line)]
    for time, up, line in sorted(edges):
        body += struct.pack("<qhBBBBH", time, 0, 3, 100, up, line, 0)
        body += struct.pack("<qhBBBBH", time, 0, 5, 100, 0, 0, 0)  # a network event
    (folder / f"all_channels{segment}.events").write_bytes(head + body)
    (folder / f"messages{segment}.events").write_text(f"{session.onsets[0]} start time\n")


def write_phy(folder, session, labels, *, rate=RATE, start=0):
    """A phy folder, one cluster a unit; times count from the file's first sample."""
    folder.mkdir()
    every = sorted((t - start, c) for c, train in enumerate(session.spikes.values()) for t in train)
    np.save(folder / "spike_times.npy", np.array([[t] for t, _ in every], np.uint64))
    np.save(folder / "spike_clusters.npy", np.array([c for _, c in every], np.int32))
    (folder / "params.py").write_text(
        f"dat_path = 'raw.bin'\nn_channels_dat = 4\ndtype = 'int16'\noffset = 0\n"
        f"sample_rate = {rate}\nhp_filtered = False\n"
    )
    lines = "".join(f"{cluster}\t{label}\n" for cluster, label in labels.items())
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n" + lines)


TSQ = np.dtype(
    [
        *(("size", "<i4"), ("evtype", "<i4"), ("evname", "S4"), ("channel", "<u2")),
        *(("sortcode", "<u2"), ("timestamp", "<f8"), ("offset", "<i8")),
        *(("dataformat", "<i4"), ("frequency", "<f4")),
    ]
)


def write_tdt(tank, session):
    """A TDT tank of one block: index (tsq), notes (Tbk) and data (tev)."""
    block = tank / "Block-1"
    block.mkdir(parents=True)
    stem = block / f"{tank.name}_Block-1"
    begin = float(session.onsets[0] - 30_000) / RATE
    rows = [(0, 0, b"", 0, 0, 0.0, 0, 0, 0.0), (0, 0x8801, b"\x01", 0, 0, begin, 0, 0, 0.0)]
    for time, channel, code, is_spike in packets(session):
        at = time / RATE
        if is_spike:
            rows.append((10, 0x8201, b"eNeu", channel, code, at, 0, 0, 24414.0))
        else:
            value = struct.unpack("<q", struct.pack("<d", code))[0]
            rows.append((10, 0x101, b"Imag", 0, 0, at, value, 0, 0.0))
    rows.append((0, 0x8802, b"\x02", 0, 0, rows[-1][5] + 1, 0, 0, 0.0))
    found = np.array(rows, TSQ)
    found["evname"][1], found["evname"][-1] = b"\x01", b"\x02"
    found.tofile(stem.with_suffix(".tsq"))
    stem.with_suffix(".tev").write_bytes(b"\0" * 64)
    stores = [("eNeu", 0x8201, 2, 1), ("Imag", 0x101, 1, 1)]
    keys = "StoreName HeadName Enabled CircType NumChan StrobeMode TankEvType NumPoints DataFormat "
    keys += "SampleFreq"
    text = ""
    for name, kind, channels, points in stores:
        values = (name, f"{name}|", 1, 0, channels, 0, kind, points, 0, 24414.0)
        pairs = zip(keys.split(), values, strict=True)
        text += "".join(f"NAME={k};TYPE=S;VALUE={v};\n" for k, v in pairs)
        text += "[STOREHDRITEM]\n"
    text = text.removesuffix("[STOREHDRITEM]\n")
    stem.with_suffix(".Tbk").write_text(text + "[USERNOTEDELIMITER]\n")
    stem.with_suffix(".Tdx").write_bytes(b"")


def write_spikeglx(folder, session, *, line, start):
    """A nidq stream of two analog channels and one word of sixteen digital lines."""
    folder.mkdir()
    length = int(session.onsets[-1]) - start + RATE
    samples = np.zeros((length, 3), np.int16)
    for onset in session.onsets.tolist():
        samples[onset - start : onset - start + 600, 2] |= 1 << line
    data = folder / "run_g0_t0.nidq.bin"
    samples.tofile(data)
    about = {
        "nSavedChans": 3,
        "snsMnMaXaDw": "0,0,2,1",
        "niSampRate": RATE,
        "fileSizeBytes": data.stat().st_size,
        "fileName": str(data),
    }
    data.with_suffix(".meta").write_text("".join(f"{k}={v}\n" for k, v in about.items()))
