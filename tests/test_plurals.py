"""Messages count as people do: 1 image, 2 images."""

import ast
import re
from pathlib import Path

import pytest

import invariscope
from invariscope.plurals import number_of

ROOT = Path(invariscope.__file__).parent
TESTS = Path(__file__).parent
NOUNS = """
    answers arrays candidates categories channels characters classes clusters codes coefficients
    columns components conditions epochs events faces files folders folds generators groups images
    invariances judgements labels lines links members networks neurons participants photos pictures
    pixels presentations problems processes pulses recordings repeats responses rows runs samples
    searches segments seeds sessions sites sizes studies tables tokens transformations trials units
    values workers
""".split()  # noqa: SIM905  (a list would take fifty lines)
ADJECTIVES = "(?:found|more|other|seen|spike|test|training) "
COUNTED = re.compile(rf" (?:{ADJECTIVES})?(?:{'|'.join(NOUNS)})\b(?!/)")
ONE = re.compile(rf"(?:^|[^\w.,–-])1 (?:{'|'.join(NOUNS)})\b")
# No count: a name before a verb ("answers"), a word, a shape, or a constant above 1.
NO_COUNT = re.compile(
    r"[A-Z_]+$|\w+\.name$|[a-z]+\[0\] \+ 1$|s\.(least|most)$|facts\['counts'\]$"
    r"|(group|invariance|name|observer|role|sorted|tuple|what|where|wish\.task)\b"
)


@pytest.mark.parametrize(
    ("count", "noun", "form", "told"),
    [
        (1, "image", "", "1 image"),
        (0, "image", "", "0 images"),
        (2, "category", "", "2 categories"),
        (2, "array", "", "2 arrays"),
        (2, "class", "", "2 classes"),
        (3, "search", "", "3 searches"),
        (4, "box", "", "4 boxes"),
        (1200, "other file", ",", "1,200 other files"),
        (2.5, "unit", ".1f", "2.5 units"),
    ],
)
def test_a_number_with_its_noun(count, noun, form, told):
    assert number_of(count, noun, form) == told


def counted(path):
    """The places of a file where an f-string writes a value and a noun in the plural."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if (
                isinstance(value, ast.FormattedValue)
                and value.conversion == -1
                and isinstance(text, ast.Constant)
                and COUNTED.match(text.value)
                and not NO_COUNT.match(ast.unparse(value.value))
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(value)}{text.value}"


def test_what_messages_count_is_counted_by_one_function():
    assert [place for path in sorted(ROOT.rglob("*.py")) for place in counted(path)] == []


def test_no_text_says_a_plural_of_one():
    files = [*ROOT.rglob("*.py"), *ROOT.rglob("*.html"), *TESTS.rglob("test_*.py")]
    files.remove(Path(__file__))
    lines = [(path, line) for path in files for line in path.read_text("utf-8").splitlines()]
    assert [f"{path.name}: {line.strip()}" for path, line in lines if ONE.search(line)] == []
