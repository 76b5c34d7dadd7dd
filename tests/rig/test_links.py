"""Both links, with the other side in a thread of its own, against a brain in this process."""

import itertools
import json
import re
import sys
import threading
import types
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from test_rig_faults import same_session

from invariscope.errors import InputError, StoreError
from invariscope.rig.simulate import play
from invariscope.subjects.rig.folder import FolderLink, FolderRig, read_file
from invariscope.subjects.rig.messages import RigAnswer, RigTrial, TrialBlock
from invariscope.subjects.rig.zeromq import ZeroMQLink, ZeroMQRig

DOCS = Path(__file__).parents[2] / "docs" / "rig.md"
BLOCK = TrialBlock("b000000", (RigTrial("t000000", "aa"), RigTrial("t000001", "bb")), ("u",))
IMAGES = {"aa": b"first", "bb": b"second"}
ANSWERS = [
    RigAnswer("t000000", "aa", {"u": 1.5}, 0.1),
    RigAnswer("t000001", "bb", {"u": (2.0, 7.5)}, 0.3),
]


class Rig(threading.Thread):
    """A simulated rig that is killed, its memory lost, after every few blocks."""

    def __init__(self, link, make_brain, make_other, lives=3):
        super().__init__(daemon=True)
        self.link, self.lives = link, lives
        self.make_brain, self.make_other = make_brain, make_other
        self.over, self.error = threading.Event(), None

    def run(self):
        try:
            for life in itertools.count():
                brain, other = self.make_brain(), self.make_other()
                blocks = 0
                while not self.over.is_set() and (blocks < 4 or life >= self.lives):
                    blocks += play(brain, other)
                if life < self.lives and (next_block := other.next_block()):
                    brain.answer(*next_block)  # shown, and dead before it could answer
                other.close()
                if self.over.is_set():
                    return
        except Exception as error:
            self.error = error
            raise

    def __exit__(self, *_):
        self.over.set()
        while self.is_alive():  # its last question is answered too
            self.link.receive(0.05)
        assert self.error is None

    def __enter__(self):
        self.start()
        return self


def test_a_session_through_a_folder_is_the_same(make_session, make_brain, clean, tmp_path):
    exchange = tmp_path / "exchange"
    with FolderLink(exchange) as link, Rig(link, make_brain, lambda: FolderRig(exchange)):
        session = make_session(link=link, out="folder")
        session.run()
        session.close()
    same_session(clean, tmp_path / "folder")
    assert json.loads((exchange / "state.json").read_text())["problems"] == []


def test_a_session_through_zeromq_is_the_same(make_session, make_brain, clean, tmp_path):
    pytest.importorskip("zmq")
    with ZeroMQLink("tcp://127.0.0.1:*") as link:

        def other():
            return ZeroMQRig(link.address, patience=2.0, tries=100)

        with Rig(link, make_brain, other):
            session = make_session(link=link, out="zeromq")
            session.run()
            session.close()
    same_session(clean, tmp_path / "zeromq")


def test_the_example_in_the_documentation_is_a_rig(monkeypatch):
    pytest.importorskip("zmq")
    code = re.search(r"<!-- tested -->\n```python\n(.*?)```", DOCS.read_text(), re.DOTALL).group(1)
    seen = []

    def present_and_record(png, timing):
        if len(seen) == 2:
            raise SystemExit
        seen.append(png)
        return 0.5 * len(seen), {"u": [10.0 * len(seen)]}

    module = types.ModuleType("my_rig")
    module.present_and_record = present_and_record
    monkeypatch.setitem(sys.modules, "my_rig", module)
    with ZeroMQLink("tcp://127.0.0.1:*") as link:
        link.show(BLOCK, IMAGES)
        own, space = code.replace("tcp://127.0.0.1:5555", link.address), {}

        def run():
            with pytest.raises(SystemExit):
                exec(own, space)

        rig = threading.Thread(target=run, daemon=True)
        rig.start()
        delivery = link.receive(60)
        link.confirm(delivery, [])
        link.receive(0.5)
        rig.join(60)
        space["context"].term()
    assert seen == [b"first", b"second"]
    assert [a.responses for a in delivery.answers] == [{"u": (10.0,)}, {"u": (20.0,)}]
    assert not delivery.problems


def test_a_request_that_is_no_request_is_answered_and_harms_nothing():
    zmq = pytest.importorskip("zmq")
    with ZeroMQLink("tcp://127.0.0.1:*") as link, zmq.Context() as context:
        for message in (b"", b"{", b"[]", b'{"say": "x"}', b'{"say": "answers", "answers": 3}'):
            with context.socket(zmq.REQ) as socket:
                socket.linger = 0
                socket.connect(link.address)
                socket.send(message)
                assert link.receive(1.0) is None
                assert socket.poll(5000)
                assert "error" in socket.recv_json()


def test_an_address_in_use_is_refused():
    pytest.importorskip("zmq")
    with (
        ZeroMQLink("tcp://127.0.0.1:*") as link,
        pytest.raises(InputError, match="cannot listen at"),
    ):
        ZeroMQLink(link.address)


@pytest.fixture
def link(tmp_path):
    return FolderLink(tmp_path / "exchange")


def test_a_block_is_there_when_its_manifest_is_and_goes_when_it_is_over(link):
    link.show(BLOCK, IMAGES)
    manifest, images = FolderRig(link.folder).next_block()
    assert images == IMAGES
    assert [t["trial"] for t in manifest["trials"]] == ["t000000", "t000001"]
    link.withdraw(BLOCK.name)
    assert FolderRig(link.folder).next_block() is None


def test_answers_come_back_as_they_were_given(link):
    FolderRig(link.folder).answer("b000000", ANSWERS)
    assert link.receive(1).answers == ANSWERS
    assert link.receive(0) is None  # a file that stays as it is comes once


def test_parquet_is_read_too(link):
    table = pa.table({"trial": ["t000000"], "image": ["aa"], "u": [[1.0, 2.5]]})
    parquet.write_table(table, link.folder / "answers" / "x.parquet")
    assert link.receive(1).answers[0].responses == {"u": (1.0, 2.5)}


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_file_that_is_cut_gives_whole_lines_only(link, cut):
    FolderRig(link.folder).answer("b000000", ANSWERS)
    path = link.folder / "answers" / "b000000.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    found = link.receive(1)
    assert found.answers in ([], ANSWERS[:1])
    path.write_bytes(whole)
    assert link.receive(1).answers == ANSWERS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trial,image,u\nt0,aa,[1 2\n", r"do not end in '\]'"),
        ("trial,image,u\nt0,aa\n", "lacks 'trial'"),
        ("trial,image,u\nt0,aa,1,2\n", "lacks 'trial'"),
        ("trial,image,u\nt0,aa,many\n", "could not convert"),
        ("trial,image,u\nt0,aa,inf\n", "infinite"),
        ("trial,image\nt0,aa\n", "holds no responses"),
        ("image,u\naa,1\n", "lacks 'trial'"),
    ],
)
def test_lines_that_cannot_be_read_are_named(tmp_path, text, said):
    path = tmp_path / "b.csv"
    path.write_text(text)
    found = read_file(path)
    assert not found.answers
    assert re.search(said, found.problems[0])


def test_files_that_are_no_tables_are_named(tmp_path):
    for name in ("b.parquet", "b.csv"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00PAR1")
        assert read_file(tmp_path / name).problems


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="exchange folder"):
        FolderLink(tmp_path / "file" / "x")
