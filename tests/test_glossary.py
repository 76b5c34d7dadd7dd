"""One word, one meaning: class names are unique, and the glossary has every public name."""

import ast
import re
from collections import Counter
from pathlib import Path

import invariscope

ROOT = Path(invariscope.__file__).parent
GLOSSARY = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"
ENTRIES = re.findall(r"^- \*\*(.+?)\*\*: (.+)$", GLOSSARY.read_text(), re.MULTILINE)


def classes():
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield node.name.lstrip("_")


def test_no_two_classes_share_a_name():
    counted = Counter(classes())
    assert counted["Search"] == 1
    assert [name for name, number in counted.items() if number > 1] == []


def test_the_glossary_has_every_public_name():
    terms = {term.strip("`") for term, _ in ENTRIES}
    assert set(invariscope.__all__) <= terms


def test_terms_come_once_in_order_with_a_sentence_each():
    terms = [term for term, _ in ENTRIES]
    assert len(set(terms)) == len(terms)
    keys = [term.strip("`").lower() for term in terms]
    assert keys == sorted(keys)
    assert all(sentence.endswith(".") and len(sentence) < 130 for _, sentence in ENTRIES)
