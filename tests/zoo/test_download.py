"""Downloads from a server that behaves, stops, lies, or is not there."""

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from invariscope.errors import StoreError
from invariscope.zoo import registry
from invariscope.zoo.download import fetch

CONTENT = bytes(range(256)) * 5000


class Handler(BaseHTTPRequestHandler):
    """Gives CONTENT, whole or from a byte on; `server.manner` says how it misbehaves."""

    def do_GET(self):
        manner, asked = self.server.manner, self.headers.get("Range")
        self.server.asked.append(asked)
        if manner == "missing":
            self.send_error(404)
            return
        start = int(asked[6:-1]) if asked and manner != "no ranges" else 0
        if asked and start >= len(CONTENT) and manner != "no ranges":
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if manner == "stops" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.manner, server.asked = "fair", []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def entry(server, tmp_path, monkeypatch):
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    return registry.WeightEntry(
        name="deepsim:test",
        kind="deepsim",
        file="test.pt",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="none",
        url=f"http://127.0.0.1:{server.server_port}/test.pt",
        source="https://example.org/test",
    )


def test_a_file_is_fetched_once(entry, server, tmp_path):
    assert fetch(entry) == tmp_path / "cache" / "test.pt"
    assert fetch(entry).read_bytes() == CONTENT
    assert server.asked == [None]
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["test.pt"]


def test_a_download_that_stopped_goes_on_where_it_stopped(entry, server):
    server.manner = "stops"
    with pytest.raises(StoreError, match="MB are kept, and another try goes on from there"):
        fetch(entry)
    kept = entry.path.with_name("test.pt.part").stat().st_size
    assert kept == len(CONTENT) // 2
    server.manner = "fair"
    assert fetch(entry).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={kept}-"]


def test_a_server_without_ranges_begins_anew(entry, server):
    entry.path.parent.mkdir()
    entry.path.with_name("test.pt.part").write_bytes(b"something else")
    server.manner = "no ranges"
    assert fetch(entry).read_bytes() == CONTENT


def test_a_part_that_is_whole_is_taken(entry, server):
    entry.path.parent.mkdir()
    entry.path.with_name("test.pt.part").write_bytes(CONTENT)
    assert fetch(entry).read_bytes() == CONTENT


def test_a_part_of_a_longer_file_is_dropped(entry, server):
    entry.path.parent.mkdir()
    part = entry.path.with_name("test.pt.part")
    part.write_bytes(CONTENT + b"more")
    with pytest.raises(StoreError, match="cannot be downloaded"):
        fetch(entry)
    assert not part.exists()
    assert fetch(entry).read_bytes() == CONTENT


def test_another_file_than_expected_is_not_kept(entry):
    wrong = replace(entry, sha256="0" * 64)
    with pytest.raises(StoreError, match=r"gave another file than expected .* it was not kept"):
        fetch(wrong)
    assert list(entry.path.parent.iterdir()) == []


def test_a_file_that_changed_in_the_cache_is_refused(entry):
    fetch(entry).write_bytes(b"changed")
    with pytest.raises(StoreError, match="delete it and load it again"):
        fetch(entry)


def test_without_a_known_checksum_that_of_the_first_download_counts(entry):
    unknown = replace(entry, sha256="")
    path = fetch(unknown)
    assert path.with_name("test.pt.sha256").read_text().strip() == entry.sha256
    assert fetch(unknown) == path
    path.write_bytes(b"changed")
    with pytest.raises(StoreError, match="delete it and load it again"):
        fetch(unknown)


@pytest.mark.parametrize("manner", ["missing", "gone"])
def test_without_a_connection_the_sentence_says_where_to_put_the_file(entry, server, manner):
    server.manner = manner
    if manner == "gone":
        entry = replace(entry, url="http://127.0.0.1:9/test.pt")
    with pytest.raises(StoreError) as caught:
        fetch(entry)
    said = str(caught.value)
    assert said.startswith(f"deepsim:test cannot be downloaded from {entry.url} (")
    assert f"from https://example.org/test and put it at {str(entry.path)!r}" in said


def test_a_file_put_there_by_hand_needs_no_connection(entry):
    entry.path.parent.mkdir()
    entry.path.write_bytes(CONTENT)
    assert fetch(replace(entry, url="http://127.0.0.1:9/test.pt")) == entry.path


def test_every_published_file_names_its_origin_and_licence():
    published = [entry for entry in registry.entries().values() if entry.url]
    assert len(published) == 8
    assert all(e.url.startswith("https://") and e.source and e.licence for e in published)
    assert len({e.path for e in published}) == len(published)
