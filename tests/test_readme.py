"""What the README says is what commands wrote."""

import importlib.util
import re
from pathlib import Path

import pytest

import invariscope

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def first_run():
    spec = importlib.util.spec_from_file_location("first_run", ROOT / "benchmarks/first_run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def between(marker: str) -> str:
    return README.split(f"<!-- {marker} -->\n", 1)[1].split("<!-- end -->", 1)[0]


def test_the_measured_table_is_the_file_that_the_command_wrote():
    assert between("benchmarks/first_run.md") == (ROOT / "benchmarks/first_run.md").read_text()


def test_the_file_is_made_from_the_figures(first_run):
    import json

    figures = json.loads((ROOT / "benchmarks/first_run.json").read_text())
    assert first_run.as_markdown(figures) == (ROOT / "benchmarks/first_run.md").read_text()


def test_the_table_of_what_is_shipped_is_made_from_its_figures(first_run):
    assert between("zoo figures") == first_run.shipped_markdown()


def test_every_public_name_in_the_quick_start_exists():
    names = set(re.findall(r"\biv\.([a-zA-Z_]+)", README))
    assert {"load_subject", "find_mei", "stretch_and_squeeze"} <= names
    assert [name for name in names if not hasattr(invariscope, name)] == []


def test_every_link_to_a_file_leads_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_affine_comparison_interpolates_along_each_curve(first_run):
    import pandas as pd

    affine = pd.DataFrame(
        {
            "kind": ["rotation"] * 3 + ["scale"] * 2,
            "distance": [0.0, 10.0, 30.0, 0.0, 40.0],
            "reduction": [0.0, 20.0, 100.0, 0.0, 100.0],
        }
    )
    assert first_run.affine_distance(affine, 60.0) == pytest.approx(24.0)
    assert first_run.affine_distance(affine, 10.0) == pytest.approx(5.0)
