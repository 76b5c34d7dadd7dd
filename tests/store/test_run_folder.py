"""A run on disk: journal, checkpoint, lock, and what becomes of damage."""

import errno
import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from invariscope.errors import StoreError
from invariscope.store import run_folder, run_toml
from invariscope.store.hashes import seal
from invariscope.store.journal import read_journal
from invariscope.store.run_folder import RunFolder
from invariscope.store.run_toml import read_settings


def line(generation):
    return {"generation": generation, "stretch": [0.1, 0.5, 1 / 3]}


def write(writer, first, last):
    for generation in range(first, last + 1):
        writer.append(line(generation))


def full_disk(*_args, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_run_toml_gives_settings_labels_and_context_back(open_run, folder, settings):
    with open_run() as writer:
        assert not writer.resumed
    document = read_settings(folder)
    assert document["name"] == settings.name
    assert document["labels"]["unit"] == "bee"
    assert document["context"] == {"machine": "abacus", "precision": "float32"}
    assert ":" not in folder.name


def test_every_generation_is_one_line_at_once(open_run, folder):
    with open_run() as writer:
        for generation in range(1, 6):
            writer.append(line(generation))
            assert read_journal(folder / "journal.jsonl") == [
                line(g) for g in range(1, generation + 1)
            ]


@pytest.mark.parametrize("half", [b"", b'{"generation": 6, "str', b"{", b"\xff\x00"])
def test_a_cut_last_line_is_left_out_and_repaired(open_run, folder, checkpoint, half):
    journal = folder / "journal.jsonl"
    with open_run() as writer:
        write(writer, 1, 5)
        writer.checkpoint(checkpoint(5))
    with journal.open("ab") as file:
        file.write(half)
    assert [entry["generation"] for entry in read_journal(journal)] == [1, 2, 3, 4, 5]
    with open_run() as writer:
        assert writer.resumed
        assert writer.restore() is not None
        write(writer, 6, 7)
    assert read_journal(journal) == [line(g) for g in range(1, 8)]


@pytest.mark.parametrize("kept", [1, 3, 5])
def test_the_journal_is_cut_to_the_checkpoint(open_run, folder, checkpoint, kept):
    packed = checkpoint(kept)
    with open_run() as writer:
        write(writer, 1, kept)
        writer.checkpoint(packed)
        write(writer, kept + 1, 5)
    with open_run() as writer:
        restored = writer.restore()
        assert read_journal(folder / "journal.jsonl") == [line(g) for g in range(1, kept + 1)]
        write(writer, kept + 1, 6)
    assert read_journal(folder / "journal.jsonl") == [line(g) for g in range(1, 7)]
    for key, tensor in packed.items():
        assert torch.equal(restored[key], tensor)


def test_without_a_checkpoint_the_run_starts_anew(open_run, folder):
    with open_run() as writer:
        write(writer, 1, 4)
    with open_run() as writer:
        assert writer.restore() is None
        write(writer, 1, 2)
    assert read_journal(folder / "journal.jsonl") == [line(1), line(2)]


def test_checkpoints_come_in_groups(open_run, monkeypatch, checkpoint):
    now = [1000.0]
    monkeypatch.setattr(run_folder.time, "monotonic", lambda: now[0])
    with open_run() as writer:
        due = [g for g in range(1, 101) if writer.checkpoint_due(g)]
        assert due == [25, 50, 75, 100]
        now[0] += 10.5
        assert writer.checkpoint_due(3)
        writer.checkpoint(checkpoint(3))
        assert not writer.checkpoint_due(4)


def test_a_checkpoint_that_fails_leaves_the_one_before(open_run, folder, checkpoint, monkeypatch):
    path = folder / "checkpoint.safetensors"
    with open_run() as writer:
        write(writer, 1, 2)
        writer.checkpoint(checkpoint(1))

        def half(part, content):
            with part.open("wb") as file:
                file.write(content[: len(content) // 2])
            full_disk()

        monkeypatch.setattr(Path, "write_bytes", half)
        with pytest.raises(StoreError, match="No space left on device"):
            writer.checkpoint(checkpoint(2))
    assert int(load_file(path)["strategy.generation"]) == 1
    assert not list(folder.glob("*.part"))


def test_a_second_writer_is_refused_in_one_sentence(open_run, folder):
    with open_run() as writer:
        writer.append(line(1))
        with pytest.raises(StoreError, match=r"another process is writing .*; wait for it") as e:
            open_run()
        assert "\n" not in str(e.value)
        writer.append(line(2))
    with open_run():  # the lock is given back
        assert len(read_journal(folder / "journal.jsonl")) == 2


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, settings):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StoreError, match=r"'.*out' is a file; expected a folder"):
        RunFolder(tmp_path / "out", settings, {}, {})


def test_a_folder_in_place_of_the_journal_is_refused(open_run, folder):
    (folder / "journal.jsonl").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot write the journal"):
        open_run()


def test_a_full_disk_at_the_start_gives_the_lock_back(open_run, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(run_toml, "replace_file", _refuse_to_replace)
        with pytest.raises(StoreError, match="cannot write"):
            open_run()
    with open_run() as writer:
        assert not writer.resumed


def _refuse_to_replace(path, _write):
    raise StoreError(f"cannot write {path}")


@pytest.mark.parametrize("method", ["checkpoint", "finish"])
def test_a_disk_that_fails_to_sync_is_told(
    open_run, folder, monkeypatch, checkpoint, make_outcome, method
):
    write_all = {
        "checkpoint": lambda writer: writer.checkpoint(checkpoint(1)),
        "finish": lambda writer: writer.finish(make_outcome(), seconds=1.0, tensors={}, columns={}),
    }
    with open_run() as writer:
        monkeypatch.setattr("os.fsync", full_disk)
        with pytest.raises(StoreError, match=r"cannot write the journal .*No space left"):
            write_all[method](writer)
    assert not (folder / "checkpoint.safetensors").exists()
    assert not (folder / "outcome.json").exists()


@pytest.mark.parametrize("content", [b"", b"half", b"\x10" * 100])
def test_a_damaged_checkpoint_is_refused(open_run, folder, checkpoint, content):
    with open_run() as writer:
        write(writer, 1, 2)
        writer.checkpoint(checkpoint(2))
    (folder / "checkpoint.safetensors").write_bytes(content)
    refused = pytest.raises(StoreError, match="is damaged; delete it to start the run again")
    with open_run() as writer, refused:
        writer.restore()
    assert len(read_journal(folder / "journal.jsonl")) == 2


def test_a_checkpoint_of_something_else_is_refused(open_run):
    with open_run() as writer:
        writer.checkpoint({"a": torch.zeros(1)})
        with pytest.raises(StoreError, match="is damaged"):
            writer.restore()


def test_a_journal_shorter_than_the_checkpoint_is_refused(open_run, checkpoint):
    with open_run() as writer:
        write(writer, 1, 2)
        writer.checkpoint(checkpoint(3))
        with pytest.raises(
            StoreError, match="ends at generation 2, its checkpoint at 3; delete the"
        ):
            writer.restore()


def test_a_journal_damaged_in_the_middle_names_the_line(open_run, folder):
    with open_run() as writer:
        write(writer, 1, 3)
    path = folder / "journal.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b'{"gener', *lines[2:]]))
    with pytest.raises(StoreError, match="damaged at line 2; move the run away"):
        read_journal(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("seed = 0", "seed = 1"), "was changed after the run"),
        (lambda text: text.replace('"out:1"', '"out:2"'), "was changed after the run"),
        (lambda text: text.replace("seed = 0", "seed = "), "is damaged"),
        (lambda text: text.replace("seed = 0", 'seed = "x"'), "is damaged"),
        (lambda text: text.replace("[settings]", "[settings]\nmutation = 1"), "is damaged"),
        (lambda text: text.replace("[labels]", "[lables]"), "is damaged"),
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: "", "is damaged"),
    ],
)
def test_an_edited_or_damaged_run_toml_is_refused(open_run, folder, change, says):
    with open_run() as writer:
        writer.append(line(1))
    path = folder / "run.toml"
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    with pytest.raises(StoreError, match=says):
        read_settings(folder)
    with pytest.raises(StoreError, match=says):
        open_run()
    path.write_text(text)
    with open_run():  # the lock was given back, and nothing was lost
        assert read_journal(folder / "journal.jsonl") == [line(1)]


def test_a_run_toml_that_is_not_text_is_refused(open_run, folder):
    with open_run():
        pass
    (folder / "run.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreError, match="is damaged"):
        read_settings(folder)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"holds no run \(no run.toml\)"):
        read_settings(tmp_path)


def test_the_outcome_comes_last_and_the_checkpoint_goes(
    open_run, folder, checkpoint, make_outcome, monkeypatch
):
    written = []
    replace = Path.replace

    def note(part, path):
        written.append(path.name)
        return replace(part, path)

    with open_run() as writer:
        writer.checkpoint(checkpoint(7))
        monkeypatch.setattr(Path, "replace", note)
        writer.finish(make_outcome("interrupted"), seconds=1.0, tensors={}, columns={})
        assert (folder / "checkpoint.safetensors").exists()
        writer.finish(make_outcome(), seconds=1.23456, tensors={}, columns={})
    assert written[-1] == "outcome.json"
    assert set(written) >= {"front.safetensors", "front.parquet", "milestone.parquet"}
    assert not (folder / "checkpoint.safetensors").exists()
    outcome = json.loads((folder / "outcome.json").read_text())
    hashes = outcome.pop("hashes")
    assert {*hashes} == {
        *("run.toml", "journal.jsonl", "milestone.parquet", "front.parquet", "front.safetensors")
    }
    for name, (size, digest) in hashes.items():
        content = (folder / name).read_bytes()
        assert (size, digest) == (len(content), hashlib.sha256(content).hexdigest())
    sealed = outcome.pop("sha256")
    assert sealed == seal({**outcome, "hashes": hashes})["sha256"]
    assert outcome == {
        "status": "finished",
        "generations": 7,
        "images": 350,
        "milestone": 4,
        "bf16_generations": 0,
        "seconds": 1.235,
    }
