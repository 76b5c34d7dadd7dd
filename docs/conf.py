"""The documentation's site: `make docs`."""

import json
import re
from pathlib import Path
from typing import ClassVar

from docutils.nodes import document
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx

from invariscope import __version__

project = "invariscope"
author = "The invariscope authors"
copyright = author  # noqa: A001
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "cyclopts.ext.sphinx"]
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
html_copy_source = False
html_show_sphinx = False


class NotebookParser(MystParser):
    """A notebook as the page of its cells; a test runs it, so it is kept without outputs."""

    supported: ClassVar[tuple[str, ...]] = ("notebook",)

    def parse(self, inputstring: str, document: document) -> None:
        cells = json.loads(inputstring)["cells"]
        texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
        pages = [f"```python\n{text}\n```" if kind == "code" else text for kind, text in texts]
        super().parse("\n\n".join(pages), document)


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
