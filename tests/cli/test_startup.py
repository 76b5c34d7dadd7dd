"""What a command imports before it does anything: counted in modules, not in seconds."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import invariscope
from invariscope import plot

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
