"""Who is let in, whose place comes back, and who takes nobody's."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("starlette", reason="the extra `survey` is not installed")

from starlette.testclient import TestClient

from invariscope.cli.app import run
from invariscope.errors import InputError
from invariscope.survey import admission, sessions
from invariscope.survey.admission import (
    DEAD_SECONDS,
    FullError,
    GateError,
    check_id,
    is_placeholder,
    who_came,
)
from invariscope.survey.answers import read_raw
from invariscope.survey.database import Database
from invariscope.survey.design import ExclusionRules
from invariscope.survey.exclusion import judge
from invariscope.survey.guard import AddressRates
from invariscope.survey.links import new_links
from invariscope.survey.lists import trials_of
from invariscope.survey.server import SurveyServer

ADMIN = "the experimenter's token"
SCREEN = {"width": 800, "height": 600, "ratio": 1.0, "hertz": 60.0, "touch": False}
PROLIFIC = "5f0c" * 6


@pytest.fixture
def start(survey_folder, database):
    """Begins a session as the server does."""

    def begin(number, now=1000.0, **asked):
        asked = {"most": 100, "brought": {}, **asked}
        return database.write(
            lambda c: sessions.begin(
                c,
                f"{number:064d}",
                screen=SCREEN,
                list_of=lambda k: trials_of(survey_folder.design, survey_folder.stimuli, k),
                now=now,
                **asked,
            )
        ).result()

    return begin


def answer(database, session, now=1001.0):
    given = sessions.SurveyAnswer(0, "key-00000000", "tench", 600.0, None, "key")
    database.write(lambda c: sessions.save_answer(c, session.number, given, now)).result()


def links_of(folder, number, base):
    design = folder.path / "design.toml"
    return new_links(folder.answers, folder.design.admission, number, base, design=design)


def test_a_start_without_life_gives_its_list_back(start, database, survey_folder):
    alive, dead = start(0), start(1)
    answer(database, alive)
    late = 1001.0 + DEAD_SECONDS
    third = start(2, now=late - 100)
    assert third.trials == tuple(trials_of(survey_folder.design, survey_folder.stimuli, 2))
    heir = start(3, now=late)
    assert heir.trials == dead.trials
    assert heir.number == 3
    # The dead start comes to life again: it goes on, and its place is held twice, not lost.
    answer(database, dead, late)
    assert start(1, now=late).trials == dead.trials
    assert start(4, now=late).trials == tuple(
        trials_of(survey_folder.design, survey_folder.stimuli, 3)
    )


def test_a_full_survey_opens_again_once_starts_are_dead(start):
    for number in range(3):
        start(number, most=3)
    with pytest.raises(FullError):
        start(3, most=3)
    assert start(3, now=1001.0 + DEAD_SECONDS, most=3).number == 3


def test_a_pilot_takes_no_place_of_those_that_count(start, survey_folder):
    start(0, pilot=True)
    counted = start(1)
    assert counted.trials == tuple(trials_of(survey_folder.design, survey_folder.stimuli, 0))


@pytest.mark.parametrize(
    "value",
    ["{{%PROLIFIC_PID%}}", "%SURVEY_CODE%", "${e://Field/PID}", "[ID]", "<id>", "undefined"],
)
def test_placeholders_are_no_ids(value):
    assert is_placeholder(value)
    assert who_came({"PROLIFIC_PID": value, "participant": "07"}) == "07"
    with pytest.raises(GateError):
        check_id({"PROLIFIC_PID": value})


@pytest.mark.parametrize("value", [PROLIFIC, "07", "anna-b", "+x", "Müller 3", "none of them"])
def test_real_ids_are_no_placeholders(value):
    assert not is_placeholder(value)


def test_people_behind_a_placeholder_are_not_one_participant(start):
    lost = {"brought": {"PROLIFIC_PID": "{{%PROLIFIC_PID%}}"}}
    assert start(0, **lost).participant != start(1, **lost).participant


def test_the_id_gate_takes_ids_of_their_services_form(start):
    for brought in ({}, {"STUDY_ID": "x"}, {"PROLIFIC_PID": "abc"}, {"survey_code": "x"}):
        with pytest.raises(GateError, match="id"):
            start(0, admission="id", brought=brought)
    assert start(0, admission="id", brought={"PROLIFIC_PID": PROLIFIC}).number == 0
    assert start(1, admission="id", brought={"participant": "07"}).number == 1


@pytest.fixture
def linked(make_survey_folder):
    return make_survey_folder("linked", admission="link")


def test_a_link_opens_one_session(linked):
    (link,) = links_of(linked, 1, "https://lab.example/survey/")
    assert link.startswith("https://lab.example/survey/?link=")
    code = parse_qs(urlsplit(link).query)["link"][0]
    database = Database(linked.answers)
    with TestClient(SurveyServer(linked, database, ADMIN).app()) as client:

        def begin(token, **more):
            headers = {"Authorization": f"Bearer {token * 64}"}
            body = {"brought": {}, "screen": SCREEN, **more}
            return client.post("/api/sessions", json=body, headers=headers)

        assert begin("1").json() == {"reason": "link"}
        assert begin("1", link="guessed").status_code == 403
        assert begin("1", link=code).status_code == 200
        assert begin("1", link=code).status_code == 200  # the same session
        assert begin("2", link=code).json() == {"reason": "link"}
        live = client.get("/api/live", headers={"Authorization": f"Bearer {ADMIN}"}).json()
    database.close()
    assert live["begun"] == 1
    assert any("turned away" in note and "3" in note for note in live["notes"])
    assert code.encode() not in linked.answers.read_bytes()


def test_a_link_of_a_dead_start_opens_again(linked):
    (link,) = links_of(linked, 1, "https://lab.example")
    code = parse_qs(urlsplit(link).query)["link"][0]
    database = Database(linked.answers)

    def use(now, number):
        def work(connection):
            admission.check_link(connection, code, now)
            sessions.begin(
                connection,
                f"{number:064d}",
                brought={},
                screen=SCREEN,
                list_of=lambda k: trials_of(linked.design, linked.stimuli, k),
                now=now,
                most=9,
                admission="link",
                link=code,
            )

        return database.write(work).result()

    use(0.0, 0)
    with pytest.raises(GateError):
        use(DEAD_SECONDS, 1)
    use(DEAD_SECONDS + 1, 1)
    database.close()


def test_links_need_a_design_that_asks_for_them(survey_folder, linked, tmp_path, capsys):
    with pytest.raises(InputError, match='admission = "link"'):
        links_of(survey_folder, 2, "https://lab.example")
    with pytest.raises(InputError, match="https"):
        links_of(linked, 2, "lab.example")
    out = tmp_path / "links.txt"
    line = ["survey", "links", str(linked.path), "3", "--base", "https://lab.example"]
    assert run([*line, "--out", str(out)]) == 0
    assert len(set(out.read_text().split())) == 3
    assert run([*line, "--out", str(out)]) == 2
    assert len(set(out.read_text().split())) == 3


def test_a_session_that_fails_a_rule_displaces_nobody(person, database, survey_folder):
    person(0, "ann").answer(most=10)
    # An outsider with her id answers everything, and misses what shows attention.
    person(1, "ann").answer(lambda t: "tench" if t.category != "tench" else "parachute").finish()
    database.close()
    rules = ExclusionRules(incomplete=False)
    judged = judge(*read_raw(survey_folder), rules).set_index("session")["reason"]
    assert judged[1] == ""
    assert judged[2].startswith("catch trials")
    assert judged[2].endswith("another session counts")


def test_an_address_begins_so_many_at_once():
    rates = AddressRates(burst=3, rate=0.0)
    assert [rates.take("10.0.0.1") for _ in range(4)] == [True, True, True, False]
    assert rates.take("10.0.0.2")
    assert [rates.take(f"2001:db8:0:7::{k}") for k in range(4)] == [True, True, True, False]
    assert rates.take("2001:db8:0:8::1")


def test_starts_are_counted_by_the_address_that_a_named_proxy_tells(survey_folder, database):
    server = SurveyServer(survey_folder, database, ADMIN, proxies=("testclient",), starts=2)
    other = SurveyServer(survey_folder, database, ADMIN, starts=2)

    def begin(client, number, forwarded):
        headers = {"Authorization": f"Bearer {number:064d}", "X-Forwarded-For": forwarded}
        body = {"brought": {}, "screen": SCREEN}
        return client.post("/api/sessions", json=body, headers=headers).status_code

    with TestClient(server.app()) as client:
        # Only the last address is the proxy's word; what stands before it, anybody can write.
        assert [begin(client, k, f"1.1.1.{k}, 9.9.9.9") for k in range(3)] == [200, 200, 429]
        assert begin(client, 3, "1.1.1.1, 9.9.9.8") == 200
        assert begin(client, 0, "1.1.1.1, 9.9.9.9") == 200  # one that goes on
    with TestClient(other.app()) as client:
        assert [begin(client, 10 + k, f"8.8.8.{k}") for k in range(3)] == [200, 200, 429]
        live = client.get("/api/live", headers={"Authorization": f"Bearer {ADMIN}"}).json()
    assert any("--proxy" in note for note in live["notes"])
    assert any("--starts-per-address" in note for note in live["notes"])


def test_the_live_page_names_placeholders_chance_and_intervals(survey_folder, database):
    with TestClient(SurveyServer(survey_folder, database, ADMIN).app()) as client:
        headers = {"Authorization": "Bearer " + "4" * 64}
        body = {"brought": {"PROLIFIC_PID": "{{%PROLIFIC_PID%}}"}, "screen": SCREEN}
        trials = client.post("/api/sessions", json=body, headers=headers).json()["trials"]
        for k in range(len(trials)):
            given = {"trial": k, "key": f"key-{k:06d}", "answer": 0, "rt_ms": 600.0, "by": "key"}
            client.post("/api/answers", json=given, headers=headers)
        live = client.get("/api/live", headers={"Authorization": f"Bearer {ADMIN}"}).json()
    assert live["chance"] == 1 / 5
    assert any("1, with PROLIFIC_PID={{%PROLIFIC_PID%}}" in note for note in live["notes"])
    for row in live["accuracy"]:
        assert 0 <= row["low"] <= row["right"] <= row["high"] <= 1
        assert row["low"] < row["high"]
    json.dumps(live, allow_nan=False)
