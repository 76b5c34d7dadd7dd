"""The rig's side of a session: PsychoPy shows the images, Open Ephys tells the spikes.

    python open_ephys_rig.py --session tcp://127.0.0.1:5555 --ephys tcp://127.0.0.1:5557 --line 1

Needs pyzmq; PsychoPy for `--screen psychopy`. In Open Ephys (0.6 and later): a Spike Sorter or
Spike Detector, then the Event Broadcaster with format JSON. Units of the session file are named
`ELECTRODE#SORTED_ID`, such as `Electrode 1#1`; id 0 holds the unsorted spikes.

An image's onset is the rising edge of a digital line: of a photodiode (best), or, with
`--mark tcp://127.0.0.1:5556`, of a line that the Network Events plugin raises when the image is
asked for. Spikes and edge are compared by their sample numbers, of one stream.
"""

import argparse
import json
import math
import time
from functools import partial

import zmq

PATIENCE_MS = 5000
SLACK = 0.25  # seconds that a message of Open Ephys may take


class Session:
    """Asks for blocks and gives answers; without a reply it asks again with a new socket."""

    def __init__(self, context, address):
        self.context, self.address = context, address

    def ask(self, message):
        while True:
            with self.context.socket(zmq.REQ) as socket:
                socket.linger = 0
                socket.connect(self.address)
                socket.send_json(message)
                if socket.poll(PATIENCE_MS):
                    return socket.recv_multipart()

    def next_block(self):
        """The manifest of a block and its PNG files by the images' names; None to wait."""
        first, *frames = self.ask({"say": "ready"})
        block = json.loads(first)
        if "trials" not in block:
            return None
        return block, dict(zip(block["images"], frames, strict=True))


class OpenEphys:
    """Listens to the Event Broadcaster and raises a line through Network Events."""

    def __init__(self, context, address, line, stream=None, mark=None):
        self.line, self.stream = line, stream
        self.events = context.socket(zmq.SUB)
        self.events.setsockopt(zmq.SUBSCRIBE, b"")
        self.events.connect(address)
        self.marks = context.socket(zmq.REQ) if mark else None
        if self.marks:
            self.marks.linger = 0
            self.marks.connect(mark)
        self.spikes = []  # (sample, unit), of the last seconds
        self.onset = None  # (sample, rate) of the last rising edge

    def raise_line(self, state):
        """Tell Network Events to set the line; its reply comes at once."""
        if self.marks:
            self.marks.send_string(f"TTL Line={self.line} State={state}")
            if not self.marks.poll(PATIENCE_MS):
                raise TimeoutError("Network Events does not reply; is the plugin in the chain?")
            self.marks.recv()

    def listen(self, seconds):
        """Take messages for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.events.poll(math.ceil(1000 * left)):
                self.take(self.events.recv_multipart())

    def take(self, frames):
        """Keep a spike, or the onset."""
        try:
            told = json.loads(frames[-1])
        except ValueError:
            raise ValueError("expected JSON; set the Event Broadcaster's format to it") from None
        if self.stream is not None and told.get("stream") != self.stream:
            return
        if told.get("event_type") == "spike":
            self.spikes.append((told["sample_number"], f"{told['electrode']}#{told['sorted_id']}"))
        elif told.get("event_type") == "ttl" and told["line"] == self.line and told["state"]:
            self.onset = self.onset or (told["sample_number"], told["sample_rate"])

    def record(self, show, timing, units):
        """Show one image and give each unit's spikes in ms from its onset.

        Args:
            show: shows the image and comes back when it is up.
        """
        windows = [timing["window_ms"], timing.get("baseline_ms") or timing["window_ms"]]
        after = max(last for _, last in windows) / 1000
        self.listen(0.001)
        self.onset = None
        shown = show()
        self.raise_line(1)
        self.listen(max(after, timing["on_ms"] / 1000) + SLACK)
        self.raise_line(0)
        if self.onset is None:  # no edge came: nothing is known of this trial
            return shown, dict.fromkeys(units)
        sample, rate = self.onset
        found = {unit: [] for unit in units}
        for at, unit in self.spikes:
            if unit in found:
                found[unit].append(round(1000 * (at - sample) / rate, 3))
        self.spikes = [(at, unit) for at, unit in self.spikes if at > sample - 10 * rate]
        first = min(begin for begin, _ in windows)
        return shown, {u: [t for t in sorted(times) if first <= t] for u, times in found.items()}


class NoScreen:
    """Shows nothing, to practise the links."""

    def show(self, png, timing):
        return time.monotonic()

    def pause(self, timing):
        time.sleep(timing["off_ms"] / 1000)


class PsychoPyScreen:
    """A PsychoPy window; an image stands for on_ms, then grey."""

    def __init__(self, size):
        import io

        import numpy as np
        from PIL import Image
        from psychopy import core, visual

        self.io, self.np, self.image, self.core = io, np, Image, core
        self.window = visual.Window(fullscr=True, units="deg", color=0)
        self.picture = visual.ImageStim(self.window, size=size)

    def show(self, png, timing):
        """Put the image up at a flip, and say when that was."""
        with self.image.open(self.io.BytesIO(png)) as image:
            pixels = self.np.asarray(image.convert("RGB"), self.np.float64)
        self.picture.image = pixels[::-1] / 127.5 - 1  # PsychoPy's rows run upwards, values -1 to 1
        self.picture.draw()
        return self.window.flip()

    def pause(self, timing):
        self.window.flip()
        self.core.wait(timing["off_ms"] / 1000)


def play(session, ephys, screen, idle):
    """Show blocks until none is wanted for `idle` seconds."""
    last = time.monotonic()
    while time.monotonic() - last < idle:
        found = session.next_block()
        if found is None:
            time.sleep(0.05)
            continue
        block, pictures = found
        answers = []
        for trial in block["trials"]:
            show = partial(screen.show, pictures[trial["image"]], block["timing"])
            shown, spikes = ephys.record(show, block["timing"], block["units"])
            screen.pause(block["timing"])
            names = {key: trial[key] for key in ("trial", "image")}
            answers.append({**names, "shown": shown, "responses": spikes})
            session.ask({"say": "beat"})
        session.ask({"say": "answers", "block": block["block"], "answers": answers})
        last = time.monotonic()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--session", default="tcp://127.0.0.1:5555", help="of invariscope rig serve"
    )
    parser.add_argument("--ephys", default="tcp://127.0.0.1:5557", help="of the Event Broadcaster")
    parser.add_argument("--line", type=int, default=1, help="digital line of the image's onset")
    parser.add_argument("--stream", help="the stream that counts, where there are several")
    parser.add_argument("--mark", help="of Network Events, where no photodiode marks the onset")
    parser.add_argument("--screen", choices=("psychopy", "none"), default="psychopy")
    parser.add_argument("--size", type=float, default=8.0, help="degrees of visual angle")
    parser.add_argument("--idle", type=float, default=math.inf, help="seconds without a block")
    asked = parser.parse_args()
    context = zmq.Context()
    ephys = OpenEphys(context, asked.ephys, asked.line, asked.stream, asked.mark)
    screen = PsychoPyScreen(asked.size) if asked.screen == "psychopy" else NoScreen()
    play(Session(context, asked.session), ephys, screen, asked.idle)


if __name__ == "__main__":
    main()
