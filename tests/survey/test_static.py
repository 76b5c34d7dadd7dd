"""The committed bundle: built from the sources here, with licences, and self-sufficient."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from invariscope.survey.participant_server import FILES, STATIC

WEB = Path(__file__).parents[2] / "web"


def test_the_bundle_is_built_from_these_sources():
    digest = hashlib.sha256()
    names = ["build.mjs", "package.json", "package-lock.json"]
    names += [f"{f}/{p.name}" for f in ("src", "licences") for p in (WEB / f).iterdir()]
    for name in sorted(names):
        digest.update(f"{name}\0".encode() + (WEB / name).read_bytes())
    built = json.loads((STATIC / "build.json").read_text())
    assert built["sources"] == digest.hexdigest(), "run `npm run build` in web/"


def test_the_lock_names_no_registry():
    assert "resolved" not in (WEB / "package-lock.json").read_text()


def test_every_bundled_package_has_its_licence():
    text = (STATIC / "LICENSES.txt").read_text()
    for name in ("auto-bind", "jspsych", "random-words", "seedrandom"):
        assert re.search(rf"^{name} [\d.]+ \(", text, re.MULTILINE)
    assert text.count("Permission is hereby granted") >= 4


@pytest.mark.parametrize("name", ["app.css", "index.html", "live.html", "compare.html"])
def test_pages_and_styles_name_no_other_origin(name):
    assert "http" not in (STATIC / name).read_text()


def test_every_file_of_the_bundle_is_served_and_there():
    there = {path.name for path in STATIC.iterdir()}
    assert there == {*FILES, "index.html", "live.html", "compare.html", "build.json"}


def test_pages_use_texts_that_exist_and_all_of_them():
    words = set(json.loads((STATIC.parent / "words.json").read_text()))
    words |= set(json.loads((STATIC.parent / "search_words.json").read_text()))
    sources = "".join(path.read_text() for path in (WEB / "src").glob("*.js"))
    used = set(re.findall(r"\bwords\.(\w+)", sources))
    pages = set(re.findall(r"\{\{(\w+)\}\}", (STATIC / "index.html").read_text()))
    assert used | pages == words
