#!/usr/bin/env bash
# neo 0.14.6: of SpikeGLX's sixteen digital lines, XD8 to XD15 show the edges of other lines.

# Guess: a nidq stream with a 16-bit word of digital lines has sixteen event channels, each with the
# edges of its own line, in order of time.
# Seen: there are sixteen channels, but the upper eight read the lower byte: pulses on line 2 come under
# XD2 and XD10, pulses on line 11 under none. Within a channel all rising edges stand before all
# falling ones. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet neo==0.14.6 quantities==0.16.4 numpy==2.4.6
env/bin/python - <<'PYTHON'
from importlib.metadata import version
from pathlib import Path

import numpy as np
from neo.rawio import SpikeGLXRawIO

print("neo", version("neo"))


def edges(line):
    """Three pulses on a line, as SpikeGLX keeps them; the events by channel."""
    folder = Path(f"line{line}")
    folder.mkdir()
    samples = np.zeros((10_000, 2), np.int16)  # an analog channel and the word of digital lines
    for begin in (1000, 4000, 7000):
        samples[begin : begin + 500, 1] |= 1 << line
    data = folder / "run_g0_t0.nidq.bin"
    samples.tofile(data)
    about = {
        "nSavedChans": 2, "acqMnMaXaDw": "0,0,1,1", "snsMnMaXaDw": "0,0,1,1", "niSampRate": 25000,
        "fileSizeBytes": data.stat().st_size, "fileTimeSecs": 0.4, "fileName": data, "typeThis": "nidq",
        "niAiRangeMax": 5, "niMaxInt": 32768, "niMNGain": 1, "niMAGain": 1, "firstSample": 0,
        "niXDBytes1": 2, "niXDChans1": "0:15", "snsSaveChanSubset": "0:1",
        "~snsChanMap": "(0,0,1,1)(XA0;0:0)(XD0;1:1)",
    }
    data.with_suffix(".meta").write_text("".join(f"{k}={v}\n" for k, v in about.items()))
    reader = SpikeGLXRawIO(str(folder))
    reader.parse_header()
    found = {}
    for i, channel in enumerate(reader.header["event_channels"]):
        times, _, _ = reader.get_event_timestamps(0, 0, i)
        if len(times):
            found[str(channel["name"])] = times.tolist()
    return found, len(reader.header["event_channels"])


low, channels = edges(2)
high, _ = edges(11)
print(channels, "event channels; pulses on line 2:", low)
print("pulses on line 11:", high)
assert channels == 16
assert set(low) == {"XD2", "XD10"} and high == {}, "each channel has its own line now"
assert low["XD2"] == [1000, 4000, 7000, 1500, 4500, 7500], "edges come in order of time now"
PYTHON
