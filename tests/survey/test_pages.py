"""The survey in a real browser: whole sessions, and what goes wrong on the way."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

pytest.importorskip("uvicorn", reason="the extra `survey` is not installed")

import uvicorn

from invariscope.survey.database import Database
from invariscope.survey.server import SurveyServer

pytestmark = pytest.mark.browser
LAPTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SERVE = """
import sys
from pathlib import Path
from invariscope.survey.folder import open_survey
from invariscope.survey.serve import serve
serve(open_survey(Path(sys.argv[1])), port=int(sys.argv[2]))
"""
KEYS = "12345"
END = 60_000


class Process:
    """A survey's server as a process of its own, which can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.process = None

    def start(self):
        command = [sys.executable, "-c", SERVE, str(self.folder.path), str(self.port)]
        self.process = subprocess.Popen(command)
        for _ in range(1500):
            try:
                with urllib.request.urlopen(self.url, timeout=5):
                    return self
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert self.process.poll() is None, "the server ended"
                time.sleep(0.2)
        raise TimeoutError

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


class Thread:
    """A survey's server in this process: there at once."""

    def __init__(self, folder):
        self.folder, self.database = folder, Database(folder.answers)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        app = SurveyServer(folder, self.database, folder.token()).app()
        config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", http="h11")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.server.should_exit = True
        self.thread.join()
        self.database.close()
        self.socket.close()


@pytest.fixture
def serve(make_survey_folder):
    """Starts the server of a survey with these settings."""
    servers = []

    def start(kind=Thread, **settings):
        folder = make_survey_folder(f"survey{len(servers)}", side=64, **settings)
        servers.append(kind(folder))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(serve):
    return serve(completion={"code": "C0DE"})


@pytest.fixture
def visit(browser, request):
    """A participant's browser with nothing kept from before; its complaints end the test."""
    opened = []

    def open_(kind=LAPTOP):
        context = browser.new_context(**kind)
        context.set_default_timeout(END)
        context.complaints = []
        context.on("weberror", lambda error: context.complaints.append(str(error.error)))
        opened.append(context)
        return context

    yield open_
    for context in opened:
        complaints = context.complaints
        context.close()
        assert complaints == []


class Sitting:
    """A participant at a page."""

    def __init__(self, page, server, query="", way="key"):
        self.page, self.server, self.way = page, server, way
        self.url = server.url + query
        self.messages = []
        page.on("console", lambda message: self.messages.append(message.text))

    def open(self):
        self.page.goto(self.url)
        return self

    def press(self, selector):
        element = self.page.locator(selector)
        if self.way == "touch":
            element.tap()
            return
        element.focus()
        self.page.keyboard.press("Space" if "agree" in selector else "Enter")

    def agree(self):
        self.page.wait_for_selector("#consent")
        self.press("#agree")
        self.press(".go:enabled")
        self.page.wait_for_selector("#questions")
        return self

    def begin(self):
        self.agree()
        self.press(".go")
        return self.start()

    def start(self):
        self.page.wait_for_selector("#instructions .go:enabled")
        self.press("#instructions .go")
        return self

    def where(self):
        """`trial` with its count, `rest`, `sending` or `end`."""
        here = """() => ['end', 'sending'].find(id => document.getElementById(id))
          ?? (document.querySelector('#trials .card') ? 'rest' : null)
          ?? document.querySelector('.count')?.innerText"""
        return self.page.wait_for_function(here).json_value()

    def answer(self, trials=None, choice=0):
        """Answer so many trials, or all."""
        given = 0
        while trials is None or given < trials:
            place = self.where()
            if place in ("end", "sending"):
                return given
            if place == "rest":
                self.press("#trials .card .go")
                self.page.wait_for_selector(".trial")
                continue
            if self.way == "touch":
                self.page.locator(f"[data-answer='{choice}']").tap()
            else:
                self.page.keyboard.press(KEYS[choice])
            here = "place => document.querySelector('.count')?.innerText !== place"
            try:
                self.page.wait_for_function(here, arg=place, timeout=700)
                given += 1
            except Exception as error:  # too early for the image: again
                if type(error).__name__ != "TimeoutError":
                    raise
        return given

    def ended(self):
        self.page.wait_for_selector("#end")
        return self.page.locator("#code").inner_text()


def check_whole(server, stored, people=1, trials=13):
    """Every answer of every session is there, once."""
    held = stored(server.folder, "SELECT number, ended IS NOT NULL FROM sessions")
    assert held == [(number, 1) for number in range(people)]
    given = stored(server.folder, "SELECT number, trial FROM answers ORDER BY number, trial")
    assert given == [(number, trial) for number in range(people) for trial in range(trials)]


@pytest.mark.parametrize(("kind", "way"), [(LAPTOP, "key"), (PHONE, "touch")], ids=["key", "touch"])
def test_a_whole_session(server, visit, stored, kind, way, tmp_path):
    sitting = Sitting(visit(kind).new_page(), server, "?PROLIFIC_PID=p1", way).open()
    sitting.begin().answer()
    assert sitting.ended() == "C0DE"
    check_whole(server, stored)
    ways = stored(server.folder, "SELECT DISTINCT by FROM answers")
    assert ways == [(way,)]
    assert stored(server.folder, "SELECT who, about FROM sessions") == [("p1", "{}")]
    times = [rt for (rt,) in stored(server.folder, "SELECT rt_ms FROM answers")]
    assert all(0 <= rt < END for rt in times)
    sitting.page.reload()
    assert sitting.ended() == "C0DE"
    assert [m for m in sitting.messages if "Content Security Policy" in m] == []


@pytest.mark.parametrize("kind", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_every_page_fits_and_is_named(server, visit, serious, kind, tmp_path):
    page = visit(kind).new_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    sitting = Sitting(page, server).open()
    wider = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

    def look(name):
        page.screenshot(path=str(tmp_path / f"{name}.png"), full_page=True)
        assert page.evaluate(wider) <= 0, name
        unnamed = page.evaluate(
            "() => [...document.querySelectorAll('button, input, select, canvas')].filter("
            "e => !(e.innerText || e.ariaLabel || e.labels?.length)).length"
        )
        assert unnamed == 0, name
        assert serious(page) == [], name

    page.wait_for_selector("#consent")
    look("consent")
    sitting.agree()
    look("questions")
    sitting.press(".go")
    page.wait_for_selector("#instructions .go:enabled")
    look("instructions")
    sitting.start()
    page.wait_for_selector(".trial")
    look("trial")
    smallest = page.evaluate(
        "() => Math.min(...[...document.querySelectorAll('.choices button')].map("
        "b => b.getBoundingClientRect().height))"
    )
    assert smallest >= 44
    below = page.evaluate("() => document.querySelector('.choices').getBoundingClientRect().bottom")
    assert below <= kind["viewport"]["height"]
    sitting.answer(5)
    while sitting.where() != "rest":
        sitting.answer(1)
    look("rest")
    sitting.answer()
    page.wait_for_selector("#end")
    look("end")
    assert all(url.startswith((server.url, "blob:")) for url in requests)


def test_texts_contrast_enough(serve, visit):
    """WCAG 2.2 AA: at least 4.5 to 1 between a text and what is behind it."""
    server = serve(show={"feedback_ms": 20_000})
    page = visit().new_page()
    sitting = Sitting(page, server).open()
    contrast = """() => {
      const rgb = c => c.match(/[\\d.]+/g).map(Number);
      const light = c => { const [r, g, b] = rgb(c).slice(0, 3).map(v => (v /= 255) <= 0.04045
        ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126*r + 0.7152*g + 0.0722*b; };
      const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e)
        .backgroundColor; if ((rgb(c)[3] ?? 1) > 0) return c; } return 'rgb(255,255,255)'; };
      return Math.min(...[...document.querySelectorAll('main *')].filter(e => [...e.childNodes]
        .some(n => n.nodeType === 3 && n.data.trim())).map(e => { const [a, b] = [light(
        getComputedStyle(e).color), light(ground(e))]; return (Math.max(a, b) + 0.05) /
        (Math.min(a, b) + 0.05); })); }"""
    page.wait_for_selector("#consent")
    assert page.evaluate(contrast) >= 4.5
    sitting.begin()
    page.wait_for_selector(".trial")
    assert page.evaluate(contrast) >= 4.5
    while not page.locator(".right").count():  # the image may not be there yet
        page.keyboard.press("1")
        page.wait_for_timeout(200)
    assert page.evaluate(contrast) >= 4.5


def test_a_reload_and_the_back_button_lose_nothing(server, visit, stored):
    page = visit().new_page()
    sitting = Sitting(page, server).open().begin()
    sitting.answer(4)
    page.reload()
    sitting.start().answer(2)
    page.goto("about:blank")
    page.go_back()
    sitting.start().answer(2)
    page.go_back()  # to before the survey, and forward again
    page.goto(sitting.url)
    sitting.start().answer()
    assert sitting.ended() == "C0DE"
    check_whole(server, stored)


def test_a_second_tab_waits_for_the_first(server, visit, stored):
    context = visit()
    first = Sitting(context.new_page(), server).open().begin()
    first.answer(5)
    second = Sitting(context.new_page(), server).open()
    second.page.wait_for_selector("#tab")
    first.page.bring_to_front()
    first.answer(2)
    first.page.close()
    second.page.wait_for_selector("#instructions")
    second.start().answer()
    second.ended()
    check_whole(server, stored)


def test_two_tabs_without_locks_give_one_answer_a_trial(server, visit, stored):
    context = visit()
    context.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'locks', {value: undefined})"
    )
    first = Sitting(context.new_page(), server).open().begin()
    first.answer(3)
    second = Sitting(context.new_page(), server).open()
    second.start().answer(3, choice=1)
    first.page.bring_to_front()
    first.answer()
    first.ended()
    second.page.bring_to_front()
    second.answer()
    second.ended()
    check_whole(server, stored)


def test_answers_given_offline_arrive_later(server, visit, stored):
    context = visit()
    sitting = Sitting(context.new_page(), server).open().begin()
    sitting.answer(3)
    context.set_offline(True)
    sitting.answer()
    sitting.page.wait_for_selector("#sending")
    assert len(stored(server.folder, "SELECT * FROM answers")) < 13
    assert sitting.page.locator("#end").count() == 0
    context.set_offline(False)
    assert sitting.ended() == "C0DE"
    check_whole(server, stored)


def test_a_server_that_is_killed_loses_nothing(serve, visit, stored):
    server = serve(Process, completion={"code": "C0DE"})
    sitting = Sitting(visit().new_page(), server).open().begin()
    sitting.answer(4)
    server.kill()
    sitting.answer(4)
    kept = len(stored(server.folder, "SELECT * FROM answers"))
    server.start()
    sitting.answer(2)
    server.kill()
    server.start()
    sitting.page.reload()  # what waited is sent after a reload too
    sitting.start().answer()
    assert sitting.ended() == "C0DE"
    assert kept < 8
    check_whole(server, stored)


def test_a_slow_network_only_takes_longer(server, visit, stored):
    context = visit()
    page = context.new_page()
    tools = context.new_cdp_session(page)
    tools.send("Network.enable")
    slow = {"latency": 400, "downloadThroughput": 20_000, "uploadThroughput": 10_000}
    tools.send("Network.emulateNetworkConditions", {"offline": False, **slow})
    sitting = Sitting(page, server).open().begin()
    sitting.answer()
    sitting.ended()
    check_whole(server, stored)


def test_a_brief_image_is_hidden_and_masked(serve, visit, stored):
    server = serve(show={"presentation_ms": 200, "mask": "noise", "fixation_ms": 100})
    page = visit().new_page()
    sitting = Sitting(page, server).open().begin()
    page.wait_for_timeout(1500)
    blank = (
        "() => { const c = document.querySelector('canvas'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; return d.every(v => v === 0); }"
    )
    assert page.evaluate(blank)
    sitting.answer()
    page.wait_for_selector("#end")
    shown = stored(server.folder, "SELECT shown_ms FROM answers WHERE trial = 0")
    assert shown[0][0] >= 180


def test_the_experimenter_watches(server, visit, serious):
    people = Sitting(visit().new_page(), server).open().begin()
    people.answer(6)
    page = visit().new_page()
    page.goto(server.url + "live")
    page.locator("#token").fill("a wrong token, long enough")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=another token")
    page.locator("#token").fill((server.folder.path / "token").read_text().strip())
    page.keyboard.press("Enter")
    page.wait_for_selector("#live table")
    assert "token" not in page.url
    counts = page.locator(".counts").inner_text()
    assert "begun\n1" in counts
    assert "answers\n" in counts
    assert serious(page) == []


@pytest.mark.parametrize("kind", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_pages_that_few_see_are_accessible_too(serve, visit, serious, kind, tmp_path):
    """Feedback, a second tab, answers on their way, no admission, and the experimenter's page."""
    server = serve(show={"feedback_ms": 30_000}, admission="anyone")
    closed = serve(admission="link")
    wider = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

    def look(page, name):
        page.screenshot(path=str(tmp_path / f"{name}.png"), full_page=True)
        assert serious(page) == [], name
        assert page.evaluate(wider) <= 0, name

    context = visit(kind)
    first = Sitting(context.new_page(), server).open().begin()
    first.where()
    while not first.page.locator(".right").count():  # the image may not be there yet
        first.page.keyboard.press("1")
        first.page.wait_for_timeout(200)
    look(first.page, "feedback")
    second = Sitting(context.new_page(), server).open()
    second.page.wait_for_selector("#tab")
    look(second.page, "tab")
    gate = Sitting(visit(kind).new_page(), closed).open()
    gate.page.locator("#consent").wait_for()
    gate.press("#agree")
    gate.press(".go:enabled")
    gate.page.locator("#fault").wait_for()
    look(gate.page, "gate")
    assert gate.page.context.complaints == ["link"]  # the reason, in the console
    gate.page.context.complaints.clear()
    live = visit(kind).new_page()
    live.goto(server.url + "live")
    look(live, "token")
    live.locator("#token").fill((server.folder.path / "token").read_text().strip())
    live.keyboard.press("Enter")
    live.wait_for_selector("#live .counts")
    look(live, "live")
