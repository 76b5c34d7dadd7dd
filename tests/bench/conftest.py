"""The tables of `benchmarks/README.md` that are made from files."""

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def written():
    """What a file of figures holds, as text, and the table that stands under its name."""

    def read(name):
        table = (BENCHMARKS / "README.md").read_text().split(f"<!-- {name} -->\n")[1]
        return (BENCHMARKS / name).read_text(), table.split("<!-- end")[0]

    return read
