"""What a command imports before it does anything: counted in modules, not in seconds."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import invariscope
from invariscope import plot
from invariscope.store.files import replace_file

HEAVY = (
    *("torch", "numpy", "pandas", "pyarrow", "scipy", "matplotlib", "sklearn", "statsmodels"),
    *("pydantic", "PIL", "safetensors", "torchvision", "timm", "transformers", "jinja2", "cma"),
)
# One child process for all of it: each line is what was imported by then.
SCRIPT = """
import contextlib, io, json, random, sys
seen = lambda: sorted({name.partition(".")[0] for name in sys.modules})
counted, opened = {}, []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
weights = lambda: [p for p in opened if "weights" in p and not p.endswith((".py", ".pyc"))]
import invariscope
names = dir(invariscope)
counted["import"] = seen()
from invariscope.cli.app import run
with contextlib.redirect_stdout(io.StringIO()) as text:
    run(["--help"])
counted["help"] = seen()
before = weights()
with contextlib.redirect_stdout(io.StringIO()):
    run(["units", "embedded:standard"])
counted["units"] = seen()
from invariscope import plot
plots = dir(plot)
counted["plots"] = seen()
plot.front
counted["front"] = seen()
after = weights()
import numpy, torch
drawn = random.getstate()
numbers, tensors = numpy.random.get_state()[1].tolist(), torch.random.get_rng_state()
threads = torch.get_num_threads()
for name in names:
    getattr(invariscope, name)
same = {
    "random": drawn == random.getstate(),
    "numpy": numbers == numpy.random.get_state()[1].tolist(),
    "torch": torch.equal(tensors, torch.random.get_rng_state()),
    "threads": threads == torch.get_num_threads(),
}
print(json.dumps({"names": names, "plots": plots, "help": text.getvalue(), "counted": counted,
                  "weights": [before, after], "same": same}))
"""


@pytest.fixture(scope="module")
def child():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def heavy(child, moment):
    return sorted(set(child["counted"][moment]) & set(HEAVY))


def test_help_and_import_load_no_heavy_module(child):
    assert heavy(child, "import") == []
    assert heavy(child, "help") == []
    assert "Hundreds of runs" in child["help"]


def test_listing_units_loads_torch_but_no_tables_and_no_plots(child):
    assert heavy(child, "units") == ["PIL", "numpy", "safetensors", "torch"]


def test_matplotlib_comes_with_the_first_plot(child):
    assert set(child["plots"]) == set(plot.__all__)
    assert "matplotlib" not in child["counted"]["plots"]
    assert "matplotlib" in child["counted"]["front"]


def test_fault_work_and_file_reads_at_import(child):
    before, after = child["weights"]
    assert before == []
    assert any(path.endswith(".safetensors") for path in after)  # a command's: the check sees them
    assert child["same"] == dict.fromkeys(("random", "numpy", "torch", "threads"), True)


# Modules and names that Windows does not have.
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {
    "os": {"O_DIRECTORY", "fork", "getuid", "geteuid", "getpgid", "killpg", "setsid", "statvfs"}
    | {"sched_getaffinity", "sysconf", "uname", "mkfifo", "nice", "wait4", "getloadavg"},
    "signal": {"SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "alarm", "pthread_sigmask"},
}
BLOCKED = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))  # importing one of them fails
import invariscope
dir(invariscope)
from invariscope.cli.app import run
raise SystemExit(run(["--help"]))
"""


def test_import_and_help_meet_nothing_that_only_posix_has():
    # Python's own start imports `posix`.
    blocked = sorted(POSIX_MODULES - {"posix"})
    command = [sys.executable, "-c", BLOCKED, *blocked]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "Hundreds of runs" in done.stdout


def test_the_command_line_is_there_as_a_module_too():
    command = [sys.executable, "-m", "invariscope", "no-such-command"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Unknown command" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_is_written_where_no_folder_can_be_opened(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_DIRECTORY")
    replace_file(tmp_path / "a.txt", lambda part: part.write_text("whole"))
    assert (tmp_path / "a.txt").read_text() == "whole"


def run_at_import(node):
    """The nodes below a module's that run when it is imported: none of a function's body."""
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            around = [child.args, *getattr(child, "decorator_list", [])]
            for part in around:
                yield from run_at_import(part)
        else:
            yield from run_at_import(child)


def met(source):
    """What only POSIX has and a module meets when it is imported."""
    for node in run_at_import(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from {a.name.partition(".")[0] for a in node.names} & POSIX_MODULES
        elif isinstance(node, ast.ImportFrom) and not node.level:
            home, names = str(node.module).partition(".")[0], {a.name for a in node.names}
            yield from {home} & POSIX_MODULES | names & POSIX_NAMES.get(home, set())
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from {node.attr} & POSIX_NAMES.get(node.value.id, set())


def test_no_module_meets_what_only_posix_has_when_it_is_imported():
    sources = Path(invariscope.__file__).parent.rglob("*.py")
    assert {path.name: own for path in sources if (own := [*met(path.read_text())])} == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import fcntl", ["fcntl"]),
        ("from signal import SIGKILL", ["SIGKILL"]),
        ("class A:\n    user = os.getuid()", ["getuid"]),
        ("def f(user=os.getuid()):\n    pass", ["getuid"]),
        ("def f():\n    import resource\n    return os.getuid()", []),
        ("import os\nos.getpid()", []),
    ],
)
def test_what_is_met_at_import_is_told_from_what_a_function_meets(source, expected):
    assert [*met(source)] == expected


def test_names_are_listed_before_they_are_loaded(child):
    assert set(invariscope.__all__) | {"plot"} <= set(child["names"])


def test_type_checkers_and_python_find_each_name_in_the_same_module():
    tree = ast.parse(Path(invariscope.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.name: node.module
        for node in block.body
        for alias in node.names
        if alias.name != "plot"
    }
    modules = {name: home for name, home in invariscope._MODULES.items() if name != "plot"}
    assert told == modules
    assert sorted(told) == sorted(invariscope.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'stretch_and_sqeeze'"):
        _ = invariscope.stretch_and_sqeeze


def test_a_commands_line_in_the_overview_opens_its_own_help():
    from invariscope.cli.app import COMMANDS, app

    for commands in COMMANDS.values():
        for name, line in commands.items():
            assert line.endswith(".")
            assert app[name].name[0] == name
