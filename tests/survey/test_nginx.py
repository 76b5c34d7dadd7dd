"""The configuration of docs/survey_nginx.conf in a real nginx, before a real server."""

import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `survey` is not installed")

import uvicorn

from invariscope.survey.connections import bounded_protocol
from invariscope.survey.database import Database
from invariscope.survey.server import SurveyServer

NGINX, OPENSSL = shutil.which("nginx", path="/usr/sbin:/usr/bin:/bin"), shutil.which("openssl")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (NGINX and OPENSSL), reason="no nginx or openssl on this machine"),
]
EXAMPLE = Path(__file__).parents[2] / "docs" / "survey_nginx.conf"
SCREEN = {"width": 1, "height": 1, "ratio": 1.0, "hertz": 60.0, "touch": False}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def configured(place, port, behind):
    """The example with the places and ports of this test, and shorter deadlines."""
    text = EXAMPLE.read_text()
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "127.0.0.1:8000": f"127.0.0.1:{behind}",
        "/etc/ssl/certs/survey.pem": f"{place}/survey.pem",
        "/etc/ssl/private/survey.key": f"{place}/survey.key",
        "client_header_timeout 10s": "client_header_timeout 2s",
        "limit_conn survey_connections 100": "limit_conn survey_connections 5",
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {place}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\npid {place}/pid;\nerror_log {place}/error.log;\nworker_processes 1;\n"
        f"events {{ worker_connections 512; }}\nhttp {{\n{temporary}{text}\n}}\n"
    )


@pytest.fixture
def proxied(survey_folder, tmp_path):
    """The port of nginx, the survey behind it with 3 starts an address."""
    place = tmp_path / "nginx"
    place.mkdir(mode=0o755)
    line = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(place / "survey.key"), "-out", str(place / "survey.pem")]
    subprocess.run([OPENSSL, *line, *files], check=True, capture_output=True)
    database = Database(survey_folder.answers)
    app = SurveyServer(
        survey_folder, database, "the experimenter's token", proxies=("127.0.0.1",), starts=3
    ).app()
    protocol = bounded_protocol(trusted=frozenset({"127.0.0.1"}))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", http=protocol)
    server = uvicorn.Server(config)
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        (place / "nginx.conf").write_text(configured(place, port, listening.getsockname()[1]))
        line = [
            NGINX,
            "-p",
            str(place),
            "-c",
            str(place / "nginx.conf"),
            "-e",
            f"{place}/error.log",
        ]
        with subprocess.Popen(line) as nginx:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert nginx.poll() is None, (place / "error.log").read_text()
                time.sleep(0.05)
            yield port
            nginx.terminate()
            nginx.wait(20)
        server.should_exit = True
        thread.join()
    database.close()


def connect(port, address):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(address, 0))
    return context.wrap_socket(plain, server_hostname="localhost")


def ask(port, address, method, path, body=None, token="5" * 64, forwarded="1.2.3.4"):
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"X-Forwarded-For: {forwarded}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with connect(port, address) as connection:
        connection.sendall(head.encode() + content)
        reply = b""
        with contextlib.suppress(ssl.SSLEOFError):
            while part := connection.recv(65536):
                reply += part
    return int(reply.split()[1]), reply.partition(b"\r\n\r\n")[2]


def test_a_session_goes_through_the_proxy(proxied):
    status, page = ask(proxied, "127.0.0.3", "GET", "/")
    assert status == 200
    assert b"app.js" in page
    body = {"brought": {}, "screen": SCREEN}
    status, told = ask(proxied, "127.0.0.3", "POST", "/api/sessions", body)
    trials = json.loads(re.search(rb"\{.*\}", told, re.DOTALL)[0])["trials"]
    first = next(k for k, trial in enumerate(trials) if trial["image"])
    status, image = ask(proxied, "127.0.0.3", "GET", f"/api/images/{first}")
    assert status == 200
    assert b"PNG" in image
    given = {"trial": 0, "key": "key-00000000", "answer": 0, "rt_ms": 600.0, "by": "key"}
    assert ask(proxied, "127.0.0.3", "POST", "/api/answers", given)[0] == 200
    assert ask(proxied, "127.0.0.3", "POST", "/api/answers", {"pad": "x" * 20_000})[0] == 413


def test_the_header_that_an_outsider_writes_is_replaced(proxied):
    body = {"brought": {}, "screen": SCREEN}
    found = [
        ask(
            proxied, "127.0.0.2", "POST", "/api/sessions", body, f"{k:064d}", forwarded=f"9.9.9.{k}"
        )[0]
        for k in range(5)
    ]
    assert found == [200, 200, 200, 429, 429]
    assert ask(proxied, "127.0.0.3", "POST", "/api/sessions", body, "p" * 64)[0] == 200


def test_unfinished_heads_are_cut_and_an_address_holds_so_many(proxied):
    with connect(proxied, "127.0.0.2") as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        began = time.monotonic()
        with contextlib.suppress(ssl.SSLEOFError, ConnectionError):
            while slow.recv(4096):
                pass
        assert time.monotonic() - began < 15
    with contextlib.ExitStack() as held:
        for _ in range(5):  # requests whose bodies are still to come
            one = held.enter_context(connect(proxied, "127.0.0.2"))
            one.sendall(b"POST /api/about HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        statuses = []
        for _ in range(50):
            statuses.append(ask(proxied, "127.0.0.2", "GET", "/")[0])
            if statuses[-1] == 429:
                break
        assert statuses[-1] == 429
        assert ask(proxied, "127.0.0.3", "GET", "/")[0] == 200
