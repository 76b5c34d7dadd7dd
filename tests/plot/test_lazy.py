"""Plots are found by name; `cli/test_startup.py` holds when matplotlib comes."""

import pytest

from invariscope import plot


def test_a_notebook_shows_axes_and_figures_as_pictures():
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    cells = [
        "from invariscope.plot.axes import new_axes\nax = new_axes(None)\nax",
        "ax.figure",
        "import matplotlib.pyplot as plt\nown, beside = plt.subplots()\nbeside",
    ]
    code = [nbformat.v4.new_code_cell(text) for text in cells]
    notebook = nbformat.v4.new_notebook(cells=code)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    pictures = [
        sum("image/png" in output.get("data", ()) for output in cell.outputs)
        for cell in notebook.cells
    ]
    assert pictures == [1, 1, 1]


def test_every_name_is_a_plot_of_that_name():
    assert [getattr(plot, name).__name__ for name in plot.__all__] == plot.__all__
    assert plot.__all__ == sorted(plot.__all__)


def test_an_unknown_name_is_an_error():
    assert not hasattr(plot, "fronts")
