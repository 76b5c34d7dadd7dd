"""Whatever is sent to any endpoint, the answer is no server error, and the answers stay."""

import json
import string
from urllib.parse import quote

import pytest

pytest.importorskip("starlette", reason="the extra `survey` is not installed")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from invariscope.survey.server import FILES, SurveyServer

PATHS = (
    *("/", "/live", "/api/survey", "/api/sessions", "/api/images/0", "/api/images/999"),
    *("/api/about", "/api/answers", "/api/finish", "/api/live"),
    *(f"/static/{name}" for name in FILES),
)
TOKEN = "f" * 64
WORDS = st.text(max_size=30) | st.sampled_from(
    ["trial", "key", "answer", "rt_ms", "shown_ms", "by", "brought", "screen", "answers", "touch"]
)
# An old library can have set the process to round them to 0, which hypothesis refuses to draw.
FLOATS = st.floats(allow_subnormal=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | WORDS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(WORDS, inner, max_size=8),
    max_leaves=15,
)
NEARLY = st.fixed_dictionaries(
    {
        "trial": st.integers(-2, 20) | JSON,
        "key": st.text(string.ascii_letters + "-", max_size=70) | JSON,
        "answer": st.integers(-2, 8) | JSON,
        "rt_ms": FLOATS | JSON,
        "by": st.sampled_from(["key", "touch", "no"]) | JSON,
    },
    optional={"shown_ms": JSON},
)
START = st.fixed_dictionaries(
    {
        "brought": st.dictionaries(st.sampled_from(["PROLIFIC_PID", "x"]), WORDS) | JSON,
        "screen": st.fixed_dictionaries(
            {
                "width": st.integers() | JSON,
                "height": st.integers() | JSON,
                "ratio": FLOATS | JSON,
                "touch": st.booleans() | JSON,
            }
        )
        | JSON,
    }
)
BODIES = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda value: json.dumps(value).encode(), JSON | NEARLY | START),
    st.builds(lambda value: json.dumps({"answers": value}).encode(), JSON),
)
TOKENS = st.one_of(
    st.none(),
    st.just(b"Bearer " + TOKEN.encode()),
    st.just(b"Bearer " + b"9" * 64),
    st.builds(lambda text: b"Bearer " + text, st.binary(max_size=80)),
    st.binary(max_size=40),
)


@pytest.fixture
def client(survey_folder, database):
    app = SurveyServer(survey_folder, database, "the experimenter's token", most=100_000)
    app._starts.burst = app._strangers.burst = 1e9
    app._starts._left = app._strangers._left = 1e9
    client = TestClient(app.app(), raise_server_exceptions=True)
    body = {"brought": {}, "screen": {"width": 1, "height": 1, "ratio": 1, "touch": False}}
    began = client.post("/api/sessions", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
    assert began.status_code == 200
    app._rates[0] = app._starts
    return client


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    path=st.sampled_from(PATHS) | st.text(string.printable, max_size=40).map(lambda t: "/" + t),
    token=TOKENS,
    body=BODIES,
)
def test_no_request_is_a_server_error(client, survey_folder, stored, method, path, token, body):
    headers = {} if token is None else {"Authorization": token}
    url = quote(path, safe="/%?#&=.:;")
    reply = client.request(method, url, headers=headers, content=body)
    assert reply.status_code < 500
    assert "content-security-policy" in reply.headers


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=st.sampled_from(["/api/answers", "/api/sessions", "/api/about"]), body=NEARLY | START)
def test_a_body_that_nearly_fits_is_kept_or_refused(client, survey_folder, stored, path, body):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    reply = client.post(path, content=json.dumps(body), headers=headers)
    assert reply.status_code in (200, 400, 409)
    rows = stored(survey_folder, "SELECT trial, answer, rt_ms FROM answers")
    names = set(survey_folder.design.categories)
    assert all(0 <= trial < 13 and answer in names and rt >= 0 for trial, answer, rt in rows)
