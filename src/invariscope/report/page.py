"""Parts of every page: templates that escape names, pictures and tables in the page itself."""

import io
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from invariscope.markup import data_uri


def picture(path: Path) -> str:
    """Write a PNG file as an address that holds the file."""
    return data_uri(path.read_bytes(), "image/png")


def svg(figure: Figure) -> str:
    """Write a figure as an address that holds the figure, the same bytes every time."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "invariscope"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return data_uri(buffer.getvalue(), "image/svg+xml")


def csv(table: pd.DataFrame) -> str:
    """Write a table as the address of a CSV file."""
    return data_uri(table.to_csv(index=False).encode(), "text/csv")


def fill(template: str, context: dict[str, Any]) -> str:
    """Fill a template of this room; names are escaped, a missing value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("invariscope.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(context)
