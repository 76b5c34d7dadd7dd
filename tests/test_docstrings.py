"""Docstrings: every public name has an example that runs, and a first line names its subject."""

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

import invariscope

ROOT = Path(invariscope.__file__).parent

# A pronoun without a noun, wherever it stands; `one` only where no noun follows.
STAND_IN = re.compile(
    r"\b(?:it|they|them|those|what|which|whose|ones)\b"
    r"|\bone(?=$|[.,:;)]| (?:of|that|in|by|after|and|or|is|has|at|for|with|to|so|another)\b)",
    re.IGNORECASE,
)
# Words with which a noun or a question begins. A function's docstring begins with a verb.
NO_VERB = re.compile(
    r"`|(?:an?|the|this|that|its?|each|every|all|both|some|any|no|none|one|two|many|most|half|whether"
    r"|how|where|when|why|who|from|in|on|as|at|of|for|"
    r"(?!pass|process|address|press|compress|guess|express|cross|dismiss)\w+s)\b",
    re.IGNORECASE,
)


def described():
    """Each docstring's place, node and first line."""
    for path in sorted(ROOT.rglob("*.py")):
        inside = path.relative_to(ROOT)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    place = f"{inside}:{getattr(node, 'lineno', 1)}"
                    yield place, node, text.splitlines()[0]


def is_unclear(node, line):
    words = re.sub(r"`[^`]*`", "`", line)  # names in code type are names
    if STAND_IN.search(words):
        return True
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    marks = [ast.unparse(mark) for mark in node.decorator_list] if is_function else []
    is_property = any(mark.endswith("property") for mark in marks)
    return is_function and not is_property and bool(NO_VERB.match(words))


def test_first_lines_have_a_verb_and_an_object():
    unclear = [f"{place}: {line}" for place, node, line in described() if is_unclear(node, line)]
    assert unclear == []


@pytest.mark.parametrize(
    ("line", "unclear"),
    [
        ("Return the first unit.", False),
        ("Draw one run of a study.", False),
        ("Return one.", True),
        ("Keep one of several images.", True),
        ("What a run found.", True),
        ("Write what a run found.", True),
        ("Runs by name.", True),
        ("The runs by name.", True),
        ("Whether a run ended.", True),
        ("Process a batch.", False),
        ("Return `what` and the site.", False),
    ],
)
def test_unclear_lines_are_found(line, unclear):
    node = ast.parse("def function(): ...").body[0]
    assert is_unclear(node, line) == unclear


def examples(found, name, names=None):
    """The doctests of an object and of its members."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(found, name, globs=dict(names or {})) if test.examples]


def check(tests):
    runner = doctest.DocTestRunner(
        verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    written = []
    for test in tests:
        runner.run(test, out=written.append)
    assert not written, "".join(written)


@pytest.mark.parametrize("name", invariscope.__all__)
def test_examples_of_public_names_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tests = examples(getattr(invariscope, name), name)
    assert name in {test.name for test in tests}, f"the docstring of {name} shows no example"
    check(tests)


WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_of_other_names_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = importlib.import_module(module.removesuffix(".__init__"))
    public = tuple(f"{module}.{name}" for name in invariscope.__all__)
    tests = examples(found, module, vars(found))
    check(test for test in tests if not test.name.startswith(public))
