"""Every notebook of the documentation runs to its end, and is stored with what its cells give."""

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs").glob("*.ipynb"))


def kinds(cell):
    """What a cell gave, by kind; progress and warnings aside."""
    outputs = [out for out in cell.get("outputs", ()) if out.get("name") != "stderr"]
    return [sorted(out.get("data", {out.output_type: ""})) for out in outputs]


@pytest.fixture(scope="module")
def kernel():
    """One kernel for all notebooks, which each of them empties first: imports are kept."""
    client = pytest.importorskip("jupyter_client")
    manager = client.KernelManager(kernel_name="python3")
    manager.start_kernel()
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_runs(path, kernel):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    stored = [kinds(cell) for cell in notebook.cells]
    assert any(stored)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    client = nbclient.NotebookClient(notebook, km=kernel, timeout=600)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()
    del notebook.cells[0]
    assert [kinds(cell) for cell in notebook.cells] == stored
    text = path.read_text()
    assert "/tmp/" not in text
    assert len(text) < 600_000


def test_there_is_one():
    assert NOTEBOOKS
