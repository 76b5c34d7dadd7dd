"""A whole short search in a real browser: three participants, one of whom leaves."""

import json
import sqlite3
import threading
from contextlib import closing

import pandas as pd
import pytest

pytest.importorskip("uvicorn", reason="the extra `survey` is not installed")

import torch
import uvicorn

from invariscope.survey import judgements
from invariscope.survey.database import Database
from invariscope.survey.people_search import DONE, JUDGED, PeopleSearch, departure
from invariscope.survey.search_design import SearchDesign
from invariscope.survey.search_server import SearchServer
from invariscope.survey.serve_search import ENGLISH
from invariscope.testing.toys import ToyGenerator, ToySubject

pytestmark = pytest.mark.browser
VALUES = {
    "people": {"judgements": 60, "repeats": 1, "same_first": 4, "per_person": 60},
    "search": {"population": 4, "generations": 3, "network": "toy"},
    "final": {"members": 2, "repeats": 3},
    "show": {"fixation_ms": 0},
    "completion": {"code": "C0DE"},
}
LAPTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
END = 60_000
TOKEN = "the experimenter's own"
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def opened(place):
    """A small search on toys."""
    generator, network = ToyGenerator(8), ToySubject(torch.ones(1, 3, 8, 8))
    design = SearchDesign.model_validate(VALUES)
    reference = departure(design, generator, place)
    return PeopleSearch(design, network, generator, place / "runs", reference=reference)


class Served:
    """A search's server in this process."""

    def __init__(self, place):
        self.place = place
        self.search = opened(place)
        self.database = Database(place / "answers.sqlite")
        words = json.loads(ENGLISH.read_text())
        self.app = SearchServer(self.search, words, self.database, TOKEN, most=10)
        config = uvicorn.Config(
            self.app.app(), port=0, log_level="warning", lifespan="off", ws="none", http="h11"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.05)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}/"

    def stop(self):
        self.server.should_exit = True
        self.thread.join()
        self.database.close()
        self.search.close()


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setattr(judgements, "LEASE_SECONDS", 3.0)
    made = Served(tmp_path)
    yield made
    made.stop()


class Participant:
    """Somebody at the page, who says "different" where the two canvases differ by eye."""

    def __init__(self, browser, url, kind, way):
        self.context = browser.new_context(**kind)
        self.context.set_default_timeout(END)
        self.page, self.way = self.context.new_page(), way
        self.complaints = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)
        self.page.locator("#agree").check()
        self.page.locator(".go:enabled").click()
        self.page.locator("#instructions .go").click()

    def where(self):
        here = """() => ['end', 'wait', 'fault'].find(id => document.getElementById(id))
          ?? document.querySelector('.trial[aria-busy=false] .count')?.innerText"""
        return self.page.wait_for_function(here).json_value()

    def judge(self):
        """Answer one pair, if there is one; whether the search goes on."""
        place = self.where()
        if place in ("end", "fault"):
            return False
        if place == "wait":
            self.page.wait_for_timeout(200)
            return True
        differ = """() => { const [a, b] = [...document.querySelectorAll('.pair canvas')].map(c =>
          c.getContext('2d').getImageData(0, 0, c.width, c.height).data);
          let most = 0;
          for (let k = 0; k < a.length; k++) most = Math.max(most, Math.abs(a[k] - b[k]));
          return most; }"""
        different = self.page.evaluate(differ) > 40
        if self.way == "key":
            self.page.keyboard.press("2" if different else "1")
        else:
            self.page.locator(f"[data-answer='{int(different)}']").tap()
        changed = "place => document.querySelector('.count')?.innerText !== place"
        self.page.wait_for_function(changed, arg=place, timeout=END)
        return True


def test_three_participants_find_a_front_though_one_leaves(served, browser, tmp_path):
    kinds = [(LAPTOP, "key"), (PHONE, "touch"), (LAPTOP, "key")]
    people = [Participant(browser, served.url, kind, way) for kind, way in kinds]
    for _ in range(3):
        for one in people:
            one.judge()
    people[0].page.screenshot(path=tmp_path / "pair.png")
    people[2].page.locator(".trial[aria-busy=false]").wait_for()
    people[2].context.close()  # leaves with a pair on the screen
    going = [True, True]
    for _ in range(400):
        going = [one.judge() if more else False for one, more in zip(people, going, strict=False)]
        if not any(going):
            break
    assert served.search.phase == DONE
    for one in people[:2]:
        assert one.page.locator("#end").count() == 1
        assert one.page.locator("#code").inner_text() == "C0DE"
        assert one.complaints == []
        one.context.close()
    table = pd.read_parquet(served.search.folder / JUDGED)
    assert (table["judgements"] >= 3).all()
    with closing(sqlite3.connect(tmp_path / "answers.sqlite")) as connection:
        given = connection.execute(
            "SELECT session, COUNT(different), COUNT(*), MIN(rt_ms) FROM judgements"
            " GROUP BY session"
        ).fetchall()
    assert [row[0] for row in given] == [0, 1, 2]
    assert given[2][2] - given[2][1] == 1  # the pair that the third left
    assert sum(row[1] for row in given) == served.search.book.given
    assert min(row[3] for row in given) >= 0


def test_a_reload_goes_on_with_the_same_pair(served, browser):
    one = Participant(browser, served.url, LAPTOP, "key")
    one.judge()
    one.where()
    asked = len(served.search.book.trials)
    one.page.reload()
    one.page.locator("#instructions .go").click()
    one.where()
    assert len(served.search.book.trials) == asked
    one.judge()
    assert one.complaints == []
    one.context.close()


def watch(browser, url, kind=LAPTOP):
    """The experimenter's page, opened with the token."""
    context = browser.new_context(**kind)
    context.set_default_timeout(END)
    page = context.new_page()
    page.goto(url + "live")
    page.locator("#token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.locator("#live .counts").wait_for()
    return page


def counted(page):
    """The counts on the experimenter's page, by name."""
    parts = page.locator(".counts > div").all()
    return {p.locator("dt").inner_text(): p.locator("dd").inner_text() for p in parts}


def test_the_experimenter_needs_the_token(served, browser):
    page = browser.new_page()
    page.goto(served.url + "live")
    page.locator("#token").fill("a wrong token, long enough")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=another token")
    assert page.request.get(served.url + "api/live").status == 401
    assert page.request.get(served.url + "api/live/1/0").status == 401
    page.close()


@pytest.mark.parametrize("kind", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_experimenter_watches_a_search(served, browser, serious, kind, tmp_path):
    one = Participant(browser, served.url, LAPTOP, "key")
    early = watch(browser, served.url, kind)
    found = counted(early)
    assert (found["begun"], found["judgements"], found["now"]) == (
        "1",
        "0 of 60",
        "equal pairs",
    )
    assert early.locator("text=No front yet.").count() == 1
    assert serious(early) == []
    early.screenshot(path=tmp_path / "early.png", full_page=True)
    while served.search.generation < 2:
        assert one.judge()
    # The page goes on by itself; what is read stays where it is.
    early.evaluate("scrollTo(0, 100)")
    at = early.evaluate("scrollY")
    early.locator("text=The front so far").wait_for()
    early.wait_for_timeout(4000)
    assert early.evaluate("scrollY") == at
    found = counted(early)
    assert found["judgements"] == f"{served.search.book.given} of 60"
    assert found["now"] == "generation 3"
    assert early.evaluate(WIDER) <= 0
    members = early.locator("[aria-label='Front so far'] tbody tr")
    assert members.count() == 1 + len(served.search.front_so_far().scores)
    painted = """() => [...document.querySelectorAll('.wide canvas')].every(c =>
      c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0 && v < 255))"""
    early.wait_for_function(painted)
    assert serious(early) == []
    early.screenshot(path=tmp_path / "front.png", full_page=True)
    while one.judge():
        pass
    early.locator("text=had no part in the choice").wait_for()
    early.wait_for_function("() => document.querySelector('.counts').innerText.includes('done')")
    assert counted(early)["left"] == "1"
    assert one.complaints == []
    for page in (early, one.page):
        page.context.close()


@pytest.mark.parametrize("kind", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_an_accessibility_checker_finds_nothing_serious(served, browser, serious, kind, tmp_path):
    context = browser.new_context(**kind)
    context.set_default_timeout(END)
    page = context.new_page()

    def look(name):
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert serious(page) == [], name
        assert page.evaluate(WIDER) <= 0, name

    page.goto(served.url)
    page.locator("#agree").wait_for()
    look("consent")
    page.locator("#agree").check()
    page.locator(".go:enabled").click()
    page.locator("#instructions .go").wait_for()
    look("instructions")
    page.locator("#instructions .go").click()
    page.locator(".trial[aria-busy=false]").wait_for()
    look("pair")
    for _ in range(100):
        if page.locator("#end").count():
            break
        page.keyboard.press("1")
        page.wait_for_timeout(100)
    look("end")
    context.close()
