"""Reports in a real browser: whole, quiet, reachable by keyboard, readable by everybody."""

import json
from pathlib import Path

import pytest

from invariscope.cli.app import run

pytestmark = pytest.mark.browser
SIZES = {"phone": (390, 844), "laptop": (1280, 800), "print": (794, 1123)}
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
BROKEN = "() => [...document.images].filter(i => !i.complete || !i.naturalWidth).length"


@pytest.fixture(scope="module")
def page_path(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "d"
    assert run(["demo", "--out", str(out)]) == 0
    return out / "report.html"


@pytest.fixture
def opened(browser, page_path):
    """Opens the report; nothing may complain, and nothing but the file be asked for."""
    pages = []

    def go(size="laptop", scheme="light"):
        width, height = SIZES[size]
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        complaints, requests = [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_path.as_uri())
        if size == "print":
            page.emulate_media(media="print")
        pages.append((page, complaints, requests))
        return page

    yield go
    for page, complaints, requests in pages:
        assert complaints == []
        assert [url for url in requests if not url.startswith("data:")] == [page_path.as_uri()]
        page.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_report_loads_whole_and_fits(opened, size, tmp_path):
    page = opened(size)
    assert page.locator("h1").inner_text().startswith("What does “chain saw” (unit fc:3) ignore?")
    assert page.evaluate(BROKEN) == 0
    assert page.evaluate(WIDER) <= 0
    assert page.locator(".hero .card").count() == 5
    assert page.locator("figure.cell").count() == 1 + 3 * 2 + 1
    page.screenshot(path=str(tmp_path / f"{size}.png"), full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_an_accessibility_checker_finds_nothing_serious(opened, size, scheme):
    if not AXE.exists():
        pytest.skip("axe-core is not installed; `make test-browser` gets it")
    page = opened(size, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    serious = [v for v in found if v["impact"] in {"serious", "critical"}]
    assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in serious] == []


def test_the_front_is_explored_by_keyboard(opened):
    page = opened()
    page.click("[data-pick=nearest]")
    nearest = page.locator("#x-right-words").inner_text()
    page.focus("#x-member")
    page.keyboard.press("ArrowRight")
    second = page.locator("#x-right-words").inner_text()
    assert second != nearest
    assert all(word in second for word in ("stretch", "squeeze", "generation"))
    page.focus("#x-hold")
    page.keyboard.press("Enter")
    assert page.locator("#x-left-words").inner_text() == second
    page.click("[data-pick=farthest]")
    assert page.get_attribute("[data-pick=farthest]", "aria-pressed") == "true"
    assert page.locator("#x-difference").inner_text().startswith("Right against left")
    assert page.get_attribute("#x-left", "src") != page.get_attribute("#x-right", "src")
    page.click("#x-back")
    assert page.locator("#x-left-name").inner_text() == "the reference"


def test_pointing_at_a_dot_shows_its_image(opened):
    page = opened()
    page.click("[data-pick=nearest]")
    before = page.get_attribute("#x-right", "src")
    page.locator("#x-plot .dot").last.hover()
    assert page.get_attribute("#x-right", "src") != before
    assert page.locator("#x-plot .here").count() == 1


def test_generations_are_stepped_through(opened):
    page = opened()
    last = page.locator("#x-now").inner_text()
    page.focus("#x-generation")
    page.keyboard.press("Home")
    first = page.locator("#x-now").inner_text()
    assert first.startswith("Generation 1 of")
    assert first != last
    assert page.locator("#x-plot .band").count() == 1
    assert page.locator("#x-plot .late").count() >= 1
    page.click("#x-play")
    page.wait_for_function("() => Number(document.getElementById('x-generation').value) > 1")
    page.click("#x-play")
    assert page.locator("#x-play").inner_text() == "Play the generations"


def test_every_search_can_be_chosen(opened):
    page = opened()
    values = page.locator("#x-run option").evaluate_all("all => all.map(o => o.value)")
    assert len(values) == 3 * 2 + 1
    for value in values:
        page.select_option("#x-run", value)
        assert page.evaluate("() => document.getElementById('x-right').naturalWidth > 1")


def test_thumbnails_open_larger_and_arrow_keys_go_on(opened):
    page = opened()
    thumb = page.locator("figure.cell .thumb").nth(1)
    thumb.focus()
    page.keyboard.press("Enter")
    assert page.locator("#viewer").is_visible()
    words = page.locator("#v-words").inner_text()
    assert words.startswith("Invariant image, stretched at pixels")
    page.keyboard.press("ArrowRight")
    assert page.locator("#v-words").inner_text() != words
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()


def test_paper_shows_what_is_closed(opened):
    page = opened()
    closed = page.locator("details:not([open])").count()
    assert closed > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed


@pytest.mark.parametrize("reference", [0.0, -2.5, None])
def test_no_share_is_told_of_a_reference_that_is_not_positive(
    browser, page_path, tmp_path, reference
):
    head, mark, rest = page_path.read_text().partition('id="x-data">')
    text, end, tail = rest.partition("</script>")
    data = json.loads(text)
    for searched in data["runs"]:
        searched["reference"] = reference
        for entry in searched["shown"]:
            entry[4] = None  # its pixel distance, which a session of version 0.1 does not know
    other = tmp_path / "page.html"
    other.write_text(head + mark + json.dumps(data) + end + tail)
    page = browser.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(other.as_uri())
    page.focus("#x-member")
    page.keyboard.press("End")
    page.click("#x-hold")
    page.focus("#x-member")
    page.keyboard.press("Home")
    words = [page.locator(f"#x-{part}").inner_text() for part in ("right-words", "difference")]
    assert complaints == []
    assert "unknown" in words[0]
    assert "pixel distance unknown" in words[1]
    assert "points of the reference" not in words[1]
    assert not any(bad in " ".join(words) for bad in ("NaN", "Infinity", "undefined"))
    page.close()
