"""Many participants at once on one machine: are all answers stored, and how soon acknowledged?

python benchmarks/survey.py [--participants 500] [--seconds 30] [--outsider] [--out FILE]
python benchmarks/survey.py --page   # without and with an outsider: the files and the page

Each participant has an address of their own (127.1.x.y). With --outsider one more address attacks
meanwhile: connections that send half a head, bodies that never end, starts with made-up tokens,
requests of the page and of nothing, as fast as the machine allows; its own work yields to the
server's, since an attacker brings a machine of their own.
"""

import argparse
import asyncio
import json
import os
import platform
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from invariscope import seeds
from invariscope.survey.design import parse_design, write_design
from invariscope.survey.folder import DESIGN, IMAGES, WORDS, write_stimuli
from invariscope.survey.lists import Stimulus
from invariscope.survey.texts import write_words

FIGURES = Path(__file__).resolve().parent
PAGE = FIGURES.parent / "docs" / "survey_online.md"
MARK = "<!-- benchmarks/survey_attacked.json -->\n"
BOUND_MS = 300  # of participants' p95 beside an outsider
EVERY = 2.0  # seconds between a participant's answers
START = 5.0  # seconds within which all come
SERVE = """
import sys
from pathlib import Path
from invariscope.survey.folder import open_survey
from invariscope.survey.serve import serve
serve(open_survey(Path(sys.argv[1])), port=int(sys.argv[2]), pilot=True)
"""


def build(path: Path, each: int = 20) -> None:
    """A survey of 12 categories and 3 conditions."""
    (path / "images").mkdir(parents=True)
    names = [f"class {k}" for k in range(12)]
    stimuli: list[Stimulus] = []
    for condition in ("natural", "MEI", "invariance"):
        for k in range(each):
            file = f"{len(stimuli):04d}.png"
            pixels = np.random.Philox(key=len(stimuli)).random_raw((96, 96, 3)) % 256
            Image.fromarray(pixels.astype(np.uint8)).save(path / "images" / file)
            stimuli.append(Stimulus(file, file, condition, "", "", "", names[k % 12]))
    write_stimuli(path / IMAGES, stimuli)
    write_words(path / WORDS, names)
    write_design(path / DESIGN, parse_design({"categories": names, "per_condition": each}))


class Participant:
    """One connection that is kept, as a browser's."""

    def __init__(self, number: int, port: int) -> None:
        self.chance = seeds.numpy_stream("participant", number)
        self.token, self.port = f"{number:064d}", port
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter | None = None

    def address(self) -> str:
        number = int(self.token)
        return f"127.1.{number // 250}.{1 + number % 250}"

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(
                "127.0.0.1", self.port, local_addr=(self.address(), 0)
            )
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self.writer.write(head.encode() + content)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(int(x.split(":")[1]) for x in lines if x.startswith("content-length"))
        return int(lines[0].split()[1]), await self.reader.readexactly(length)

    async def live(self, seconds: float, waits: list[float]) -> int:
        await asyncio.sleep(self.chance.uniform(0, START))
        screen = {"width": 1280, "height": 800, "ratio": 1, "hertz": 60, "touch": False}
        status, body = await self.ask("POST", "/api/sessions", {"brought": {}, "screen": screen})
        assert status == 200, (status, body)
        trials = len(json.loads(body)["trials"])
        end, given = time.monotonic() + seconds, 0
        while time.monotonic() < end and given < trials:
            await asyncio.sleep(self.chance.uniform(0.75, 1.25) * EVERY)
            answer = {"trial": given, "key": f"key-{given:06d}", "answer": given % 12}
            began = time.perf_counter()
            status, body = await self.ask(
                "POST", "/api/answers", {**answer, "rt_ms": 700.0, "by": "key"}
            )
            waits.append(time.perf_counter() - began)
            assert status == 200, (status, body)
            given += 1
        if self.writer is not None:
            self.writer.close()
        return given


async def crowd(participants: int, port: int, seconds: float) -> tuple[int, list[float]]:
    waits: list[float] = []
    people = [Participant(k, port) for k in range(participants)]
    given = await asyncio.gather(*(one.live(seconds, waits) for one in people))
    return sum(given), waits


SCREEN = {"width": 1280, "height": 800, "ratio": 1, "hertz": 60, "touch": False}
HALF = b"GET / HTTP/1.1\r\nX-Slow: "
OPEN_AT_ONCE = 1000


async def attack(port: int, seconds: float) -> dict[str, int]:
    """What one outsider does from one address, and how often."""
    counts = {"half_heads": 0, "slow_bodies": 0, "starts": 0, "requests": 0, "cut": 0}
    end = time.monotonic() + seconds
    held: list[asyncio.StreamWriter] = []

    async def once(head: bytes, kind: str, *, keep: bool) -> None:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=("127.0.0.2", 0)
            )
            writer.write(head)
            await writer.drain()
            counts[kind] += 1
            if keep:
                held.append(writer)
            else:
                await asyncio.wait_for(reader.read(200), 5)
                writer.close()
        except (OSError, TimeoutError):
            counts["cut"] += 1
        while len(held) > OPEN_AT_ONCE:
            held.pop(0).close()

    async def worker(number: int) -> None:
        step = 0
        body = json.dumps({"brought": {"PROLIFIC_PID": "=1+1"}, "screen": SCREEN}).encode()
        while time.monotonic() < end:
            step += 1
            token = f"{number:020d}{step:044d}".replace("0", "f")
            post = (
                f"POST /api/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                "Connection: close\r\nContent-Length: "
            ).encode()
            await once(HALF, "half_heads", keep=True)
            await once(post + b"9000\r\n\r\n{", "slow_bodies", keep=True)
            whole = post + f"{len(body)}\r\n\r\n".encode() + body
            await once(whole, "starts", keep=False)
            get = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            await once(get, "requests", keep=False)

    await asyncio.gather(*(worker(k) for k in range(20)))
    for writer in held:
        writer.close()
    return counts


def attack_alone(port: int, seconds: float) -> None:
    """The outsider as a process of its own, which yields: attackers bring their own machine."""
    os.nice(15)
    print(json.dumps(asyncio.run(attack(port, seconds))))


ATTACK = """
import runpy, sys
runpy.run_path(sys.argv[1])["attack_alone"](int(sys.argv[2]), float(sys.argv[3]))
"""


def outsider(port: int, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ATTACK, str(Path(__file__)), str(port), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603


def cpu_seconds(process: int) -> float:
    """Processor time that a process has used (Linux)."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def measure(participants: int, seconds: float, *, attacked: bool = False) -> dict[str, Any]:
    """What `participants` at once see of a server of their own."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        survey = Path(place) / "survey"
        build(survey)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = subprocess.Popen([sys.executable, "-c", SERVE, str(survey), str(port)])  # noqa: S603
        try:
            for _ in range(3000):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            stranger = outsider(port, seconds + START) if attacked else None
            before = cpu_seconds(server.pid)
            given, waits = asyncio.run(crowd(participants, port, seconds))
            used = cpu_seconds(server.pid) - before
            done = json.loads(stranger.communicate()[0]) if stranger else None
        finally:
            server.terminate()
            server.wait()
        with closing(sqlite3.connect(survey / "answers.sqlite")) as connection:
            stored = connection.execute("SELECT COUNT(*) FROM answers").fetchone()[0]
            begun = connection.execute("SELECT COUNT(*) FROM sessions").fetchone()[0]
    levels = np.percentile(np.array(waits) * 1000, (50, 95, 99, 100)).round(1).tolist()
    return {
        "participants": participants,
        "seconds": seconds,
        "given": given,
        "stored": stored,
        "outsider": done,
        "places_taken_by_the_outsider": begun - participants,
        "answers_a_second": round(given / seconds, 1),
        "server_cpu_ms_an_answer": round(used / given * 1000, 2),
        **dict(zip(("p50_ms", "p95_ms", "p99_ms", "most_ms"), levels, strict=True)),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_before": load,
        "nice": os.nice(0),
    }


def as_markdown(found: list[dict[str, Any]]) -> str:
    """The sentence and the table of the page."""
    alone, attacked = found
    kept = "met" if attacked["p95_ms"] < BOUND_MS else "missed"
    lost = sum(one["given"] - one["stored"] for one in found)
    text = (
        f"{attacked['participants']} participants, {attacked['seconds']:.0f} s, on "
        f"{alone['cpus']} cores with a load of {alone['load_before']:.1f} before the first run "
        f"(nice level {alone['nice']}, the outsider's 15 more): {lost} acknowledged answers lost; "
        f"the bound of {BOUND_MS} ms for participants' p95 beside an outsider is {kept}.\n\n"
    )
    head = (
        "| beside them | answers given | stored | p50 | p95 | p99 | outsider's attempts | "
        "refused or cut connections | places it took |\n|" + " --- |" * 9 + "\n"
    )
    rows = []
    for one in found:
        done = one["outsider"] or {}
        tries = sum(n for name, n in done.items() if name != "cut")
        rows.append(
            f"| {'an outsider' if done else 'nobody'} | {one['given']} | {one['stored']} | "
            f"{one['p50_ms']:.0f} ms | {one['p95_ms']:.0f} ms | {one['p99_ms']:.0f} ms | "
            f"{tries or ''} | {done.get('cut', '')} | {one['places_taken_by_the_outsider']} |\n"
        )
    return text + head + "".join(rows)


def write_page(found: list[dict[str, Any]]) -> None:
    """Write both files of figures, and the part of the page that is made of them."""
    (FIGURES / "survey.json").write_text(json.dumps(found[0], indent=1) + "\n")
    (FIGURES / "survey_attacked.json").write_text(json.dumps(found, indent=1) + "\n")
    text = PAGE.read_text()
    before, rest = text.split(MARK, 1)
    after = rest.split("<!-- end -->", 1)[1]
    PAGE.write_text(f"{before}{MARK}{as_markdown(found)}<!-- end -->{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--outsider", action="store_true")
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    if asked.page:
        both = [
            measure(asked.participants, asked.seconds, attacked=attacked)
            for attacked in (False, True)
        ]
        write_page(both)
        print(as_markdown(both))
        return
    found = measure(asked.participants, asked.seconds, attacked=asked.outsider)
    text = json.dumps(found, indent=1) + "\n"
    if asked.out:
        asked.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
