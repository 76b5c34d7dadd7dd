"""The experimenter's view of a search that asks people: its counts, by hand."""

import time

import pytest
import torch
from scipy.stats import binomtest

from invariscope.survey import sessions
from invariscope.survey.admission import DEAD_SECONDS, GateError, make_links
from invariscope.survey.database import Database
from invariscope.survey.judgements import CATCH, SAME
from invariscope.survey.people_search import DONE, FINAL, PeopleSearch, departure
from invariscope.survey.search_design import SearchDesign
from invariscope.survey.search_live import MOST_MEMBERS, member_code, participants, search_live
from invariscope.testing.toys import ToyGenerator, ToySubject

VALUES = {
    "people": {"judgements": 300, "repeats": 2, "same_first": 4, "same": 0.3, "catch": 0.2},
    "search": {"population": 4, "generations": 6, "network": "toy"},
    "final": {"members": 2, "repeats": 3},
}


@pytest.fixture
def search(tmp_path):
    generator, network = ToyGenerator(8), ToySubject(torch.ones(1, 3, 8, 8))
    design = SearchDesign.model_validate(VALUES)
    reference = departure(design, generator, tmp_path)
    found = PeopleSearch(design, network, generator, tmp_path / "runs", reference=reference)
    yield found
    found.close()


def judge(search, until, says=lambda trial: trial.number % 3 == 0):
    """Two people judge until a phase; every trial that was answered."""
    now = 0.0
    while search.phase != until:
        assert search.phase != DONE
        now += 1
        if search.advance():
            continue
        trial = search.book.next(int(now) % 2, now)
        if trial is not None:
            search.book.answer(trial.number, different=says(trial))
    return [trial for trial in search.book.trials if trial.different is not None]


def test_before_anyone_judged(search):
    found = search_live(search)
    assert (found["judgements"], found["budget"], found["phase"]) == (0, 300, "same")
    assert (found["given"], found["wanted"], found["left_out"]) == (0, 4, 0)
    assert found["front"] == []
    assert [row["share"] for row in found["answers"]] == [None] * 3


def test_shares_are_those_of_the_judgements(search):
    given = judge(search, "g0003", says=lambda t: t.kind == CATCH or t.number % 3 == 0)
    found = search_live(search)
    assert found["judgements"] == len(given)
    assert (found["phase"], found["generation"]) == ("search", 2)
    assert (found["given"], found["wanted"]) == (0, 8)
    for row in found["answers"]:
        own = [trial.different for trial in given if trial.kind == row["kind"]]
        low, high = binomtest(sum(own), len(own)).proportion_ci(method="wilson")
        assert row["judged"] == len(own)
        assert row["share"] == pytest.approx(sum(own) / len(own))
        assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert 0 < len(found["front"]) <= MOST_MEMBERS
    for row in found["front"]:
        phase = f"g{row['generation']:04d}"
        own = [t.different for t in given if (t.phase, t.candidate) == (phase, row["candidate"])]
        assert (row["judged"], row["share"]) == (len(own), sum(own) / len(own))
    away = [row["distance"] for row in found["front"]]
    assert away == sorted(away)


def test_the_inattentive_are_counted_and_their_catch_trials_shown(search):
    given = judge(search, "g0002", says=lambda t: t.participant == 0 and t.kind != SAME)
    catch = [t for t in given if t.kind == CATCH]
    missed = [t for t in catch if t.participant == 1]
    if len(missed) < 3:
        pytest.fail("the test's participants met too few catch trials")
    found = search_live(search)
    assert found["left_out"] == 1
    row = found["answers"][2]
    assert row["judged"] == len(catch)
    assert row["share"] == pytest.approx(1 - len(missed) / len(catch))
    same = [t for t in given if (t.kind, t.participant) == (SAME, 0)]
    assert found["answers"][0]["judged"] == len(same)


def test_the_end_shows_the_judgements_that_had_no_part(search):
    given = judge(search, DONE, says=lambda t: t.kind == CATCH or t.number % 3 == 0)
    found = search_live(search)
    assert found["phase"] == "done"
    assert found["given"] == found["wanted"]
    for number, row in enumerate(found["front"]):
        own = [t.different for t in given if (t.phase, t.candidate) == (FINAL, number)]
        assert row["judged"] == len(own) >= 3
        assert row["share"] == sum(own) / len(own)


def test_a_member_is_found_by_its_name(search):
    judge(search, "g0003", says=lambda t: t.kind == CATCH or t.number % 3 == 0)
    front = search.front_so_far()
    for row in range(len(front.scores)):
        code = member_code(search, int(front.generation[row]), int(front.candidate[row]))
        assert (code == front.codes[row]).all()
    assert member_code(search, 99, 0) is None


def begin(database, number, now, **settings):
    screen = {"width": 800, "height": 600, "ratio": 1.0, "hertz": 60.0, "touch": False}
    return database.write(
        lambda c: sessions.begin(
            c,
            f"{number:064d}",
            brought={},
            screen=screen,
            list_of=lambda seat: [],
            now=now,
            most=2,
            **settings,
        )
    ).result()


def judged(connection, number, session, arrived):
    connection.execute(
        "INSERT INTO judgements (number, session, phase, kind, candidate, asked, different,"
        " arrived) VALUES (?, ?, 'same', 'same', -1, 0, 1, ?)",
        (number, session, arrived),
    )


def test_participants_are_active_while_they_judge(tmp_path):
    database, now = Database(tmp_path / "answers.sqlite"), time.time()
    for number in range(2):
        begin(database, number, now - 1000)
    database.write(lambda c: judged(c, 0, 0, now - 10)).result()
    found = database.write(lambda c: participants(c, now)).result()
    database.close()
    assert found == {"begun": 2, "active": 1, "ended": 0}


def test_who_judges_keeps_place_and_link_after_half_an_hour(tmp_path):
    """Judgements are a sign of life, as answers are: the link opens no second session."""
    database, now = Database(tmp_path / "answers.sqlite"), time.time()
    long_ago = now - DEAD_SECONDS - 60
    judges, silent = database.write(lambda c: make_links(c, 2, long_ago)).result()
    begin(database, 0, long_ago, admission="link", link=judges)
    begin(database, 1, long_ago, admission="link", link=silent)
    database.write(lambda c: judged(c, 0, 0, long_ago + 30)).result()
    with pytest.raises(GateError):
        begin(database, 2, now, admission="link", link=judges)
    again = begin(database, 3, now, admission="link", link=silent)
    database.close()
    assert again.number == 2


def test_links_of_a_search_open_it(tmp_path, capsys):
    """`survey links DESIGN` keeps links where `survey search DESIGN` looks for them."""
    from invariscope.cli.app import run

    path = tmp_path / "trial.toml"
    path.write_text('[people]\nadmission = "link"\n')
    assert run(["survey", "links", str(path), "2", "--base", "https://lab.example"]) == 0
    codes = [line.partition("link=")[2] for line in capsys.readouterr().out.split()]
    database = Database(tmp_path / "trial" / "answers.sqlite")
    assert begin(database, 0, time.time(), admission="link", link=codes[0]).number == 0
    with pytest.raises(GateError):
        begin(database, 1, time.time(), admission="link", link=codes[0])
    database.close()
    path.write_text("")
    assert run(["survey", "links", str(path), "2", "--base", "https://lab.example"]) == 2
    assert 'admission = "link"' in capsys.readouterr().err
