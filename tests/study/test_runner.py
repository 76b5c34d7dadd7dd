"""A study on this machine: what is done never again, failures alone, everything bit for bit."""

import fcntl
import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

from invariscope import SearchOptions, find_mei, stretch_and_squeeze
from invariscope.errors import BeingWrittenError, StoreError
from invariscope.jobs import scheduler
from invariscope.jobs.engines import LocalEngine
from invariscope.store.hashes import write_hashed
from invariscope.store.record import load_run
from invariscope.study import batch as batch_module
from invariscope.study import loading
from invariscope.study.folder import StudyFolder, known_study, study_folder
from invariscope.study.index import read_rows
from invariscope.study.result import load_study
from invariscope.study.runner import StudyRunner

ADVERSARIAL = "[conditions.adversarial]\ntasks = 'adversarial'\n"
BROKEN = """
[conditions.all]
units = ["fc:1", "fc:3"]
"""


def names(folder):
    return {run.name for run in folder.planned_runs()}


def test_a_study_finds_what_single_searches_find_bit_for_bit(finished, world, tmp_path):
    subject, generator = world
    options = SearchOptions(population=8, generations=4, precision="float32")
    mei = find_mei(subject, generator, "fc:1", options=options)
    result = stretch_and_squeeze(
        subject,
        generator,
        "fc:1",
        reference=mei,
        stretch="conv1",
        seeds=(0, 1),
        options=options,
        out=tmp_path,
    )
    table = load_study(finished.path).table()
    for record in result.runs:
        (path,) = table.loc[table["name"] == record.name, "path"]
        own = load_run(finished.runs / record.path.name)
        assert str(own.path) == path
        assert own.journal == record.journal
        assert own.front.equals(record.front)
        assert all(torch.equal(own.tensors[key], record.tensors[key]) for key in record.tensors)


@pytest.mark.parametrize("size", [1, 4])
def test_the_size_of_a_batch_changes_no_bit(finished, begin, run_study, same_store, size):
    folder = begin(finished.text())
    _, engine = run_study(folder, runs_per_job=size)
    assert max(len(batch.planned_runs) for batch in engine.batches) == size
    same_store(folder.store, finished.store)


def test_what_is_done_is_not_done_again(copied, run_study):
    before = (copied.runs / "index.jsonl").read_bytes()
    progress, engine = run_study(copied)
    assert engine.batches == []
    assert progress.total.done == len(copied.planned_runs())
    assert (copied.runs / "index.jsonl").read_bytes() == before


def test_a_seed_more_runs_that_seed_only(copied, begin, run_study, study_text):
    text = study_text().replace("seeds = 2", "seeds = 3")
    folder = begin(text, store=copied.store)
    _, engine = run_study(folder)
    assert {run.seed for run in engine.runs} == {2}
    assert len(engine.runs) == 4


def test_two_studies_share_their_runs(copied, begin, run_study, study_text):
    other = begin(study_text("[conditions.other]\n" + ADVERSARIAL), "other", copied.store)
    _, engine = run_study(other)
    assert {run.task for run in engine.runs} == {"adversarial"}
    shared = names(other) & names(copied)
    assert len(shared) == 2 + 2  # MEIs, and one seed of invariance at pixels a unit
    tables = [load_study(folder.path).table() for folder in (other, copied)]
    assert shared == set(tables[0]["name"]) & set(tables[1]["name"])


def test_one_failed_unit_stops_what_departs_from_it_and_nothing_else(
    begin, run_study, study_text, tmp_path, monkeypatch
):
    cause = tmp_path / "cause"
    cause.touch()
    monkeypatch.setenv("BROKEN", str(cause))
    folder = begin(study_text(BROKEN, subject="broken", seeds="2"))
    progress, engine = run_study(folder, runs_per_job=8)
    assert (progress.total.done, progress.total.failed, progress.total.left) == (3, 3, 0)
    said = folder.failed()
    by_name = {run.name: run for run in folder.planned_runs()}
    assert {by_name[name].unit for name in said} == {"fc:3"}
    (mei,) = [name for name in said if by_name[name].task == "excitation"]
    assert said[mei].startswith("SubjectError: broken answered NaN for 8 of 8 images")
    assert all("its reference was not found" in said[name] for name in said if name != mei)

    progress, engine = run_study(folder)  # a failed run is not tried by itself
    assert engine.batches == []
    assert progress.total.failed == 3

    cause.unlink()
    folder.save_failed({})  # what `study retry` does
    progress, engine = run_study(folder)
    assert {run.name for run in engine.runs} == set(said)
    assert (progress.total.done, progress.total.failed) == (6, 0)
    assert not (folder.path / "failed.json").exists()


def test_a_run_that_fails_in_company_is_found_and_the_company_goes_on(
    begin, run_study, study_text, tmp_path, monkeypatch
):
    conditions = '[conditions.all]\ntasks = "excitation"\nunits = "fc:0-4"\nseeds = 2'
    monkeypatch.setenv("BROKEN", str(tmp_path))
    folder = begin(study_text(conditions, subject="broken"))
    progress, engine = run_study(folder, runs_per_job=10)
    assert [len(batch.planned_runs) for batch in engine.batches] == [10]
    assert (progress.total.done, progress.total.failed) == (8, 2)


def test_a_subject_that_cannot_be_loaded_fails_its_runs_with_a_sentence(
    begin, run_study, study_text, tmp_path
):
    folder = begin()
    lines = (folder.path / "runs.jsonl").read_text().replace(":subject", ":subjekt")
    write_hashed(folder.path / "runs.jsonl", lambda part: part.write_text(lines))
    progress, _ = run_study(folder)
    assert progress.total.failed == len(folder.planned_runs())
    assert any("did you mean 'subject'" in sentence for sentence in progress.failures)


def test_a_subject_that_changed_since_it_was_planned_is_refused(
    begin, run_study, study_text, tmp_path, monkeypatch
):
    folder = begin()
    lines = (
        (folder.path / "runs.jsonl").read_text().replace("worlds.py:subject", "other.py:subject")
    )
    from worlds import __file__ as worlds

    code = Path(worlds).read_text().replace("fc.bias += 1", "fc.bias += 2")
    (tmp_path / "other.py").write_text(code)
    lines = lines.replace(str(worlds).replace("worlds.py", "other.py"), str(tmp_path / "other.py"))
    write_hashed(folder.path / "runs.jsonl", lambda part: part.write_text(lines))
    progress, _ = run_study(folder)
    assert progress.total.done == 0
    assert "plan it again with `study run`" in folder.failed()[folder.planned_runs()[0].name]


def test_a_study_that_is_interrupted_goes_on_and_ends_the_same(
    finished, begin, run_study, same_store
):
    folder = begin(finished.text())
    told = []

    def stop(progress):
        told.append(progress)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_study(folder, watch=stop)
    before = set(read_rows(folder.runs))
    assert len(before) < len(folder.planned_runs())
    _, engine = run_study(folder)
    assert before.isdisjoint(run.name for run in engine.runs)
    same_store(folder.store, finished.store)


def test_runs_that_ended_without_a_row_are_found(copied, run_study):
    index = copied.runs / "index.jsonl"
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # a writer was killed in its line
    _, engine = run_study(copied)
    assert engine.batches == []
    assert {json.loads(line)["name"] for line in index.read_bytes().splitlines()} == names(copied)


def test_a_run_whose_folder_is_gone_is_done_again(copied, run_study, finished, same_store):
    run = copied.planned_runs()[-1]
    shutil.rmtree(copied.runs / run.folder)
    _, engine = run_study(copied)
    assert [again.name for again in engine.runs] == [run.name]
    same_store(copied.store, finished.store)


def test_a_run_that_another_process_writes_is_waited_for(copied, run_study, monkeypatch):
    run = copied.planned_runs()[-1]
    folder = copied.runs / run.folder
    saved = copied.store / "saved"
    shutil.move(folder, saved)
    folder.mkdir()
    shutil.copy(saved / "run.toml", folder)
    other = (folder / "journal.jsonl").open("ab")
    fcntl.flock(other, fcntl.LOCK_EX)
    monkeypatch.setattr(scheduler, "BUSY_WAIT", 0.2)

    def end_elsewhere(progress):
        if not other.closed:
            shutil.rmtree(folder)
            shutil.move(saved, folder)
            other.close()

    progress, engine = run_study(copied, watch=end_elsewhere)
    assert progress.total.failed == 0
    assert progress.total.done == len(copied.planned_runs())
    assert {again.name for again in engine.runs} == {run.name}


def test_a_study_has_one_process_at_a_time(copied):
    again = StudyFolder(copied.store, copied.name)
    with (
        copied.alone(),
        pytest.raises(BeingWrittenError, match="another process works on"),
        again.alone(),
    ):
        pass


def test_progress_counts_images_and_tells_a_rate(finished, begin, run_study):
    folder = begin(finished.text())
    told = []
    run_study(folder, watch=told.append, runs_per_job=1)
    whole = sum(run.images for run in folder.planned_runs())
    assert told[0].images_left + sum(8 * 4 for _ in range(told[0].total.done)) <= whole
    assert told[-1].total.done == len(folder.planned_runs())
    assert told[-1].images_left == 0


def test_studies_are_found_by_folder_store_and_name(copied, begin):
    assert study_folder(copied.store) == study_folder(copied.path) == copied
    begin(name="second", store=copied.store)
    with pytest.raises(StoreError, match=r"holds 2 studies.*second"):
        study_folder(copied.store)
    with pytest.raises(StoreError, match="holds no study"):
        study_folder(copied.runs)
    with pytest.raises(StoreError, match="did you mean 'small'"):
        known_study(copied.store, "smal")


def test_a_study_compiles_networks_where_that_is_asked(begin, monkeypatch):
    asked = []

    def subject_at(address, device, *, compiled):
        asked.append(compiled)
        return loading.load_subject_cached(address, device)

    monkeypatch.setattr(batch_module, "load_subject_cached", subject_at)
    StudyRunner(begin(), LocalEngine("cpu"), compiled=True).run()
    assert asked
    assert all(asked)
