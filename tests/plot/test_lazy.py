"""Plots are found by name before matplotlib is there."""

import subprocess
import sys

from invariscope import plot

PROGRAM = """
import sys
from invariscope import plot
assert "matplotlib" not in sys.modules
assert sorted(dir(plot)) == sorted(plot.__all__)
assert "matplotlib" not in sys.modules
assert callable(plot.front)
assert "matplotlib" in sys.modules
"""


def test_matplotlib_comes_with_the_first_plot():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


def test_every_name_is_a_plot_of_that_name():
    assert [getattr(plot, name).__name__ for name in plot.__all__] == plot.__all__
    assert plot.__all__ == sorted(plot.__all__)


def test_an_unknown_name_is_an_error():
    assert not hasattr(plot, "fronts")
