"""The package's shape: where imports go, how long files and functions are, what is public."""

import ast
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
    "plurals",
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


def test_imports_only_go_down_the_layout():
    upward = [
        f"{label(path)} imports {target}, which stands above it"
        for path in FILES
        for target in imported(path)
        if room_of(target)[1] < room_of(module_name(path))[1]
    ]
    assert upward == []


def test_the_import_check_sees_imports_of_every_form():
    seen = set(imported(ROOT / "__init__.py"))
    assert {"invariscope.search.search", "invariscope.generators"} <= seen
    assert "invariscope.seeds" in set(imported(ROOT / "search" / "ranking.py"))


def test_files_and_functions_stay_short():
    lines = {label(path): len(path.read_text().splitlines()) for path in FILES}
    assert {file: number for file, number in lines.items() if number > LONGEST_FILE} == {}
    bodies = {f"{label(path)}: {name}": n for path in FILES for name, n in functions(path)}
    assert {name: number for name, number in bodies.items() if number > LONGEST_FUNCTION} == {}


def test_no_public_name_is_a_subpackages_name():
    subpackages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert "search" in subpackages
    assert not subpackages & set(invariscope.__all__)


def test_every_public_name_is_there_and_sorted():
    assert list(invariscope.__all__) == sorted(invariscope.__all__)
    assert all(hasattr(invariscope, name) for name in invariscope.__all__)


def catches_everything(node):
    """Whether a handler takes every error and does not raise again."""
    caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else set()
    again = any(isinstance(n, ast.Raise) for n in ast.walk(node))
    return node.type is None or bool(caught & {"Exception", "BaseException"} and not again)


def test_fault_bare_excepts_turning_failures_into_nan():
    found = [
        f"{label(path)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("handler", "everything"),
    [
        ("except ValueError: pass", False),
        ("except: raise", True),
        ("except Exception: x = float('nan')", True),
        ("except (OSError, BaseException): pass", True),
        ("except BaseException: undo(); raise", False),
    ],
)
def test_the_check_sees_handlers_of_every_form(handler, everything):
    (tried,) = ast.parse(f"try: work()\n{handler}").body
    assert catches_everything(tried.handlers[0]) == everything


POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


def imported_at_the_top(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_nothing_that_only_posix_has_is_imported_at_the_top():
    found = {label(path): POSIX_ONLY & set(imported_at_the_top(path)) for path in FILES}
    assert {file: names for file, names in found.items() if names} == {}
