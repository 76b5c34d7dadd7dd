"""The clients of `examples/rig`, each a process of its own against our side of its link."""

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from invariscope.subjects.rig.folder import FolderLink
from invariscope.subjects.rig.messages import RigTrial, TrialBlock
from invariscope.subjects.rig.pixels import encode_images, in_bytes, pixel_name

EXAMPLES = Path(__file__).parents[2] / "examples" / "rig"
RATE = 30_000
PRESENT = """
function [shown, spikes] = present(picture, timing, units)
% Spikes that say what was shown: the first pixel, and how many units; the last unit is silent.
shown = 12.5;
spikes = {};
for u = 1:numel(units)
    spikes{u} = [timing.window_ms(1) + u, 60 + double(picture(1, 1, 1)) / 10];
end
if numel(units) > 1, spikes{end} = []; end
end
"""


def block_of(trials, units):
    """A block of as many images, each of one grey level, and their PNG files."""
    levels = torch.arange(1, trials + 1).view(-1, 1, 1, 1) * 10 / 255
    pixels = in_bytes(levels.expand(-1, 3, 4, 4).contiguous())
    names = [pixel_name(p) for p in pixels]
    rows = tuple(RigTrial(f"t{i:06d}", name) for i, name in enumerate(names))
    timing = {"on_ms": 20.0, "off_ms": 5.0, "window_ms": (50.0, 150.0)}
    block = TrialBlock("b000000", rows, units, timing)
    return block, encode_images(dict(zip(names, pixels, strict=True)))


def collect(link, seconds=60):
    """The first delivery, its problems none."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        delivery = link.receive(0.2)
        if delivery is not None:
            assert delivery.problems == []
            return delivery.answers
    raise AssertionError("no answer came")


@pytest.mark.parametrize(
    ("trials", "units"), [(3, ("a", "b")), (1, ("a", "b")), (2, ("only",)), (1, ("only",))]
)
def test_the_matlab_client_in_octave(trials, units, tmp_path):
    octave = shutil.which("octave-cli")
    if octave is None:
        pytest.skip("no Octave on this machine (Debian: apt-get install octave)")
    (tmp_path / "present.m").write_text(PRESENT)
    link = FolderLink(tmp_path / "exchange")
    block, images = block_of(trials, units)
    link.show(block, images)
    paths = f"addpath('{EXAMPLES}'); addpath('{tmp_path}');"
    command = f"{paths} matlab_rig('{tmp_path / 'exchange'}', @present, 3)"
    done = subprocess.Popen([octave, "--no-history", "--eval", command], stderr=subprocess.PIPE)
    answers = collect(link)
    assert [(a.trial, a.image) for a in answers] == [(t.name, t.image) for t in block.trials]
    for i, answer in enumerate(answers, 1):
        assert answer.shown == 12.5
        first = answer.responses[units[0]]
        assert first == (51.0, 60.0 + i)
        if len(units) > 1:
            assert answer.responses[units[1]] == ()
    link.withdraw(block.name)
    assert done.communicate(timeout=60)[1].decode() == ""
    assert done.returncode == 0


class StandIn(threading.Thread):
    """Open Ephys as its documents have it: events by PUB, commands by REP.

    Every rising line brings a TTL event and spikes of two electrodes at known times; a line that
    the last command raised twice brings none, as if the photodiode had missed it.
    """

    def __init__(self, zmq, missed):
        super().__init__(daemon=True)
        self.zmq, self.missed, self.context = zmq, missed, zmq.Context()
        self.events = self.context.socket(zmq.PUB)
        self.commands = self.context.socket(zmq.REP)
        self.addresses = []
        for socket in (self.events, self.commands):
            socket.linger = 0
            port = socket.bind_to_random_port("tcp://127.0.0.1")
            self.addresses.append(f"tcp://127.0.0.1:{port}")
        self.said, self.over = [], threading.Event()

    def publish(self, kind, **told):
        about = {"stream": "probe", "source_node": 101, "sample_rate": float(RATE), **told}
        self.events.send_multipart([bytes([kind]), json.dumps(about).encode()])

    def run(self):
        sample, raised = 7_000_000, 0
        while not self.over.is_set():
            if not self.commands.poll(50):
                continue
            text = self.commands.recv_string()
            self.said.append(text)
            self.commands.send_string("TTL handled")
            if not text.endswith("State=1"):
                continue
            raised, sample = raised + 1, sample + RATE
            if raised == self.missed:
                continue
            spike = {"event_type": "spike", "num_channels": 1, "amp1": 80}
            self.publish(1, electrode="A", sorted_id=1, sample_number=sample - 300, **spike)
            line = {"event_type": "ttl", "channel_name": "TTL", "state": 1}
            self.publish(0, line=4, sample_number=sample - 900, **line)
            self.publish(0, line=3, sample_number=sample, **line)
            self.publish(1, electrode="A", sorted_id=1, sample_number=sample + 1800, **spike)
            self.publish(1, electrode="A", sorted_id=1, sample_number=sample + 3003, **spike)
            self.publish(1, electrode="B", sorted_id=0, sample_number=sample + 2400, **spike)
            other = {**spike, "stream": "other probe", "sample_number": sample + 1}
            self.publish(1, electrode="A", sorted_id=1, **other)


@pytest.mark.parametrize("units", [("A#1", "silent#2"), ("A#1",)])
def test_the_open_ephys_client_by_the_documented_messages(units):
    zmq = pytest.importorskip("zmq")
    from invariscope.subjects.rig.zeromq import ZeroMQLink

    ephys = StandIn(zmq, missed=2)
    ephys.start()
    with ZeroMQLink("tcp://127.0.0.1:*") as link:
        block, images = block_of(3, units)
        link.show(block, images)
        words = ["--session", link.address, "--ephys", ephys.addresses[0], "--line", "3"]
        words += ["--mark", ephys.addresses[1], "--stream", "probe"]
        words += ["--screen", "none", "--idle", "1"]
        script = [sys.executable, str(EXAMPLES / "open_ephys_rig.py"), *words]
        with subprocess.Popen(script, stderr=subprocess.PIPE) as client:
            try:
                answers = serve(link)
                link.withdraw(block.name)
                while client.poll() is None:
                    link.receive(0.05)
                assert client.stderr.read().decode() == ""
            finally:
                client.kill()
    ephys.over.set()
    ephys.join()
    ephys.context.destroy()
    expected = (60.0, 100.1)
    found = [answer.responses["A#1"] for answer in answers]
    assert found[0] == found[2] == expected
    assert np.isnan(found[1])
    if len(units) > 1:
        assert answers[0].responses["silent#2"] == ()
    assert ephys.said == ["TTL Line=3 State=1", "TTL Line=3 State=0"] * 3


def serve(link):
    """The answers, confirmed."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        delivery = link.receive(0.2)
        if delivery is not None:
            assert delivery.problems == []
            link.confirm(delivery, [])
            return delivery.answers
    raise AssertionError("no answer came")
