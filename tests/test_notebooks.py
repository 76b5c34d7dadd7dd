"""Every notebook of the documentation runs to its end, and is stored with what its cells give."""

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs").glob("*.ipynb"))


def kinds(cell):
    """What a cell gave, by kind; progress and warnings aside."""
    outputs = [out for out in cell.get("outputs", ()) if out.get("name") != "stderr"]
    return [sorted(out.get("data", {out.output_type: ""})) for out in outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_runs(path):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    stored = [kinds(cell) for cell in notebook.cells]
    assert any(stored)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    assert [kinds(cell) for cell in notebook.cells] == stored
    text = path.read_text()
    assert "/tmp/" not in text
    assert len(text) < 600_000


def test_there_is_one():
    assert NOTEBOOKS
