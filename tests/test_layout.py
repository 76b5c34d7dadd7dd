"""The package's shape: where imports go, how long files and functions are, what is public."""

import ast
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

import invariscope

ROOT = Path(invariscope.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# A room imports from itself and from rooms further down.
ROOMS = (
    "testing",
    "__init__",
    "cli",
    "report",
    "plot",
    "survey",
    "rig",
    "paper",
    "categories",
    "study",
    "jobs",
    "analysis",
    "training",
    "experiments",
    "recordings",
    "natural",
    "invariance",
    "store",
    "search",
    "transformations",
    "subjects",
    "generators",
    "photos",
    "zoo",
)
BOTTOM = (
    "markup",
    "units",
    "seeds",
    "validate",
    "errors",
    "devices",
    "memory",
    "optional",
    "progress",
    "user_code",
)
LONGEST_FILE = 400
LONGEST_FUNCTION = 55


def label(path):
    return path.relative_to(ROOT).as_posix()


def room_of(module):
    """The room of a dotted module name below `invariscope`, and its place from the top."""
    words = module.split(".")
    name = words[1] if len(words) > 1 else "__init__"
    return name, len(ROOMS) if name in BOTTOM else ROOMS.index(name)


def module_name(path):
    words = ["invariscope", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(words[:-1] if words[-1] in ("__init__", "__main__") else words)


def imported(path):
    """The modules of the package that a file imports, wherever in the file."""
    own = module_name(path)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "invariscope")
        if isinstance(node, ast.ImportFrom):
            name = resolve_name("." * node.level + (node.module or ""), package)
            if name == "invariscope":
                yield from (_below(alias.name) for alias in node.names)
            elif name.split(".")[0] == "invariscope":
                yield name


def _below(name):
    """`from invariscope import name` reads a submodule, or the public face itself."""
    there = (ROOT / name).is_dir() or (ROOT / f"{name}.py").exists()
    return f"invariscope.{name}" if there else "invariscope"


def functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body:
                yield node.name, body[-1].end_lineno - body[0].lineno + 1


@pytest.mark.parametrize("path", FILES, ids=label)
def test_imports_only_go_down_the_layout(path):
    name, own = room_of(module_name(path))
    for target in imported(path):
        other, place = room_of(target)
        assert place >= own, f"{name} imports {other}, which stands above it"


def test_the_import_check_sees_imports_of_every_form():
    seen = set(imported(ROOT / "__init__.py"))
    assert {"invariscope.search.search", "invariscope.generators"} <= seen
    assert "invariscope.seeds" in set(imported(ROOT / "search" / "ranking.py"))


@pytest.mark.parametrize("path", FILES, ids=label)
def test_files_and_functions_stay_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE
    long = {name: lines for name, lines in functions(path) if lines > LONGEST_FUNCTION}
    assert not long


def test_no_public_name_is_a_subpackages_name():
    subpackages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert "search" in subpackages
    assert not subpackages & set(invariscope.__all__)


def test_every_public_name_is_there_and_sorted():
    assert list(invariscope.__all__) == sorted(invariscope.__all__)
    assert all(hasattr(invariscope, name) for name in invariscope.__all__)


@pytest.mark.parametrize("path", FILES, ids=label)
def test_fault_bare_excepts_turning_failures_into_nan(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ExceptHandler):
            continue
        assert node.type is not None, f"bare except in line {node.lineno}"
        caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
        if caught & {"Exception", "BaseException"}:
            again = any(isinstance(n, ast.Raise) for n in ast.walk(node))
            assert again, f"line {node.lineno} catches everything and goes on"


IMPORT_ONLY = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import random
import numpy, torch
before = random.getstate(), numpy.random.get_state()[1].tolist(), torch.random.get_rng_state()
threads = torch.get_num_threads()
import invariscope
after = random.getstate(), numpy.random.get_state()[1].tolist(), torch.random.get_rng_state()
assert before[:2] == after[:2] and torch.equal(before[2], after[2]), "random state changed"
assert torch.get_num_threads() == threads
weights = [path for path in opened if "weights" in path and not path.endswith((".py", ".pyc"))]
assert not weights, weights
invariscope.load_generator()
assert any("weights" in path and path.endswith(".safetensors") for path in opened)
"""


def test_fault_work_and_file_reads_at_import():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ONLY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


@pytest.mark.parametrize("path", FILES, ids=label)
def test_nothing_that_only_posix_has_is_imported_at_the_top(path):
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    assert not names & POSIX_ONLY
