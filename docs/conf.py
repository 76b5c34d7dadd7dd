"""The documentation's site: `make docs`."""

import json
from typing import Any, ClassVar

from docutils.nodes import document
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx

from invariscope import __version__

project = "invariscope"
author = "The invariscope authors"
copyright = author  # noqa: A001
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "cyclopts.ext.sphinx",
]
copybutton_prompt_text = ">>> |\\.\\.\\. |\\$ "  # of examples; their answers are not copied
copybutton_prompt_is_regexp = True
source_suffix = {".md": "markdown", ".ipynb": "notebook"}
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]

myst_heading_anchors = 3
myst_enable_extensions = ["html_image"]

default_role = "code"  # single backticks in docstrings
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
maximum_signature_line_length = 80

highlight_language = "text"  # of blocks that name none: command lines

html_theme = "furo"
html_title = "invariscope"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sphinx = False


def output(data: dict[str, Any]) -> str:
    """Write a stored output as Markdown: as a picture, as HTML, else as text."""
    found = {kind: "".join(text) for kind, text in data.items()}
    if "image/png" in found:
        address = f"data:image/png;base64,{found['image/png'].strip()}"
        return (
            f'```{{raw}} html\n<p><img alt="figure that the cell draws" src="{address}"></p>\n```'
        )
    if "text/html" in found:
        return f'```{{raw}} html\n<div class="output">{found["text/html"]}</div>\n```'
    return f"```text\n{found['text/plain']}\n```"


def page(cell: dict[str, Any]) -> str:
    """Write a cell as Markdown, with what it gave."""
    text = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return text
    given = [output(one["data"]) for one in cell["outputs"] if "data" in one]
    given += [f"```text\n{''.join(one['text'])}```" for one in cell["outputs"] if "text" in one]
    return "\n\n".join([f"```python\n{text}\n```", *given])


class NotebookParser(MystParser):
    """A notebook as the page of its cells with stored outputs (`docs/run_notebooks.py`)."""

    supported: ClassVar[tuple[str, ...]] = ("notebook",)

    def parse(self, inputstring: str, document: document) -> None:
        cells = json.loads(inputstring)["cells"]
        super().parse("\n\n".join(map(page, cells)), document)


def setup(app: Sphinx) -> None:
    """Tell Sphinx of notebooks."""
    app.add_source_parser(NotebookParser)
