"""Attacks on a real server by loopback: heads and bodies without end, and too many connections."""

import asyncio
import contextlib
import json
import socket
import threading
import time

import pytest

pytest.importorskip("uvicorn", reason="the extra `survey` is not installed")

import uvicorn

from invariscope.survey import guard
from invariscope.survey.connections import bounded_protocol
from invariscope.survey.database import Database
from invariscope.survey.server import SurveyServer

OUTSIDER, PERSON = "127.0.0.2", "127.0.0.3"
TOKEN = "7" * 64


@pytest.fixture
def served(survey_folder, monkeypatch):
    """A server with short deadlines and few connections an address; its port and protocol."""
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.5)
    database = Database(survey_folder.answers)
    protocol = bounded_protocol(
        most=20, trusted=frozenset({"127.0.0.9"}), head_seconds=0.5, request_seconds=3.0
    )
    app = SurveyServer(survey_folder, database, "the experimenter's token", starts=5).app()
    config = uvicorn.Config(
        app, log_level="critical", lifespan="off", ws="none", http=protocol, timeout_keep_alive=30
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield port, protocol
        server.should_exit = True
        thread.join()
    database.close()


def connect(port, address, seconds=10.0):
    return socket.create_connection(
        ("127.0.0.1", port), timeout=seconds, source_address=(address, 0)
    )


def ended(connection):
    """Whether the server closes a connection, seconds from now."""
    began = time.monotonic()
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - began


def request(port, address, method="GET", path="/api/survey", body=None, token=TOKEN):
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Connection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with connect(port, address) as connection:
        connection.sendall(head.encode() + content)
        reply = b""
        while part := connection.recv(65536):
            reply += part
    return int(reply.split()[1])


def test_heads_without_end_are_cut_whether_silent_or_dripping(served):
    port, protocol = served
    silent, half = connect(port, OUTSIDER), connect(port, OUTSIDER)
    half.sendall(b"GET / HTTP/1.1\r\nX-A: ")
    dripping = connect(port, OUTSIDER)
    dripping.sendall(b"GET / HTTP/1.1\r\n")
    stop = time.monotonic() + 5
    cut = False
    while time.monotonic() < stop and not cut:
        try:
            dripping.sendall(b"X: y\r\n")
            time.sleep(0.05)
        except ConnectionError:
            cut = True
    assert cut
    assert ended(silent) < 5
    assert ended(half) < 5
    for one in (silent, half, dripping):
        one.close()
    assert request(port, PERSON) == 200
    for _ in range(100):
        if not protocol.held:
            break
        time.sleep(0.05)
    assert not protocol.held  # no connection is counted that is not there


def test_the_next_head_on_a_kept_connection_has_its_deadline_too(served):
    port, _ = served
    with connect(port, OUTSIDER) as connection:
        connection.sendall(b"GET /api/survey HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        time.sleep(0.8)  # idle between requests is no offence
        connection.sendall(b"GET /api/survey HTTP/1.1\r\nHost: x\r\n\r\nGET /unfini")
        assert ended(connection) < 5


def test_a_body_has_one_deadline_however_it_drips(served):
    port, _ = served
    head = (
        f"POST /api/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Length: 5000\r\n\r\n"
    )
    with connect(port, OUTSIDER) as connection:
        connection.sendall(head.encode())
        connection.settimeout(0.05)
        began, reply = time.monotonic(), b""
        while time.monotonic() - began < 6 and not reply:
            try:
                connection.sendall(b" ")
                reply = connection.recv(100)
            except TimeoutError:
                continue
        assert reply.startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 5


def test_an_address_holds_so_many_connections_and_others_are_served(served):
    port, _ = served
    held = [connect(port, OUTSIDER) for _ in range(60)]
    for one in held:
        with contextlib.suppress(ConnectionError):
            one.sendall(b"GET / HTTP/1.1\r\n")
    assert request(port, PERSON) == 200
    closed = 0
    for one in held:
        one.settimeout(0.02)
        try:
            closed += one.recv(1) == b""
        except ConnectionError:
            closed += 1
        except TimeoutError:
            pass
    assert closed >= 40
    for one in held:
        one.close()


def test_a_named_proxy_holds_as_many_as_it_likes(served):
    port, _ = served
    held = [connect(port, "127.0.0.9") for _ in range(40)]
    for one in held:
        one.sendall(b"GET /api/survey HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert all(one.recv(20).startswith(b"HTTP/1.1 200") for one in held)
    for one in held:
        one.close()


def test_an_outsider_takes_no_more_places_than_an_address_may(served):
    port, _ = served
    body = {
        "brought": {},
        "screen": {"width": 1, "height": 1, "ratio": 1.0, "hertz": 60.0, "touch": False},
    }
    path = "/api/sessions"
    found = [request(port, OUTSIDER, "POST", path, body, f"{k:064d}") for k in range(8)]
    assert found == [200] * 5 + [429] * 3
    assert request(port, PERSON, "POST", path, body, "p" * 64) == 200


async def _crowd(port):
    """40 participants answer while one address does everything above."""
    waits = []
    stop = asyncio.Event()

    async def attack():
        while not stop.is_set():
            try:
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", port, local_addr=(OUTSIDER, 0)
                )
                writer.write(b"GET / HTTP/1.1\r\nX: ")
                await writer.drain()
                kept.append(writer)
                if len(kept) > 100:
                    kept.pop(0).close()
            except OSError:
                pass
            await asyncio.sleep(0.002)

    async def person(k):
        for _ in range(5):
            began = time.perf_counter()
            status = await asyncio.to_thread(request, port, f"127.0.1.{k + 1}")
            waits.append(time.perf_counter() - began)
            assert status == 200

    kept = []
    attacker = asyncio.create_task(attack())
    await asyncio.gather(*(person(k) for k in range(40)))
    stop.set()
    await attacker
    for writer in kept:
        writer.close()
    return waits


def test_everyone_is_served_beside_an_attack(served):
    port, _ = served
    waits = asyncio.run(_crowd(port))
    assert len(waits) == 200
