"""The documentation says what is there: names, examples, command lines and notebooks' pages."""

import importlib.util
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

import invariscope
from bench import imagenet_page, rig
from invariscope.cli.app import run

DOCS = Path(__file__).resolve().parent.parent / "docs"
EXAMPLES = sorted((DOCS / "extend").glob("*.md"))
FENCE = re.compile(
    r"(?:<!-- save as: (?P<file>\S+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def test_the_reference_has_every_public_name_once_and_no_other():
    page = (DOCS / "api.md").read_text()
    named = re.findall(r"^\.\. auto(?:class|function):: (\w+)$", page, re.MULTILINE)
    assert sorted(named) == list(invariscope.__all__)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder from which a page's own files can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda path: path.stem)
def test_a_pages_examples_run_in_order(page, place):
    names = {"__name__": f"example_{page.stem}"}
    module = type(sys)(names["__name__"])
    sys.modules[module.__name__] = module  # dataclasses find their module through it
    vars(module).update(names)
    for found in FENCE.finditer(page.read_text()):
        file, language, text = found["file"], found["language"], found["text"]
        if file:
            (place / file).write_text(text)
        if language == "python":
            exec(compile(text, f"{page.name}", "exec"), vars(module))
        for line in text.splitlines() if not language else ():
            assert line.startswith("invariscope "), line
            assert run(shlex.split(line, comments=True)[1:]) == 0, line


def test_the_examples_are_found():
    languages = {m["language"] for page in EXAMPLES for m in FENCE.finditer(page.read_text())}
    assert {"python", ""} <= languages
    assert len(EXAMPLES) > 5


def test_every_command_of_the_pages_exists():
    from invariscope.cli.app import app

    pages = [*DOCS.glob("*.md"), *DOCS.glob("*/*.md"), DOCS.parent / "README.md"]
    lines = [line for page in pages for line in page.read_text().splitlines()]
    named = {m[1] for line in lines if (m := re.match(r"(?:\S*/)?invariscope ([a-z]+)\b", line))}
    assert {"sns", "study", "report"} <= named
    assert named - {name for name in app if not name.startswith("-")} == set()


def test_the_sidebar_calls_each_page_by_its_title():
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    entries = [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]
    assert len(entries) > 20
    assert [entry for entry in entries if "<" in entry] == []


def pictures(page):
    """The pictures of a page: path and words."""
    found = re.findall(r"^!\[(.*?)\]\((\S+?)\)$", page.read_text(), re.MULTILINE)
    return [((page.parent / path).resolve(), words) for words, path in found]


def test_pictures_are_there_with_words_and_not_too_large():
    pages = [DOCS.parent / "README.md", *DOCS.glob("**/*.md")]
    found = {page: pictures(page) for page in pages if "_build" not in page.parts}
    assert found[pages[0]]
    for name in ("index", "start", "models", "studies", "rig", "survey", "gallery"):
        assert found[DOCS / f"{name}.md"], name
    for path, words in (picture for own in found.values() for picture in own):
        assert path.is_file(), path
        assert words, path
        if path.parent == DOCS / "images":
            assert path.stat().st_size <= 300_000, path


def test_every_picture_is_shown_somewhere():
    pages = [DOCS.parent / "README.md", *DOCS.glob("**/*.md")]
    texts = "\n".join(page.read_text() for page in pages)
    assert [path.name for path in (DOCS / "images").iterdir() if path.name not in texts] == []


def benchmark(name):
    """A script of `benchmarks/` as a module."""
    path = DOCS.parent / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses find their module through it
    spec.loader.exec_module(module)
    return module


def measured(name):
    return json.loads((DOCS.parent / "benchmarks" / name).read_text())


def tables():
    """Page, mark and what a command makes of its figures, for each table of the pages."""
    networks = benchmark("real_networks")
    found = measured("real_networks.json")["networks"]
    for name, network in found.items():
        yield "published_networks", name, networks.table(network)
    yield "published_networks", "photo", networks.table({"runs": found["squeezenet"]["photo"]})
    bridge = benchmark("bridge").as_markdown(measured("bridge.json")["rows"])
    yield "categories", "benchmarks/bridge.json", bridge
    twins = (f"rig_twin_{which}.json" for which in ("1000", "weak", "5000"))
    for name in ("rig.json", "rig_v4.json", *twins):
        yield "rig", f"benchmarks/{name}", rig.as_markdown(measured(name)["rows"])
    study = benchmark("readout_study").page(measured("readout_study.json"))
    yield "studies", "benchmarks/readout_study.md", study
    invariance = benchmark("invariance_figures").as_markdown(measured("invariance_figures.json"))
    yield "invariance", "benchmarks/invariance_figures.md", invariance
    gpu = benchmark("engine_gpu").as_markdown(measured("engine_gpu.json"))
    yield "../benchmarks/README", "engine_gpu.json", gpu
    people = benchmark("people_search").as_markdown(measured("people_search.json"))
    yield "people_search", "benchmarks/people_search.json", people
    attacked = benchmark("survey").as_markdown(measured("survey_attacked.json"))
    yield "survey_online", "benchmarks/survey_attacked.json", attacked
    imagenet = measured("imagenet.json")
    for name, table in imagenet_page.TABLES.items():
        yield "imagenet", f"imagenet.json {name}", table(imagenet)
    bound = benchmark("code_bound").as_markdown(measured("code_bound.json"))
    yield "measured", "benchmarks/code_bound.json", bound
    reliable = benchmark("reliability").as_markdown(measured("reliability.json")["kinds"])
    yield "reliability", "benchmarks/reliability.json", reliable


def test_the_tables_of_the_pages_are_what_commands_made_of_their_figures():
    for page, mark, expected in tables():
        text = (DOCS / f"{page}.md").read_text()
        block = text.split(f"<!-- {mark} -->\n", 1)[1].split("<!-- end -->", 1)[0]
        assert block == expected, (page, mark)


def test_the_page_about_people_is_what_its_command_makes_of_its_figures():
    made = benchmark("people").page(measured("people.json"))
    assert (DOCS / "reproduce" / "people.md").read_text() == made


def test_what_a_batch_costs_is_told_as_it_was_measured():
    small, large = (measured("rig_overhead.json")[f"{side} px"]["median_ms"] for side in (96, 224))
    text = " ".join((DOCS / "rig.md").read_text().split())
    assert f"{small:.0f} ms for a batch of 50 images of 96 px" in text
    assert f"and {large:.0f} ms at 224 px" in text
    twin = measured("rig_overhead.json")["twin"]
    told = f"{twin['embedded']:.1f} seconds on two processor cores with `embedded`"
    told += f" ({twin['embedded:v1']:.1f} with `embedded:v1`)"
    concepts = " ".join((DOCS / "concepts.md").read_text().split())
    assert f"A batch of 50 takes {told}" in concepts


def test_units_that_cma_does_not_find_are_told_as_they_were_measured():
    (noisy,) = (
        c
        for c in measured("twin.json")["conditions"]
        if (c["task"], c["noise"]) == ("invariance", 0.2)
    )
    longest: dict = {}
    for row in sorted(noisy["rows"], key=lambda row: row["images"][-1]):
        if row["strategy"] == "twin":
            longest[row["half"]] = row
    ((told,), (tuned,)) = (longest[half]["left_out"].values() for half in ("told", "tuned"))
    assert all(row["needed_of_all"]["images"] == 250 for row in longest.values())
    text = " ".join((DOCS.parent / "benchmarks" / "README.md").read_text().split())
    assert f"has {told:.2f} (1,000 images) and {tuned:.2f} (500)" in text
    assert "at most 250 images in both halves" in text
    concepts = " ".join((DOCS / "concepts.md").read_text().split())
    assert f"`cma` ends with nothing and a twin with {told:.2f}" in concepts


def test_the_second_attack_is_told_as_it_was_measured():
    found = {row["network"]: row for row in measured("second_attack.json")["networks"]}
    text = " ".join((DOCS / "models.md").read_text().split())
    keys = ("ours", "foolbox_l2_pgd", "foolbox_ddn")
    robust, standard = (
        [f"{100 * found[f'embedded:{name}'][key]:.1f}" for key in keys]
        for name in ("robust", "standard")
    )
    assert "keeps {} % under that attack, and {} and {} % under two".format(*robust) in text
    assert "`standard` {} %, {} and {} %".format(*standard) in text
