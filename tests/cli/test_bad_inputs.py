"""Bad arguments and files: exit 2 with one sentence, or a run that means what was said.

The inputs are the same in every run: `derandomize` makes them from the test's own text. A few run
with the quick suite, the whole with the statistical one.
"""

import ast
import math
import re
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest
import tomli_w
from cyclopts import CycloptsError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from stated import differs, paradigm_differs, study_differs

from invariscope.categories.file import parse_paradigm
from invariscope.cli.app import app, run
from invariscope.cli.numbers import LAST_SEED, MOST
from invariscope.errors import InputError
from invariscope.rig.file import parse_session
from invariscope.store.toml_text import read_toml
from invariscope.study.file import parse_study
from invariscope.survey.design import parse_design

FIXED = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
SHORT = ["--generations", "2", "--population", "8", "--precision", "float32", "--device", "cpu"]
OUTCOMES = Counter()  # what came of each input, for the table of docs/reliability.md
RELIABLE = pytest.mark.reliability("bad arguments and files", "refused")


def leaves(group=app, path=()):
    """Every command with its words."""
    names = [name for name in group if not name.startswith("-")]
    if not names:
        yield path, group
    for name in names:
        yield from leaves(group[name], (*path, name))


COMMANDS = dict(leaves())


def arguments(path):
    return [a for a in COMMANDS[path].assemble_argument_collection(parse_docstring=False) if a.name]


OPTIONS = [
    (path, a)
    for path in COMMANDS
    for a in arguments(path)
    if a.name.startswith("--") and not a.name.startswith("---")
]


def numbers_of(kind):
    hint = re.compile(rf"\b{kind}\b")
    return [(path, a) for path, a in OPTIONS if hint.search(str(a.hint))]


def given_words(path, option, value):
    """A command line that would be complete, with one option of this value."""
    words = [*path]
    for a in arguments(path):
        if a.index is not None and a.required:
            words.append("fc:3" if a.name == "UNIT" else "x")
        elif a.required and a.name != option:
            words += [a.name, "x"]
    return [*words, f"{option}={value}"]


@RELIABLE
@pytest.mark.parametrize(("path", "option"), [(p, a.name) for p, a in numbers_of("int")])
@pytest.mark.parametrize(
    "value", ["1.5", "99999999999999999999", "-1", "x", "nan", "1e3", "9" * 5000]
)
def test_options_of_whole_numbers_take_no_others(path, option, value):
    with pytest.raises(CycloptsError):
        app.parse_args(given_words(path, option, value), exit_on_error=False, print_error=False)


@RELIABLE
@pytest.mark.parametrize(("path", "option"), [(p, a.name) for p, a in numbers_of("float")])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "x", "1e999"])
def test_options_of_numbers_take_no_nan_or_infinity(path, option, value):
    with pytest.raises(CycloptsError):
        app.parse_args(given_words(path, option, value), exit_on_error=False, print_error=False)


def bound_value(bound, option):
    """What a command would be called with for an option, wherever it stands."""
    name = option.removeprefix("--").replace("-", "_")
    for key, value in bound.arguments.items():
        if key == name:
            return value
        if hasattr(value, name):
            return getattr(value, name)
    raise AssertionError(f"{option} is not among {list(bound.arguments)}")


def check_number(choice, text):
    path, option = choice
    words = given_words(path, option.name, text)
    try:
        _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError:
        OUTCOMES["refused"] += 1
        return
    OUTCOMES["right"] += 1
    value = bound_value(bound, option.name)
    value = value[0] if isinstance(value, list | tuple) else value
    if "int" in str(option.hint):
        assert type(value) is int
        assert value == int(text)
        assert 0 <= value <= (LAST_SEED if "seed" in option.name else MOST)
    else:
        assert value == float(text)
        assert math.isfinite(value)


TEXTS = (
    st.integers(-(2**70), 2**70).map(str)
    | st.floats().map(str)
    | st.text("0123456789eE.+-_ xinfa", max_size=12)
)


@RELIABLE
@settings(max_examples=60, **FIXED)
@given(st.sampled_from(numbers_of("int") + numbers_of("float")), TEXTS)
def test_an_accepted_number_is_the_one_that_was_said(choice, text):
    check_number(choice, text)


@RELIABLE
@pytest.mark.statistical
@settings(max_examples=1000, **FIXED)
@given(st.sampled_from(numbers_of("int") + numbers_of("float")), TEXTS)
def test_an_accepted_number_is_the_one_that_was_said_whole(choice, text):
    check_number(choice, text)


STUDY = """
title = "a study"
[shared]
subjects = ["embedded:standard"]
units = ["fc:0-1", { site = "fc", sample = 2, seed = 1 }]
seeds = 2
generations = 2
population = 8
reference = { tries = 2, generations = 2 }
[conditions.invariance]
stretch = ["pixels", { site = "layer3.0.conv1", sample = 3, draws = 2 }]
[conditions.adversarial]
tasks = "adversarial"
seeds = [0, 7]
sigma = 1.0
"""
FEW = """
[conditions.invariance]
subjects = "embedded:standard"
units = "fc:0"
generations = 2
population = 8
"""
PARADIGM = """
title = "networks"
transformations = ["inversion", { name = "blur", sigma = 2.0 }, ["hue", "rotation-90"]]
tested = ["white-noise"]
counts = [1, 2]
seeds = 2
tau = 0.1
options = { hidden = 10, widths = [4, 6, 8, 8] }
[data]
folder = "photos"
side = 16
[recipe]
like = "small"
epochs = 1
batch = 4
rate = 0.1
[grid]
rates = [0.1, 0.01]
decays = [0.0, 0.1]
"""
SESSION = """
[rig]
name = "x"
units = ["a", "b"]
window = [50, 150.0]
on_ms = 100.0
subject = { species = "x" }
[range]
photos = "photos"
images = 3
[blocks]
trials = 10
drift = 300.0
[search]
targets = ["best"]
strategy = "isotropic"
population = 8
[final]
share = 0.5
"""
DESIGN = """
categories = ["a", "b", "c"]
per_condition = 2
seed = 7
[show]
presentation_ms = 150
mask = "noise"
[completion]
link = "https://x"
[exclusion]
catch = 0.5
"""
READERS = {
    "study": (STUDY, lambda text: parse_study(text, "f"), study_differs),
    "categories": (PARADIGM, lambda text: parse_paradigm(text, "f", Path()), paradigm_differs),
    "session": (SESSION, lambda text: parse_session(text, "f"), differs),
    "design": (DESIGN, lambda text: parse_design(read_toml(text, "f"), "f"), differs),
}
NASTY = [0, -1, 1, 1.5, -0.5, 2**63 - 1, -(2**63), math.nan, math.inf, -math.inf, "", "x", "nan"]
NASTY += [[], [[]], [["x"]], [1], ["x"], [1, 2, 2], [math.nan], {}, {"a": math.nan}, True, "é🙂"]
NASTY += [{"site": "none", "sample": 10}, {"name": "blur", "sigma": "x"}, "a" * 300, "file.py:f"]
NASTY += [{"name": "blur", "sigma": math.inf}, "fc:0-99999999999", "fc:" + "9" * 5000, "[red]"]
NASTY += [{"first": 1, "last": 2, "number": 2**62}, {"like": "small", "momentum": "x"}, "cma", 3]


def places(document, path=()):
    """Where something stands in a document, inner places too."""
    pairs = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in pairs:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@st.composite
def changed_files(draw):
    """The name of a format, and a file of that format in which something is wrong."""
    name = draw(st.sampled_from(list(READERS)))
    text = READERS[name][0]
    how = draw(st.sampled_from(["value", "value", "value", "value", "key", "cut", "text", "deep"]))
    if how == "cut":
        at = draw(st.integers(0, len(text)))
        return name, text[:at] + draw(st.text(max_size=5)) + text[at + draw(st.integers(0, 9)) :]
    if how == "text":
        return name, draw(st.text(max_size=60))
    if how == "deep":
        return name, draw(st.sampled_from(["a = ", "seeds = ", "[rig]\nx = "])) + "[" * 5000
    document = read_toml(text, "f")
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places(document))))
        inner = document
        for key in path[:-1]:
            inner = inner[key]
        if how == "key" and isinstance(inner, dict):
            inner[draw(st.sampled_from(["x", "seed", "sample", "names"]))] = inner.pop(path[-1])
        else:
            inner[path[-1]] = draw(
                st.sampled_from(NASTY).map(deepcopy) | st.integers(-(2**63), 2**63 - 1)
            )
    return name, tomli_w.dumps(document)


def check_file(case):
    name, text = case
    _, read, differs_from = READERS[name]
    try:
        held = read(text)
    except InputError:
        OUTCOMES["refused"] += 1
        return
    OUTCOMES["right"] += 1
    document = read_toml(text, "f")  # what is accepted was TOML
    assert not differs_from(document, held)
    left = [document]
    while left:
        value = left.pop()
        assert not (isinstance(value, float) and not math.isfinite(value)), text
        left += (
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        )


@RELIABLE
@pytest.mark.parametrize("name", READERS)
def test_an_unchanged_file_is_held_as_it_states(name):
    text, read, differs_from = READERS[name]
    OUTCOMES["right"] += 1
    document = read_toml(text, "f")
    assert not differs_from(document, read(text))
    other = read_toml(text.replace("1", "7"), "f")
    assert differs_from(other, read(text))  # the oracle sees another number


@RELIABLE
@settings(max_examples=100, **FIXED)
@given(changed_files())
def test_a_file_is_refused_or_read(case):
    check_file(case)


@RELIABLE
@pytest.mark.statistical
@settings(max_examples=1000, **FIXED)
@given(changed_files())
def test_a_file_is_refused_or_read_whole(case):
    check_file(case)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with one of everything, where commands run."""
    place = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for name in ("ant", "bee"):
            for kind in ("train", "val"):
                (place / "photos" / kind / name).mkdir(parents=True)
                for k in range(4):
                    noise = Image.effect_noise((24, 24), 40 + k).convert("RGB")
                    noise.save(place / "photos" / kind / name / f"{k}.png")
        (place / "text.txt").write_text("a line\nanother\tline\n")
        (place / "binary").write_bytes(bytes(range(256)))
        (place / "empty").mkdir()
        (place / "broken.py").write_text("def f(:\n")
        (place / "raises.py").write_text("def f():\n    return 1 / 0\n")
        (place / "few.toml").write_text(FEW)
        (place / "networks.toml").write_text(PARADIGM)
        (place / "answers.csv").write_text("participant,session\n1,2\n")
        (place / "survey").mkdir()
        (place / "survey" / "design.toml").write_text(DESIGN)
        (place / "survey" / "words.json").write_text("{}")
        (place / "survey" / "images.csv").write_text("file,category\na.png,a\n")
        assert run(["sns", "embedded:standard", "fc:3", *SHORT, "--out", "runs"]) == 0
        assert run(["study", "run", "few.toml", "--device", "cpu"]) == 0
        assert run(["study", "pack", "store/studies/few", "packed.tar"]) == 0
        assert run(["categories", "plan", "networks.toml", "--rate", "9", "--out", "planned"]) == 0
        yield place


PROGRESS = ("planning ", "writing to ", "note: ")  # what a command may say before it refuses
PATHS = ["text.txt", "binary", "empty", "text.txt/x", "missing/x", "a" * 300, "", "photos", "runs"]
PATHS += ["store", "store/studies/few", "store/runs", "packed.tar", "networks.toml", "planned"]
PATHS += ["photos/train", "answers.csv", "survey", "few.toml", "é🙂", "[red]", "binary/y/z"]
MODELS = ["embedded:standard", "embedded:x", "embedded:", "", ":", "x", "file.py:f", "broken.py:f"]
MODELS += ["raises.py:f", "text.txt", "text.txt:f", "binary:f", "categories:runs", "recorded:runs"]
MODELS += ["categories:text.txt", "cifar:x", "torchvision:x", "[red]", "empty:f", "codes:binary"]
UNITS = ["fc:3", "fc", "fc:", ":", "", "fc:-1", "fc:10", "fc:1,2", "fc:3+fc:3", "fc:" + "9" * 5000]
UNITS += ["layer3.0.conv1:3,center", "x:1", "fc:nan", "fc:cls,1", "fc:*,1", "[red]:1", "+"]
DEVICES = ["cpu", "meta", "cuda:99", "", "x", "cpu:7", "mps", "xla"]
WORDS = ["", "x", "nan", "-1", "0", "1", "1.5", "99999999999999999999", "[red]", "all", "a" * 300]
# Commands that end by themselves, each with words that would do.
RUNNABLE = {
    ("units",): ["embedded:standard"],
    ("mei",): ["embedded:standard", "fc:3"],
    ("sns",): ["embedded:standard", "fc:3"],
    ("study", "plan"): ["few.toml"],
    ("study", "status"): ["few.toml"],
    ("study", "reindex"): [],
    ("study", "unpack"): ["packed.tar"],
    ("study", "pack"): ["store/studies/few", "again.tar"],
    ("study", "import-snslib"): ["empty"],
    ("analyze",): ["store/studies/few"],
    ("categories", "plan"): ["networks.toml"],
    ("categories", "evaluate"): ["planned"],
    ("categories", "report"): ["planned"],
    ("categories", "reproduce"): ["planned"],
    ("data", "facescrub"): ["text.txt", "photos"],
    ("natural",): ["embedded:standard", "photos/train"],
    ("profile",): ["runs", "photos/train"],
    ("report",): ["runs"],
    ("rig", "serve"): ["text.txt"],
    ("rig", "export"): ["empty"],
    ("survey", "make"): ["store/studies/few"],
    ("survey", "export"): ["survey"],
    ("survey", "simulate"): ["survey"],
    ("survey", "show"): ["answers.csv"],
}
LATER = ("--host", "--engine", "--compile", "--generator")  # other computers, minutes, downloads
ALWAYS = {
    ("mei",): SHORT,
    ("sns",): SHORT,
    ("study", "plan"): ["--rate", "9"],
    ("categories", "plan"): ["--rate", "9"],
    ("analyze",): ["--only", "distance"],
    ("natural",): ["--device", "cpu"],
    ("categories", "reproduce"): ["--out", "page.md"],
    ("rig", "serve"): ["--out", "rig"],
    ("survey", "simulate"): ["--observer", "embedded:standard"],
}


@st.composite
def command_lines(draw):
    """A command that ends by itself, with positional words and up to two options of any kind."""
    path = draw(st.sampled_from(list(RUNNABLE)))
    words = list(RUNNABLE[path])
    for k, good in enumerate(words):
        pool = {"embedded:standard": MODELS, "fc:3": UNITS}.get(good, PATHS)
        if draw(st.integers(0, 3)) == 0 and not good.startswith("again"):
            words[k] = draw(st.sampled_from(pool))
    options = [a for p, a in OPTIONS if p == path and a.name not in LATER]
    own = ALWAYS.get(path, [])
    number = draw(st.sampled_from([0, 0, 1, 1, 2])) if options else 0
    for option in draw(
        st.lists(st.sampled_from(options or [None]), min_size=number, max_size=number)
    ):
        if option.name in own and option.name in ("--generations", "--population", "--rate"):
            continue
        if option.name.startswith("--no") or "bool" in str(option.hint):
            words.append(option.name)
            continue
        pool = WORDS
        if "Path" in str(option.hint):
            pool = PATHS[:5] if option.name in ("--out", "--ids", "--nwb", "--figures") else PATHS
        pool = DEVICES if option.name == "--device" else pool
        pool = ["0", "1.5", "-1", "x"] if option.name in ("--seeds", "--tries") else pool
        words += [option.name, draw(st.sampled_from(pool))]
    return [*path, *own, *words]


def check_line(world, words, capsys):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world)
        code = run(words)
    said = capsys.readouterr().err
    assert code in (0, 2), words
    OUTCOMES["refused" if code else "right"] += 1
    if code == 2:
        *progress, last = said.strip().splitlines()
        assert last.startswith("error: "), (words, said)
        assert all(line.startswith(PROGRESS) for line in progress), (words, said)


@RELIABLE
@settings(max_examples=30, **FIXED)
@given(words=command_lines())
def test_a_command_says_what_is_wrong(world, capsys, words):
    check_line(world, words, capsys)


@RELIABLE
@pytest.mark.statistical
@settings(max_examples=1000, **FIXED)
@given(words=command_lines())
def test_a_command_says_what_is_wrong_whole(world, capsys, words):
    check_line(world, words, capsys)


def texts_of(path):
    """Every literal text of a file, docstrings apart."""
    tree = ast.parse(path.read_text())
    notes = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield node.value


@pytest.mark.reliability("messages fit the cause", "right")
def test_every_option_that_a_message_names_exists():
    import invariscope

    root = Path(invariscope.__file__).parent
    every = {name for _, a in OPTIONS for name in a.names} | {
        *("--debug", "--quiet", "--help", "--version", "--install-completion")
    }
    of_room = {
        room: {name for path, a in OPTIONS if path[0] in commands for name in a.names}
        for room, commands in {
            "survey": ("survey", "people"),
            "rig": ("rig",),
            "categories": ("categories",),
        }.items()
    }
    seen = 0
    for path in root.rglob("*.py"):
        room = path.relative_to(root).parts[0]
        if (
            room in ("training", "plot", "report") or path.name == "distributed.py"
        ):  # own parsers, styles
            continue
        known = of_room.get(room, every) | {"--no-top", "--debug"}
        for text in texts_of(path):
            named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
            seen += len(named)
            assert named <= known, (path.name, named - known)
    assert seen > 20
