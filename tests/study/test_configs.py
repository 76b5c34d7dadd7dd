"""The study files that come with the project."""

import itertools
from pathlib import Path

import pytest

from invariscope.study.file import parse_study, read_study
from invariscope.study.plan import plan_study

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(p for p in CONFIGS.glob("*/*.toml") if p.parent.name != "categories")
# PAPERS.md, "Analyses": which study's runs each is made from.
FIGURES = {"Fig 2", "Fig 3a,b", "Fig 3c", "Fig 4a,b", "Fig 4c", "Fig 4d", "row 8", "row 9"}
FIGURES |= {"row 10", "row 11", "row 12", "row 13", "row 14", "S1", "photo references"}


def only_here(text):
    """A study of the network that is shipped."""
    one = '"embedded:standard"'
    text = text.replace('"embedded:standard" = "standard"\n', "")
    text = text.replace('"embedded:robust" = "robust"\n', "")
    return text.replace(f'{one}, "embedded:robust"', one).replace('"embedded:robust"', one)


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_file_is_a_study(path):
    study = read_study(path)
    assert study.title
    assert study.serves


@pytest.mark.parametrize("size", ["paper", "embedded"])
def test_every_figure_is_served_once_in_each_size(size):
    served = [read_study(path).serves for path in FILES if path.parent.name == size]
    every = set(itertools.chain(*served))
    assert every >= FIGURES
    assert every - FIGURES == ({"Fig 4e"} if size == "paper" else {"Fig 4e", "coverage"})


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.parent.name == "paper"], ids=lambda p: p.name
)
def test_paper_sizes_have_the_papers_settings(path):
    for condition in read_study(path).conditions.values():
        assert (condition.population, condition.generations) == (50, 500)
        assert condition.strategies == ("cma",)
        assert condition.reference.kind == "photos" or condition.reference.tries == 4


@pytest.mark.parametrize(
    ("name", "meis", "runs"),
    [
        ("readout", 20, 10 * 4),
        ("conv_targets", 10, 10),
        ("subsets", 10, 5 * 7),
        ("manifold", 5, 5 * 4),
        ("gradients", 5, 5 * 2),
        ("dimension", 10, 10 * 3 * 100),
    ],
)
def test_embedded_sizes_plan_with_the_network_that_is_there(name, meis, runs, tmp_path):
    study = parse_study(only_here((CONFIGS / "embedded" / f"{name}.toml").read_text()))
    planned_runs = plan_study(study, tmp_path)
    found = sum(run.task == "excitation" for run in planned_runs)
    assert (found, len(planned_runs) - found) == (meis, runs)
    searches = (run for run in planned_runs if run.task != "excitation")
    most = 500 if name in ("readout", "manifold", "subsets") else 200
    assert all(run.options["generations"] <= most for run in searches)


@pytest.mark.parametrize("name", ["architectures", "architectures_manifold"])
def test_other_architectures_have_as_many_runs_at_their_own_sites(name):
    study = read_study(CONFIGS / f"embedded/{name}.toml")
    assert len(study.conditions) == 2
    for condition in study.conditions.values():
        assert len(condition.subjects) * 5 * len(condition.stretch) == 30
        assert condition.generations == 500
    roles = [study.roles[name] for c in study.conditions.values() for name in c.subjects]
    assert roles == ["standard", "robust"] * 2


def test_the_study_of_figures_2_to_4_has_120_runs():
    conditions = read_study(CONFIGS / "embedded/readout.toml").conditions
    invariance, adversarial = conditions["invariance"], conditions["adversarial"]
    assert len(invariance.subjects) * 10 * len(invariance.stretch) == 60
    assert len(adversarial.subjects) * 10 * len(adversarial.stretch) == 20
    assert len(conditions["meis"].subjects) * 10 * len(conditions["meis"].seeds) == 40
