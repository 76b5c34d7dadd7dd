"""A packed study comes back as it was; anything else in its place is refused."""

import io
import json
import shutil
import tarfile

import pytest

from invariscope.cli.study import pack, unpack
from invariscope.errors import InputError
from invariscope.study.folder import StudyFolder
from invariscope.study.index import read_rows
from invariscope.study.pack import pack_study, unpack_study
from invariscope.study.result import load_study

MOST = 10**9


@pytest.fixture
def archive(finished, tmp_path):
    path = tmp_path / "study.tar"
    pack_study(finished, path)
    return path


@pytest.fixture
def store(tmp_path):
    (tmp_path / "new").mkdir()
    return tmp_path / "new"


def nothing_there(store):
    return [path.name for path in store.rglob("*")] == []


def test_a_packed_study_comes_back_whole(finished, archive, store, same_store):
    assert unpack_study(archive, store, most_bytes=MOST) == (
        "small",
        len(finished.planned_runs()),
        0,
    )
    same_store(store, finished.store)
    assert read_rows(store / "runs") == read_rows(finished.runs)
    before, after = load_study(finished.path).table(), load_study(store).table()
    assert before.drop(columns="path").equals(after.drop(columns="path"))


def test_packing_twice_gives_the_same_bytes(finished, archive, tmp_path):
    pack_study(finished, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_runs_that_are_there_are_left_as_they_are(finished, archive, store):
    run = finished.planned_runs()[0].folder
    shutil.copytree(finished.runs / run, store / "runs" / run)
    (store / "runs" / run / "note").write_text("mine")
    _, taken, there = unpack_study(archive, store, most_bytes=MOST)
    assert (taken, there) == (len(finished.planned_runs()) - 1, 1)
    assert (store / "runs" / run / "note").read_text() == "mine"
    with pytest.raises(InputError, match="a study 'small' is in"):
        unpack_study(archive, store, most_bytes=MOST)


def test_runs_that_have_not_ended_are_not_packed(begin, tmp_path, store):
    folder = begin()
    files, _ = pack_study(folder, tmp_path / "empty.tar")
    assert files == 3  # the study, its runs, their hashes
    assert unpack_study(tmp_path / "empty.tar", store, most_bytes=MOST) == ("small", 0, 0)
    assert len(StudyFolder(store, "small").planned_runs()) == len(folder.planned_runs())


def rewritten(archive, change):
    """The archive with its members changed: a list of (TarInfo, bytes)."""
    with tarfile.open(archive) as tar:
        members = [(m, tar.extractfile(m).read()) for m in tar.getmembers()]
    with tarfile.open(archive, "w") as tar:
        for member, content in change(members):
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive


def member(name, content=b"x", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, content


def with_manifest(members, change):
    info, content = members[0]
    manifest = json.loads(content)
    change(manifest)
    return [(info, json.dumps(manifest).encode()), *members[1:]]


def renamed(to):
    """The first file and its entry in the manifest under another name."""

    def change(members):
        old = members[1][0].name
        members = with_manifest(members, lambda m: m["files"].update({to: m["files"].pop(old)}))
        members[1][0].name = to
        return members

    return change


def with_size(size):
    """The first file has another size in the manifest."""

    def change(members):
        name = members[1][0].name
        return with_manifest(members, lambda m: m["files"][name].__setitem__(0, size))

    return change


def damaged(members):
    content = members[3][1]
    members[3] = (members[3][0], content[:-1] + bytes([content[-1] ^ 1]))
    return members


CHANGES = {
    "extra": (lambda ms: [*ms, member("runs/a/b")], "not in its manifest"),
    "twice": (lambda ms: [*ms, ms[2]], "or there twice"),
    "missing": (lambda ms: ms[:-1], "it lacks 1 file of its manifest"),
    "damaged": (damaged, "does not match its checksum"),
    "symlink": (
        lambda ms: [*ms, member("runs/a/b", b"", tarfile.SYMTYPE, "/etc/passwd")],
        "not a plain file",
    ),
    "hard link": (lambda ms: [*ms, member("runs/a/b", b"", tarfile.LNKTYPE, "x")], "plain file"),
    "folder": (lambda ms: [*ms, member("runs/a", b"", tarfile.DIRTYPE)], "not a plain file"),
    "device": (lambda ms: [*ms, member("runs/a/b", b"", tarfile.CHRTYPE)], "not a plain file"),
    "absolute": (renamed("/runs/a/b"), "leads out of the store"),
    "upwards": (renamed("runs/../../b"), "leads out of the store"),
    "short": (renamed("runs/a"), "leads out of the store"),
    "elsewhere": (renamed("other/a/b"), "leads out of the store"),
    "another study": (renamed("studies/other/b"), "leads out of the store"),
    "study upwards": (
        lambda ms: with_manifest(ms, lambda m: m.update(study="../../x")),
        "leads out of the store",
    ),
    "no manifest": (lambda ms: ms[1:], "does not begin with a manifest"),
    "named like the index": (renamed("runs/index.jsonl/x"), "where the store has files of its own"),
    "hidden": (renamed("runs/.unpack-1/x"), "where the store has files of its own"),
    "long": (renamed(f"runs/{'a' * 300}/x"), "a name that no disk takes"),
    "long in bytes": (renamed(f"runs/a/{'é' * 150}"), "a name that no disk takes"),
    "control": (renamed("runs/a/b\x1b[31m"), "a name that no disk takes"),
    "deep": (renamed("runs/" + "a/" * 40 + "b"), "leads out of the store"),
    "no run": (renamed("runs/a/b"), "it holds no 'studies/small/"),
    "negative": (with_size(-1), "its manifest is damaged"),
    "fraction": (with_size(1.5), "its manifest is damaged"),
    "word": (with_size("1"), "its manifest is damaged"),
    "endless": (with_size(float("inf")), "its manifest is damaged"),
    "file and folder": (
        lambda ms: with_manifest(ms, lambda m: m["files"].update({f"{ms[-1][0].name}/x": [1, ""]})),
        "as a file and a folder",
    ),
    "nested": (lambda ms: [(ms[0][0], b"[" * 100_000), *ms[1:]], "its manifest is damaged"),
    "list": (lambda ms: [(ms[0][0], b'{"study": "x", "files": []}'), *ms[1:]], "is damaged"),
    "no keys": (lambda ms: [(ms[0][0], b"{}"), *ms[1:]], "its manifest is damaged"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_an_archive_that_was_changed_is_refused_and_nothing_taken(archive, store, what):
    change, says = CHANGES[what]
    with pytest.raises(InputError, match=says):
        unpack_study(rewritten(archive, change), store, most_bytes=MOST)
    assert nothing_there(store)


def test_an_archive_that_is_too_large_is_refused(archive, store):
    with pytest.raises(InputError, match="at most 1e-05 are taken"):
        unpack_study(archive, store, most_bytes=10_000)
    assert nothing_there(store)


@pytest.mark.parametrize("limit", ["nan", "inf", "-1", "0", "1e300"])
def test_a_limit_that_is_none_is_refused(archive, store, limit):
    with pytest.raises(InputError, match="--limit is"):
        unpack(archive, out=store, limit=float(limit))
    assert nothing_there(store)


@pytest.mark.parametrize("content", [b"", b"no tar" * 1000])
def test_what_is_no_tar_file_is_refused(tmp_path, store, content):
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(InputError, match="refused"):
        unpack_study(tmp_path / "x.tar", store, most_bytes=MOST)
    with pytest.raises(InputError, match="no archive"):
        unpack_study(tmp_path / "none.tar", store, most_bytes=MOST)
    assert nothing_there(store)


def test_packing_replaces_a_pack_and_nothing_else(finished, archive, tmp_path):
    before = archive.read_bytes()
    pack(finished.path, archive)
    assert archive.read_bytes() == before
    thesis = tmp_path / "thesis.tar"
    thesis.write_text("years of work")
    with pytest.raises(InputError, match="--force"):
        pack(finished.path, thesis)
    assert thesis.read_text() == "years of work"
    with tarfile.open(thesis, "w") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"))
    with pytest.raises(InputError, match="--force"):
        pack(finished.path, thesis)
    pack(finished.path, thesis, force=True)
    assert thesis.read_bytes() == before
