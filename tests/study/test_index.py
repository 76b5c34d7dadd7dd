"""The index of a store: whole lines under every death, and the same when it is written again."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from invariscope.errors import StoreError
from invariscope.store.files import replace_file
from invariscope.store.hashes import seal
from invariscope.study.index import _locked, append_rows, catch_up, read_rows, rebuild


def row(name, **more):
    return {"name": name, "run": f"folder-{name}", **more}


def test_rows_come_back_and_of_two_the_later(tmp_path):
    append_rows(tmp_path, [row("a", value=1), row("b")])
    append_rows(tmp_path, [row("a", value=2)])
    append_rows(tmp_path, [])
    assert read_rows(tmp_path) == {"a": row("a", value=2), "b": row("b")}


def test_a_store_without_an_index_has_no_rows(tmp_path):
    assert read_rows(tmp_path) == {}


@pytest.mark.parametrize("length", [0, 1, 100, 70_000, 140_000])
def test_half_a_line_of_a_killed_writer_is_cut(tmp_path, length):
    whole = [row(str(i), pad="x" * 500) for i in range(300)]
    append_rows(tmp_path, whole)
    path = tmp_path / "index.jsonl"
    before = path.read_bytes()
    path.write_bytes(before + b"{" * length)
    assert len(read_rows(tmp_path)) == 300
    append_rows(tmp_path, [row("new")])
    assert path.read_bytes() == before + (json.dumps(seal(row("new"))) + "\n").encode()


def test_half_a_first_line_is_cut(tmp_path):
    path = tmp_path / "index.jsonl"
    path.write_bytes(b'{"name": "a')
    append_rows(tmp_path, [row("b")])
    assert read_rows(tmp_path) == {"b": row("b")}


def test_a_damaged_line_is_said_with_its_repair(tmp_path):
    (tmp_path / "index.jsonl").write_bytes(b'{"name": "a"}\n{"nam\n{"name": "c"}\n')
    with pytest.raises(StoreError, match="damaged at line 2; `study reindex`"):
        read_rows(tmp_path)


def test_writers_at_the_same_time_leave_whole_lines(tmp_path):
    """Locks are the open file's, so threads are as good as processes."""

    path = tmp_path / "index.jsonl"

    def write(who):
        for i in range(40):
            append_rows(tmp_path, [row(f"{who}-{i}-{j}", pad="x" * 997) for j in range(3)])
            if i % 10 == 0:  # the file is replaced under those that wait for it
                with _locked(tmp_path):
                    replace_file(path, lambda part: part.write_bytes(path.read_bytes()))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    expected = {f"{who}-{i}-{j}" for who in "abcd" for i in range(40) for j in range(3)}
    assert set(read_rows(tmp_path)) == expected


def test_an_index_written_again_holds_the_same_rows(copied):
    before = read_rows(copied.runs)
    (copied.runs / "index.jsonl").unlink()
    count, damaged = rebuild(copied.runs)
    assert (count, damaged) == (len(before), [])
    assert read_rows(copied.runs) == before


def test_a_damaged_run_is_named_and_left_out(copied):
    run = copied.planned_runs()[0]
    (copied.runs / run.folder / "front.parquet").write_bytes(b"damaged")
    count, damaged = rebuild(copied.runs)
    assert count == len(copied.planned_runs()) - 1
    assert run.folder in damaged[0]
    assert run.name not in read_rows(copied.runs)


def test_an_interrupted_run_has_no_row(copied):
    run = copied.planned_runs()[0]
    path = copied.runs / run.folder / "outcome.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted"}))
    (copied.runs / "index.jsonl").unlink()
    assert rebuild(copied.runs)[0] == len(copied.planned_runs()) - 1
    assert catch_up(copied.runs, [run.folder], ()) == []
