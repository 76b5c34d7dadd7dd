"""Damage to any file of a store: every command gives the right answer or one sentence."""

import json
import random
import shutil
from collections import Counter

import pytest

from invariscope.cli.app import run
from invariscope.errors import StoreError
from invariscope.report.report import write_report
from invariscope.store.record import load_run
from invariscope.study.affine import measure_affine
from invariscope.study.folder import StudyFolder
from invariscope.study.result import load_study
from invariscope.study.verify import verify_store

OUTCOMES = Counter()  # what came of each damaged file, for the table of docs/reliability.md
KINDS = ("bit", "cut", "empty", "other", "digits", "types")
DEEP = "[" * 100_000
TYPES = ("null", "[]", "{}", '{"files": 3}', "[settings]\nname = 3\n", DEEP, f"a = {DEEP}", "\xff")


def files_of(store):
    """The files that tell what was found, by name; locks and reports of progress do not."""
    names = [p.relative_to(store).as_posix() for p in store.rglob("*") if p.is_file()]
    return sorted(n for n in names if "/batches/" not in n and (store / n).stat().st_size)


def cases(store, seed=0):
    """Every file with every kind of damage, and a seed for what exactly happens to it."""
    chance = random.Random(seed)
    return [(name, kind, chance.random()) for name in files_of(store) for kind in KINDS]


def other_file(store, name, chance):
    """Another run's file of that kind; for a study's or the index, one that begins otherwise."""
    parts = name.split("/")
    if parts[0] == "runs" and len(parts) > 2:
        there = (p for p in sorted(store.glob("/".join(["runs", "*", *parts[2:]]))))
        content = (store / name).read_bytes()
        others = [p.read_bytes() for p in there if p.read_bytes() != content]
        if others:
            return chance.choice(others)
    return b"\n".join((store / name).read_bytes().split(b"\n")[1:])


def damaged(store, name, kind, seed):
    """What becomes of a file's content."""
    chance, content = random.Random(f"{name} {kind} {seed}"), (store / name).read_bytes()
    if kind == "bit":
        place = chance.randrange(len(content))
        changed = content[place] ^ (1 << chance.randrange(8))
        return content[:place] + bytes([changed]) + content[place + 1 :]
    if kind == "cut":
        return content[: chance.randrange(1, len(content))]
    if kind == "empty":
        return b""
    if kind == "other":
        return other_file(store, name, chance)
    if kind == "types":
        return chance.choice(TYPES).encode("latin-1")
    digits = [i for i, byte in enumerate(content) if 48 <= byte < 58]
    place = chance.choice(digits or range(len(content)))
    digit = chance.choice([d for d in range(48, 58) if d != content[place]])
    return content[:place] + bytes([digit]) + content[place + 1 :]


def record_values(record):
    tensors = {name: (t.shape, t.numpy().tobytes()) for name, t in record.tensors.items()}
    told = (record.settings, record.labels, record.context, record.context_changes)
    return told, record.outcome, record.journal, record.front.to_csv(), tensors


def runs_of(store):
    return [record_values(load_run(path.parent)) for path in sorted(store.glob("runs/*/run.toml"))]


def study_of(store):
    """What `load_study` gives, paths aside."""
    study = load_study(store / "studies" / "small")
    table = study.table()
    values = [record_values(record) for record in study.records(table)]
    return study.planned_runs, table.drop(columns="path").to_csv(), study.affine().to_csv(), values


def table_of(store):
    study = load_study(store / "studies" / "small")
    return study.table().drop(columns="path").to_csv(), study.affine().to_csv(), study.planned_runs


def page_of(store):
    page = write_report(store / "studies" / "small", store.parent / "page.html")
    return page.read_text().replace(str(store), "")


def one_sentence(read, store):
    """What a command gives, or None where it refuses in one sentence."""
    try:
        return read(store)
    except StoreError as error:
        said = str(error)
    assert said
    assert "\n" not in said
    return None


def resumed(store, text, capsys):
    """Whether the study goes on to its end; where it does not, it says so in one sentence."""
    file = store.parent / "small.toml"
    file.write_text(text)
    words = ["study", "resume", str(file), "--out", str(store), "--allow-code", "--device", "cpu"]
    code = run(words)
    said = capsys.readouterr().err
    assert code in {0, 2}
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    last = said.splitlines()[-1:]  # what is written and how far it came may stand before
    assert code == 0 or errors == last, said
    return code == 0


@pytest.fixture(scope="module")
def finished(finished, tmp_path_factory):
    """The study that has ended, with the affine copies that it asks for."""
    store = shutil.copytree(finished.store, tmp_path_factory.mktemp("whole") / "store")
    study = StudyFolder(store, finished.name)
    measure_affine(study, {run.name for run in study.planned_runs()}, "cpu")
    return study


@pytest.fixture(scope="module")
def right(finished):
    """What every command gives of the whole store, and that the check finds nothing in it."""
    found = verify_store(finished.store)
    assert found.problems == []
    assert found.unhashed == []
    assert found.runs == len(finished.planned_runs())
    assert found.files > len(files_of(finished.store)) - 3  # all but index and hashes
    return {read: read(finished.store) for read in (runs_of, study_of, table_of)}


def same_document(one, other):
    """Whether two JSON texts hold the same but for the seal's own name."""
    try:
        lines = [[json.loads(line) for line in text.splitlines()] for text in (one, other)]
        plain = [[sorted(map(str, row.values())) for row in rows] for rows in lines]
    except (ValueError, AttributeError, RecursionError):
        return False
    return plain[0] == plain[1]


def hold(case, finished, right, folder):
    """Damage a file of a copy and hold all that reads it to the right answers."""
    store = folder / "store"
    shutil.copytree(finished.store, store)
    name = case[0]
    content, before = damaged(store, *case), (store / name).read_bytes()
    assert content != before
    (store / name).write_bytes(content)
    given = {read: one_sentence(read, store) for read in right}
    for read, answer in right.items():
        assert given[read] in (None, answer), read.__name__
    found = verify_store(store)
    assert found.problems or same_document(before, content)
    assert not any("\n" in sentence for sentence in found.problems)
    OUTCOMES["refused" if found.problems or None in given.values() else "right"] += 1
    return store


def failures(some, finished, right, tmp_path, more=lambda store: None):
    """The cases that end otherwise than by the right answer or a sentence, with the reason."""
    wrong = []
    for number, case in enumerate(some):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            more(hold(case, finished, right, folder))
        except Exception as error:  # noqa: BLE001 - any traceback is what this looks for
            wrong.append((case, repr(error)[:300]))
        shutil.rmtree(folder)
    return wrong


def test_a_sample_of_damaged_files_gives_right_answers_or_a_sentence(finished, right, tmp_path):
    some = random.Random(1).sample(cases(finished.store), 24)
    assert failures(some, finished, right, tmp_path) == []


@pytest.mark.statistical
@pytest.mark.reliability("damaged files", "refused")
def test_every_damaged_file_gives_right_answers_or_a_sentence(finished, right, tmp_path, capsys):
    page = page_of(finished.store)
    text = finished.text()

    def more(store):
        assert one_sentence(page_of, store) in (None, page)
        if resumed(store, text, capsys):
            assert one_sentence(table_of, store) in (None, right[table_of])

    every = cases(finished.store)
    assert len(every) >= 332
    assert failures(every, finished, right, tmp_path, more) == []
