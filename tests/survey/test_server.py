"""What the server gives to whom, and what it refuses."""

import json
import sqlite3
import time

import pytest

pytest.importorskip("starlette", reason="the extra `survey` is not installed")

from starlette.testclient import TestClient

from invariscope.survey import guard, sessions
from invariscope.survey.database import Database
from invariscope.survey.guard import Bucket
from invariscope.survey.server import SurveyServer

ADMIN = "the experimenter's token"
SCREEN = {"width": 800, "height": 600, "ratio": 1.5, "hertz": 59.9, "touch": True}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Browser:
    """A participant's browser, as far as the server sees it."""

    def __init__(self, client, token="1" * 64, brought=None):
        self.client, self.headers = client, bearer(token)
        body = {"brought": brought or {}, "screen": SCREEN}
        self.began = client.post("/api/sessions", json=body, headers=self.headers)

    @property
    def trials(self):
        return self.began.json()["trials"]

    def post(self, path, body):
        return self.client.post(path, json=body, headers=self.headers)

    def answer(self, trial, answer=0, **changed):
        body = {"trial": trial, "key": f"key-{trial:06d}", "answer": answer, "rt_ms": 512.5}
        return self.post("/api/answers", {**body, "by": "key", **changed})

    def image(self, trial):
        return self.client.get(f"/api/images/{trial}", headers=self.headers)


@pytest.fixture
def client(survey_folder, database):
    made = SurveyServer(survey_folder, database, ADMIN, most=50)
    with TestClient(made.app()) as client:
        yield client


def test_a_whole_session(client, survey_folder, stored):
    browser = Browser(client, brought={"PROLIFIC_PID": "abc"})
    assert browser.began.json()["answered"] == []
    assert browser.post("/api/about", {"answers": {"age": "31", "height": "9"}}).json()["kept"]
    for k in range(len(browser.trials)):
        assert browser.post("/api/finish", {}).status_code == 409
        assert browser.answer(k).json() == {"acknowledged": k}
    assert browser.post("/api/finish", {}).json() == {"code": "", "link": ""}
    again = Browser(client)
    assert again.began.json()["answered"] == list(range(len(browser.trials)))
    assert again.began.json()["asked"]
    answers = stored(survey_folder, "SELECT trial, answer, rt_ms, by FROM answers")
    assert answers == [(k, "tench", 512.5, "key") for k in range(len(browser.trials))]
    assert json.loads(stored(survey_folder, "SELECT about FROM sessions")[0][0]) == {"age": "31"}


def test_the_list_tells_no_right_answer_of_an_image(client):
    for trial in Browser(client).trials:
        told = trial["category"] is not None
        assert told == (trial["kind"] == "practice" or not trial["image"])
        assert set(trial) == {"kind", "image", "category"}


def test_a_session_gets_its_own_images_and_no_others(client, survey_folder):
    browser = Browser(client)
    files = {p.read_bytes() for p in (survey_folder.path / "images").iterdir()}
    for k, trial in enumerate(browser.trials):
        reply = browser.image(k)
        assert reply.status_code == (200 if trial["image"] else 404)
        assert not trial["image"] or reply.content in files
    assert browser.image(len(browser.trials)).status_code == 404
    assert client.get("/api/images/0").status_code == 401
    assert client.get("/api/images/0", headers=bearer("2" * 64)).status_code == 401


def test_another_token_sees_nothing_of_a_session(client, survey_folder, stored):
    Browser(client).answer(0)
    stranger = Browser(client, token="2" * 64)
    assert stranger.began.json()["answered"] == []
    stranger.answer(0, 3)
    kept = stored(survey_folder, "SELECT number, answer FROM answers ORDER BY number")
    assert kept == [(0, "tench"), (1, "golf ball")]


def test_a_second_session_of_an_id_does_not_open_the_first(client):
    Browser(client, brought={"PROLIFIC_PID": "abc"}).answer(0)
    other = Browser(client, token="3" * 64, brought={"PROLIFIC_PID": "abc"})
    assert other.began.json()["answered"] == []


@pytest.mark.parametrize("token", ["", "short", "ä" * 64, "x" * 200, "tokens-have-no-space " * 3])
def test_a_weak_token_begins_no_session(client, token):
    body = {"brought": {}, "screen": SCREEN}
    headers = {"Authorization": f"Bearer {token}".encode()}
    assert client.post("/api/sessions", json=body, headers=headers).status_code in (400, 401)


def test_an_answer_sent_twice_is_kept_once_and_acknowledged_twice(client, survey_folder, stored):
    browser = Browser(client)
    assert [browser.answer(2, 1).status_code for _ in range(3)] == [200] * 3
    assert browser.answer(2, 4, key="another-key").json() == {"acknowledged": 2}
    assert browser.answer(2, 4).status_code == 409
    assert stored(survey_folder, "SELECT answer FROM answers") == [("French horn, horn",)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"trial": -1},
        {"trial": 10_000},
        {"trial": "0"},
        {"answer": 5},
        {"answer": True},
        {"rt_ms": -1},
        {"rt_ms": float("nan")},
        {"rt_ms": 1e300},
        {"by": "mind"},
        {"key": "../../etc"},
        {"more": 1},
    ],
)
def test_an_answer_that_cannot_be_is_refused(client, survey_folder, stored, wrong):
    browser = Browser(client)
    body = {"trial": 0, "key": "key-000000", "answer": 0, "rt_ms": 1.0, "by": "key", **wrong}
    reply = client.post("/api/answers", content=json.dumps(body), headers=browser.headers)
    assert reply.status_code == 400
    assert stored(survey_folder, "SELECT * FROM answers") == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/static/",
        "/images/",
        "/design.toml",
        "/answers.sqlite",
        "/token",
        "/api/images/",
        "/api/images/../../token",
        "/api/answers/0",
        "/.git/config",
    ],
)
def test_nothing_else_is_served(client, path):
    assert client.get(path, headers=Browser(client).headers).status_code in (404, 405)


@pytest.mark.parametrize("path", ["/", "/live", "/static/app.js", "/api/survey", "/nothing"])
def test_headers_are_strict_on_every_page(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy  # no other origin
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in headers
    assert "server" not in headers


def test_the_live_page_needs_its_token(client):
    browser = Browser(client)
    for k in range(5):
        browser.answer(k)
    assert client.get("/api/live").status_code == 401
    assert client.get("/api/live", headers=browser.headers).status_code == 401
    told = client.get("/api/live", headers=bearer(ADMIN)).json()
    assert (told["begun"], told["active"], told["ended"], told["answers"]) == (1, 1, 0, 5)
    assert sum(row["answers"] for row in told["accuracy"]) == 3  # two are practice
    assert told["minutes_left"] is not None


def test_the_end_tells_the_code_and_leads_back(make_survey_folder, request):
    link = "https://example.org/credit?who={id}&code={code}"
    folder = make_survey_folder("paid", completion={"code": "C0DE", "link": link})
    database = Database(folder.answers)
    request.addfinalizer(database.close)
    client = TestClient(SurveyServer(folder, database, ADMIN).app())
    browser = Browser(client, brought={"survey_code": "a&b=c/d"})
    assert "C0DE" not in client.get("/api/survey").text
    for k in range(len(browser.trials)):
        browser.answer(k)
    end = browser.post("/api/finish", {}).json()
    assert end == {
        "code": "C0DE",
        "link": "https://example.org/credit?who=a%26b%3Dc%2Fd&code=C0DE",
    }


def test_bodies_are_bounded(client):
    headers = Browser(client).headers
    large = b"x" * (guard.MOST_BYTES + 1)
    assert client.post("/api/answers", content=large, headers=headers).status_code == 413
    parts = (b"x" * 1000 for _ in range(100))
    assert client.post("/api/answers", content=parts, headers=headers).status_code == 413
    deep = b"[" * 15_000
    assert client.post("/api/answers", content=deep, headers=headers).status_code == 400


def test_rates_are_bounded(client, monkeypatch):
    browser = Browser(client)
    now = time.monotonic()
    monkeypatch.setattr(guard.time, "monotonic", lambda: now)  # no time passes: nothing refills
    most = 3 * len(browser.trials) + 100
    replies = [browser.image(0).status_code for _ in range(most + 5)]
    assert set(replies[: most - 1]) == {404 if not browser.trials[0]["image"] else 200}
    assert set(replies[-4:]) == {429}
    assert Browser(client, token="4" * 64).image(0).status_code != 429


def test_a_rate_fills_again(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    bucket = Bucket(2, 10)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] += 0.11
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] += 60
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_a_full_disk_is_told_as_later(client, database, monkeypatch):
    browser = Browser(client)

    def fails(connection, *arguments):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(sessions, "save_answer", fails)
        assert browser.answer(0).status_code == 503
    assert browser.answer(0).status_code == 200


def test_no_address_is_stored(client, survey_folder, database):
    browser = Browser(client)
    browser.answer(0)
    database.close()
    content = b"".join(p.read_bytes() for p in survey_folder.path.glob("answers.sqlite*"))
    assert b"testclient" not in content
    assert b"127.0.0.1" not in content
