"""`docs/neurons.md` says what `benchmarks/neurons.json` holds."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def page():
    path = ROOT / "benchmarks" / "neurons_page.py"
    spec = importlib.util.spec_from_file_location("neurons_page", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_command_writes_of_its_figures(page):
    figures = page.read(ROOT / "benchmarks" / "neurons.json")
    assert (ROOT / "docs" / "neurons.md").read_text() == page.render(figures)


def test_the_page_counts_what_the_figures_hold(page):
    figures = page.read(ROOT / "benchmarks" / "neurons.json")
    rows = figures["rows"]["excitation"]
    above = sum(row["mei"] > row["best_photo"] for row in rows)
    assert f"For {above} of {len(rows)} model neurons" in page.render(figures)
    assert len(rows) <= figures["neurons"]
