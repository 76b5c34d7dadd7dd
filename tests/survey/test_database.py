"""An acknowledged answer is on disk; the first one counts; a failure harms no other."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from invariscope.errors import StoreError
from invariscope.survey import sessions
from invariscope.survey.admission import FullError
from invariscope.survey.database import Database
from invariscope.survey.sessions import ConflictError, SurveyAnswer

WRITER = """
import sys
from pathlib import Path
from invariscope.survey.database import Database
database = Database(Path(sys.argv[1]))
database.write(lambda c: c.execute("CREATE TABLE notes (n INTEGER PRIMARY KEY)")).result()
n = 0
while True:
    several = [database.write(lambda c, k=k: c.execute("INSERT INTO notes VALUES (?)", (k,)))
               for k in range(n, n + 7)]
    for one in several:
        one.result()
    n += 7
    print(n, flush=True)
"""


def test_what_was_acknowledged_outlives_a_kill(tmp_path):
    path = tmp_path / "answers.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        told = [int(writer.stdout.readline())]
        time.sleep(0.3)
        os.kill(writer.pid, signal.SIGKILL)
        told += [int(line) for line in writer.stdout]
    with closing(sqlite3.connect(path)) as connection:
        there = [n for (n,) in connection.execute("SELECT n FROM notes ORDER BY n")]
    assert there == list(range(len(there)))
    assert len(there) >= told[-1]


def test_the_first_answer_to_a_trial_counts(person, database, survey_folder, stored):
    session = person(0).session
    first = SurveyAnswer(0, "key-first", "tench", 500.0, None, "key")
    again = SurveyAnswer(0, "key-other", "gas pump", 600.0, None, "touch")
    for answer in (first, first, again):
        database.write(lambda c, a=answer: sessions.save_answer(c, session.number, a, 1.0)).result()
    assert stored(survey_folder, "SELECT key, answer FROM answers") == [("key-first", "tench")]
    changed = SurveyAnswer(0, "key-first", "gas pump", 500.0, None, "key")
    with pytest.raises(ConflictError):
        database.write(lambda c: sessions.save_answer(c, session.number, changed, 2.0)).result()


def test_a_work_that_fails_harms_no_other(database, person):
    session = person(0).session
    good = [SurveyAnswer(k, f"key-{k:05d}", "tench", 1.0, None, "key") for k in range(4)]
    waiting = [
        database.write(lambda c, a=a: sessions.save_answer(c, session.number, a, 1.0)) for a in good
    ]
    bad = database.write(lambda c: c.execute("INSERT INTO nowhere VALUES (1)"))
    waiting.append(database.write(lambda c: sessions.answered(c, session.number)))
    with pytest.raises(sqlite3.Error):
        bad.result()
    assert waiting[-1].result() == [0, 1, 2, 3]


def test_whatever_a_work_raises_or_whoever_left_the_writer_goes_on(database):
    hold = threading.Event()
    first = database.write(lambda c: hold.wait(30))
    left = database.write(lambda c: c.execute("SELECT 1"))
    broken = database.write(lambda c: 1 / 0)
    last = database.write(lambda c: c.execute("SELECT 2").fetchone())
    assert left.cancel()
    hold.set()
    assert first.result(30)
    with pytest.raises(ZeroDivisionError):
        broken.result(30)
    assert last.result(30) == (2,)


def test_a_repeated_start_is_the_same_session(person):
    one, again, other = person(5), person(5), person(6)
    assert one.session.number == again.session.number == 0
    assert other.session.number == 1
    assert one.session.trials == again.session.trials != other.session.trials


def test_the_same_id_is_the_same_participant(person):
    held = [person(k, who).session for k, who in enumerate(["ann", "bob", "ann", None, None])]
    assert [s.participant for s in held] == [1, 2, 1, 3, 4]
    assert [s.session for s in held] == [1, 1, 2, 1, 1]


def test_a_full_survey_takes_no_more(database, person):
    person(0)
    with pytest.raises(FullError):
        database.write(
            lambda c: sessions.begin(
                c, "x" * 64, brought={}, screen={}, list_of=lambda k: [], now=0.0, most=1
            )
        ).result()


def test_a_session_ends_once_every_trial_has_an_answer(person):
    half = person(0).answer(most=3)
    code, missing = half.finish("DONE")
    assert code == ""
    assert missing == list(range(3, len(half.session.trials)))
    whole = person(1).answer()
    assert whole.finish("DONE") == ("DONE", [])
    own = person(2).answer()
    code, _ = own.finish("random")
    assert len(code) == 8
    assert own.finish("random") == (code, [])


def test_no_token_is_in_the_database(person, database, survey_folder):
    person(3)
    database.close()
    content = b"".join(p.read_bytes() for p in survey_folder.path.glob("answers.sqlite*"))
    assert f"{3:064d}".encode() not in content


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "answers.sqlite"
    path.write_text("no database, but long enough to be told from one " * 100)
    with pytest.raises(StoreError, match="cannot keep answers"):
        Database(path)
