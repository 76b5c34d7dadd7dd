"""What becomes of a search when disk, folder, checkpoint or network fail it."""

import errno
import io
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from searcher import SITE, natural_table, no_sync, same_files, search

from invariscope.errors import StoreError
from invariscope.experiments import execute
from invariscope.natural.statistics import NaturalStatistics
from invariscope.store.files import PART
from invariscope.store.journal import Journal
from invariscope.store.record import load_runs
from invariscope.testing.networks import SmallNetwork, small_subject

SHORT = {"generations": 7, "seeds_": (0, 1)}
STOPS_AT = 4  # one generation after a checkpoint


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    search(folder, **SHORT)
    return folder / "out"


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A search that was killed in its fourth generation; gives its folder."""

    def watch(news):
        if news.results[0].line["generation"] == STOPS_AT:
            raise RuntimeError("killed")

    monkeypatch.setattr(os, "fsync", no_sync)
    with pytest.raises(RuntimeError, match="killed"):
        search(tmp_path, watch=watch, **SHORT)
    return tmp_path / "out"


@pytest.fixture
def goes_on(tmp_path, unbroken):
    """Starts the search again and holds it to the unbroken one."""

    def resume(**asked):
        found = search(tmp_path, **SHORT, **asked)
        same_files(tmp_path / "out", unbroken)
        return found

    return resume


def refused(folder, says, **asked):
    """Assert that the search ends in one sentence."""
    with pytest.raises(StoreError, match=says) as caught:
        search(folder, **SHORT, **asked)
    assert "\n" not in str(caught.value)


def runs(out):
    return sorted(path for path in out.iterdir() if path.is_dir())


KINDS = (
    "run.toml",
    "journal.jsonl",
    "checkpoint.safetensors",
    "reference.png",
    "milestone.parquet",
    "front.safetensors",
    "front.parquet",
    "outcome.json",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_told_in_a_sentence_and_loses_nothing(tmp_path, goes_on, monkeypatch, kind):
    def fsync(handle):
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        if kind in (name, name.removesuffix(PART).removeprefix(".")):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        refused(tmp_path, "cannot write .*: No space left on device$")
    goes_on()


class FullDisk(io.FileIO):
    """A journal for whose last bytes there is no room."""

    room = 0

    def write(self, data):
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = super().write(data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("room", [0, 100, 700, 1000])
def test_a_disk_that_is_full_within_a_line_loses_nothing(tmp_path, goes_on, monkeypatch, room):
    normal = Path.open

    def open_full(path, mode="r", *args, **options):
        if path.name != "journal.jsonl" or "a" not in mode:
            return normal(path, mode, *args, **options)
        raw = FullDisk(path, mode)
        raw.room = room
        return io.BufferedWriter(raw)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", open_full)
        refused(tmp_path, "cannot write the journal of .*: No space left on device$")
    assert min((run / "journal.jsonl").stat().st_size for run in runs(tmp_path / "out")) <= room
    goes_on()


def test_a_folder_that_turned_read_only_is_told(broken, tmp_path, goes_on, monkeypatch):
    def read_only(*_args, **_options):
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr("tempfile.TemporaryFile", read_only)
        refused(tmp_path, "cannot write to folder .*: Read-only file system; choose another --out")
    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", read_only)
        refused(tmp_path, "cannot write the journal of .*: Read-only file system$")
    goes_on()


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    natural_table(tmp_path / "natural.parquet")
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    refused(tmp_path, "cannot write to folder .*; choose another --out")
    out.chmod(0o755)


def test_a_writer_in_another_process_is_refused(broken, tmp_path, order, goes_on):
    journal = Journal(runs(broken)[1] / "journal.jsonl")
    before = [(run / "journal.jsonl").read_bytes() for run in runs(broken)]
    asked = {"folder": str(tmp_path), "strategy": "isotropic", "out": "out"}
    answer = order(**asked, generations=7, seeds_=(0, 1))
    assert "another process is writing" in answer["error"]
    assert [(run / "journal.jsonl").read_bytes() for run in runs(broken)] == before
    journal.close()
    goes_on()


def test_a_checkpoint_of_other_settings_is_refused(broken, tmp_path, goes_on):
    first, second = (run / "checkpoint.safetensors" for run in runs(broken))
    own = first.read_bytes()
    first.write_bytes(second.read_bytes())
    refused(tmp_path, "checkpoint.safetensors' belongs to another run .* put the right one back")
    first.write_bytes(own)
    goes_on()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("other", "belongs to another run .* or delete it to start the run again"),
        ("half", "is damaged; delete it to start the run again"),
        ("short journal", "ends at generation 1, .* delete the checkpoint to start the run again"),
    ],
)
def test_deleting_the_checkpoint_repairs_a_run(broken, tmp_path, goes_on, damage, says):
    first, second = (run / "checkpoint.safetensors" for run in runs(broken))
    journal = first.with_name("journal.jsonl")
    if damage == "other":
        shutil.copy(second, first)
    elif damage == "half":
        first.write_bytes(first.read_bytes()[:500])
    else:
        journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    refused(tmp_path, says)
    first.unlink()
    goes_on()


@pytest.mark.parametrize("change", ["damaged", "doubled", "missing"])
def test_a_damaged_journal_is_refused_before_anything_is_computed(
    broken, tmp_path, goes_on, change
):
    run = runs(broken)[0]
    journal = run / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    changed = {"damaged": [b"{\n"], "doubled": [lines[0]] * 2, "missing": []}[change]
    journal.write_bytes(b"".join([*changed, *lines[1:]]))
    refused(tmp_path, r"is damaged at line [12]; move the run away to redo it")
    assert (run / "checkpoint.safetensors").exists()
    run.rename(tmp_path / "away")
    goes_on()


@pytest.mark.parametrize("lost", ["front.parquet", "front.safetensors", "journal.jsonl"])
def test_a_result_that_lost_a_file_is_made_again(tmp_path, unbroken, goes_on, lost):
    shutil.copytree(unbroken, tmp_path / "out")
    (runs(tmp_path / "out")[0] / lost).unlink()
    goes_on()


def test_changed_weights_are_refused_by_name(broken, tmp_path, goes_on):
    natural = NaturalStatistics.load(tmp_path / "natural.parquet", small_subject())
    subject = small_subject(natural=tmp_path / "others.parquet")
    with torch.no_grad():
        subject.model.fc.bias[0] += 1e-3
    NaturalStatistics(natural.table, subject.identity()).save(subject.natural)
    refused(tmp_path, r"holds another run, .*; these differ in subject.weights\)", subject=subject)
    goes_on()


@pytest.mark.parametrize(("scale", "taken"), [(1.03, False), (0.97, False), (1 + 1e-5, True)])
def test_changed_answers_are_refused_beyond_rounding(
    broken, tmp_path, goes_on, monkeypatch, scale, taken
):
    with monkeypatch.context() as patched:
        patched.setattr(SmallNetwork, "scale", scale)
        if taken:
            assert len(search(tmp_path, **SHORT).runs) == 2
            return
        refused(tmp_path, r"answer otherwise than when .* began \(by [234]% .* at most 1% is taken")
    goes_on()


def test_a_changed_numeric_context_is_noted(broken, tmp_path, unbroken, monkeypatch):
    def context(threads):
        def changed(device, chunk, *, compiled):
            return {"threads": threads, "chunk": chunk}

        return changed

    with monkeypatch.context() as patched:
        patched.setattr(execute, "numeric_context", context(64))
        search(tmp_path, **SHORT)
    for record, before in zip(load_runs(broken), load_runs(unbroken), strict=True):
        assert record.context == before.context
        change = {"generation": 4, "threads": 64, "chunk": 32, "precision": "float32"}
        candidate = before.context["batch_place_matters"]
        assert record.context_changes == [{**change, "batch_place_matters": candidate}]
        assert before.context_changes == []
        assert record.journal == before.journal
        assert record.settings.site == SITE


@pytest.mark.parametrize("file", ["run.toml", "journal.jsonl", "checkpoint.safetensors"])
def test_a_flipped_bit_of_a_run_that_goes_on_is_refused(broken, tmp_path, unbroken, file):
    chance = random.Random(file)
    path = runs(broken)[0] / file
    whole = path.read_bytes()
    for _ in range(12):
        candidate, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        path.write_bytes(
            whole[:candidate] + bytes([whole[candidate] ^ bit]) + whole[candidate + 1 :]
        )
        try:
            search(tmp_path, **SHORT)
        except StoreError as error:
            said = str(error)
        else:  # a line behind the checkpoint is computed again
            assert file == "journal.jsonl"
            same_files(tmp_path / "out", unbroken)
            return
        assert "\n" not in said
    path.write_bytes(whole)
    search(tmp_path, **SHORT)
    same_files(tmp_path / "out", unbroken)
