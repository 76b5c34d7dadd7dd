"""Reports in a real browser: whole, quiet, reachable by keyboard, readable by everybody."""

import base64
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

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


CANVAS = """() => {
  const canvas = document.getElementById("v-canvas"), paper = canvas.getContext("2d");
  return [canvas.width, ...paper.getImageData(0, 0, canvas.width, canvas.height).data];
}"""
NAMED = "(name) => document.getElementById('v-one-name').textContent === name"


def pixels(page):
    """The canvas of the viewer, `(side, side, 3)`."""
    side, *values = page.evaluate(CANVAS)
    return np.array(values).reshape(-1, side, 4)[:, :, :3]


def decoded(page, which):
    """A picture of the viewer, `(side, side, 3)`."""
    content = page.get_attribute(which, "src").partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"), int)


def test_difference_and_blink_by_keyboard(opened):
    page = opened()
    page.locator("figure.cell .thumb").nth(1).focus()
    page.keyboard.press("Enter")
    page.focus("[data-view=difference]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#v-one:visible")
    image, reference = decoded(page, "#v-image"), decoded(page, "#v-ref")
    change = image - reference
    gain = min(255 / np.abs(change).max(), 8)
    assert np.abs(pixels(page) - (127.5 + gain * change / 2)).max() <= 1
    page.focus("[data-view=blink]")
    page.keyboard.press("Enter")
    page.wait_for_function(NAMED, arg="this image")
    assert (pixels(page) == image).all()
    page.wait_for_function(NAMED, arg="the reference")
    page.keyboard.press("Enter")
    assert "Stopped" in page.locator("#v-how").inner_text()
    assert page.get_attribute("[data-view=blink]", "aria-pressed") == "true"
    page.keyboard.press("Escape")
    page.click("#x-compare")
    assert page.locator("#v-side").is_visible()
    assert page.get_attribute("#v-image", "src") == page.get_attribute("#x-right", "src")
    page.keyboard.press("ArrowRight")  # the explorer's image is none of a row
    assert page.get_attribute("#v-image", "src") == page.get_attribute("#x-right", "src")


def test_nothing_moves_by_itself_where_less_motion_is_asked_for(opened):
    page = opened()
    page.emulate_media(reduced_motion="reduce")
    page.locator("figure.cell .thumb").nth(1).click()
    page.click("[data-view=blink]")
    page.wait_for_selector("#v-one:visible")
    names = [page.locator("#v-one-name").inner_text()]
    page.wait_for_timeout(1200)
    names.append(page.locator("#v-one-name").inner_text())
    page.click("[data-view=blink]")
    names.append(page.locator("#v-one-name").inner_text())
    assert names == ["the reference", "the reference", "this image"]


def test_every_figure_is_saved_as_svg_and_png(opened, tmp_path):
    page = opened()
    buttons = page.locator("[data-save]")
    assert buttons.count() == 2 * (page.locator("figure.drawn").count() + 1)
    for place in (0, 1, 2, 3):  # the front that is explored, and the first figure
        with page.expect_download() as waiting:
            buttons.nth(place).click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        if place % 2:
            with Image.open(path) as image:
                assert image.format == "PNG"
                assert image.width >= 600
                assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 2
        else:
            root = ET.fromstring(path.read_bytes())
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert path.suffix == ".svg"


def test_the_axes_say_their_span(opened):
    page = opened()
    labels = page.locator("#x-plot text").all_text_contents()
    data = json.loads(page.locator("#x-data").text_content())["runs"][0]
    for word, column in (("stretch", 0), ("squeeze", 1)):
        (label,) = [text for text in labels if text.startswith(word)]
        ends = [float(number) for number in re.search(r"([\d.]+) to ([\d.]+)", label).groups()]
        values = [place[column] for place in data["line"]]
        assert ends == pytest.approx([min(values), max(values)], rel=0.006)
        begin = min(values) - 0.06 * (max(values) - min(values))  # the margin around the front
        assert ("not from 0" in label) is (begin > 0)


def test_print_keeps_the_bars_and_fits_its_pages(opened):
    page = opened("print")
    bars = page.locator(".bar, .bar i, .bar s")
    kept = bars.evaluate_all("all => all.map(one => getComputedStyle(one).printColorAdjust)")
    assert set(kept) == {"exact"}
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    margins = dict.fromkeys(("top", "bottom", "left", "right"), "12mm")
    content = page.pdf(format="A4", margin=margins)
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", content))
    assert 3 <= pages <= 10
    page.set_viewport_size({"width": 703, "height": 1030})  # A4 without those margins
    assert page.evaluate(WIDER) <= 0
    wide = page.locator("table, pre, img, svg, .card").evaluate_all(
        "all => all.filter(one => one.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert wide == 0


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
