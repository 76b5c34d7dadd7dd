"""Run the notebooks of the documentation and store what their cells gave.

python docs/run_notebooks.py
"""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
VOLATILE = ("execution", "collapsed")  # when a cell ran


def main() -> None:
    """Run each notebook from its beginning; progress is not kept."""
    for path in sorted(HERE.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
        notebook.metadata.pop("language_info", None)
        for cell in notebook.cells:
            for key in VOLATILE:
                cell.metadata.pop(key, None)
            if cell.cell_type == "code":
                cell.execution_count = None
                cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
                for out in cell.outputs:
                    out.pop("execution_count", None)
                    if out.output_type == "execute_result":
                        out.execution_count = None
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
