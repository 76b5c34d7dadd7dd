"""The survey in Firefox, by WebDriver BiDi: whole sessions by keyboard and on a phone's screen."""

import json
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `survey` is not installed")

import uvicorn

from invariscope.survey.answers import read_raw
from invariscope.survey.connections import bounded_protocol
from invariscope.survey.database import Database
from invariscope.survey.server import SurveyServer

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("firefox.mjs")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
THERE = FIREFOX and shutil.which("node") and (ROOT / "node_modules" / "puppeteer-core").exists()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not THERE, reason="no Firefox, node or puppeteer-core (make test-browser)"),
]
SHOWN_MS = 200


@pytest.fixture
def served(make_survey_folder):
    """A survey whose images are shown for 200 ms, and its address."""
    folder = make_survey_folder(
        side=64,
        completion={"code": "C0DE"},
        show={"presentation_ms": SHOWN_MS, "mask": "noise", "mask_ms": 50},
    )
    database = Database(folder.answers)
    app = SurveyServer(folder, database, folder.token()).app()
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", ws="none", http=bounded_protocol()
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield folder, f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()
    database.close()


@pytest.mark.parametrize("kind", ["laptop", "phone"])
def test_a_whole_session_in_firefox(served, kind, tmp_path):
    folder, url = served
    line = ["node", str(DRIVER), url, kind, str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert kind == "laptop" or seen["width"] == 390
    del seen["width"]
    assert seen == {"ended": True, "code": "C0DE", "wide": 0, "moving": False, "complaints": []}
    assert (tmp_path / f"{kind}.png").stat().st_size > 1000
    answers, sessions = read_raw(folder)
    assert len(answers) == sessions["trials"][0]
    assert set(answers["by"]) == ({"key"} if kind == "laptop" else {"touch"})
    # Presentation is measured in frames, for each trial that was shown to its end.
    shown = answers["shown_ms"].dropna()
    assert ((shown >= SHOWN_MS - 20) & (shown < 5000)).all()
