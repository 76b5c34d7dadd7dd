"""The documentation's site: `make docs`."""

import json
import re
from pathlib import Path
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


# What screen readers and keyboards need and neither Sphinx nor the theme writes: a level of the
# sidebar's captions, and a way into blocks that scroll sideways.
ACCESSIBLE = (
    (r'<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'),
    (r"<pre>", '<pre tabindex="0">'),
    (r'(<div class="table-wrapper[^"]*")>', r'\1 tabindex="0">'),
)


def make_accessible(app: Sphinx, problem: Exception | None) -> None:
    """Complete the pages that were written."""
    if problem is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for written, complete in ACCESSIBLE:
            text = re.sub(written, complete, text)
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Tell Sphinx of notebooks, and of what its pages lack."""
    app.add_source_parser(NotebookParser)
    app.connect("build-finished", make_accessible)
