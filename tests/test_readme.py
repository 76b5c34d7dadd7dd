"""What the README and `docs/measured.md` say is what commands wrote."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

import invariscope

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
MEASURED = (ROOT / "docs" / "measured.md").read_text()


def benchmark(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def first_run():
    return benchmark("first_run")


def between(marker: str, page: str = MEASURED) -> str:
    return page.split(f"<!-- {marker} -->\n", 1)[1].split("<!-- end -->", 1)[0]


@pytest.mark.parametrize("name", ["first_run", "pair"])
def test_a_measured_table_is_the_file_that_the_command_wrote_from_its_figures(name):
    written = (ROOT / f"benchmarks/{name}.md").read_text()
    figures = json.loads((ROOT / f"benchmarks/{name}.json").read_text())
    assert between(f"benchmarks/{name}.md") == written == benchmark(name).as_markdown(figures)


def test_the_readmes_table_is_made_from_stored_figures():
    readme = benchmark("readme")
    assert between(readme.MARK, README) == readme.as_markdown()


def test_the_twins_table_is_made_from_stored_figures():
    stored = [
        json.loads((ROOT / f"benchmarks/{n}.json").read_text()) for n in ("twin", "frugality")
    ]
    page = (ROOT / "benchmarks" / "README.md").read_text()
    assert between("twin.json", page) == benchmark("frugality").as_markdown(*stored)
    assert between("twin.json fronts", page) == benchmark("frugality").fronts_as_markdown(stored[0])


def test_the_table_of_claims_is_made_from_the_verdicts_of_both_pages():
    claims = benchmark("claims")
    table = claims.as_markdown()
    assert between(claims.MARK, README) == table
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len(lines) - 2 == len(claims.SNS) + len(claims.CATEGORIES) <= 12
    assert (
        len(re.findall(r"\*\*(holds|contradicted|undecided|nothing to compare)\*\*", table)) == 12
    )
    # Below the rows every verdict of both papers is counted, and what is contradicted is named.
    counted = [
        int(n) for n in re.findall(r"(\d+) (?:hold|are contradicted|are undecided|have)", table)
    ]
    totals = [int(n) for n in re.findall(r"Of the (\d+) claims", table)]
    assert [sum(counted[:4]), sum(counted[4:])] == totals


@pytest.mark.statistical
def test_the_pair_shows_what_the_table_says_on_two_of_its_units(tmp_path):
    """Twelve searches of 500 generations, five minutes of two cores."""
    pair = benchmark("pair")
    text = pair.STUDY.read_text().replace('"fc:0-9"', '["fc:2", "fc:8"]')
    file = tmp_path / "few.toml"
    file.write_text(text.replace("seeds = 5", "seeds = 1"))
    pair.main(tmp_path, file)
    figures = json.loads((tmp_path / "pair.json").read_text())
    assert [one["runs"] for one in figures["subjects"]] == [4, 4]
    for one in figures["subjects"]:
        assert one["mei_above_natural_maximum"]["count"] == 2
        assert one["ratio_to_affine"][0] >= 1.3
        assert one["silenced_nearer_than_half"]["count"] >= 1
        assert one["invariance_goal_met"]["count"] >= 1


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
