"""The documentation's site: `make docs`."""

import json
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


def setup(app: Sphinx) -> None:
    """Tell Sphinx of notebooks."""
    app.add_source_parser(NotebookParser)
