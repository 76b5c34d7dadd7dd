"""Pages of the documentation's site: readable by everybody, at laptop and phone size."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"
PAGES = ("index", "start", "studies", "survey", "people_search", "glossary")
SCREENS = {"phone": (390, 844, "dark"), "laptop": (1280, 800, "light")}
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", PAGES)
def test_an_accessibility_checker_finds_nothing_serious(browser, serious, name, screen, tmp_path):
    path = SITE / f"{name}.html"
    if not path.exists():
        pytest.skip("the documentation is not built; `make docs` builds it")
    width, height, scheme = SCREENS[screen]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(path.as_uri())
    page.screenshot(path=str(tmp_path / f"{name}-{screen}.png"))
    found, wider = serious(page), page.evaluate(WIDER)
    page.close()
    assert found == []
    assert wider <= 0
