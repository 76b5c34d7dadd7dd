"""The demo's report in a real browser."""

import shutil

import pytest

from invariscope.cli.app import run

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium")
SIZES = {"phone": (390, 844), "laptop": (1280, 800)}


@pytest.fixture(scope="module")
def page_path(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "d"
    assert run(["demo", "--out", str(out)]) == 0
    return out / "report.html"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_report_loads_whole_without_errors_or_requests(browser, page_path, size, tmp_path):
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_path.as_uri())
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [page_path.as_uri()]
    assert page.locator("h1").inner_text().startswith("What does unit fc:3")
    broken = "() => [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.evaluate(broken) == 0
    wider = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wider) <= 0
    assert page.locator("figure.cell").count() >= 3 * 3 + 2
    page.screenshot(path=str(tmp_path / f"{size}.png"), full_page=True)
    page.close()
