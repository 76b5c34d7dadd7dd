"""Every text that a participant reads, in one file that a lab translates or rewrites."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from invariscope.errors import InputError, StoreError, unknown

ENGLISH = Path(__file__).with_name("words.json")
PLACE = re.compile(r"\{(\w+)\}")
KINDS = ("number", "choice", "text")
# Parts that a lab fills as it likes; all others must have the English file's keys.
FREE = ("categories", "questions")
# Texts that older files do not have: English until they are translated.
NEWER = ("gate_title", "gate_link", "gate_id")
TO_BE_REPLACED = "Replace this text"


def write_words(path: Path, categories: Iterable[str]) -> None:
    """Put the English words where a lab can change the words, with the categories' names."""
    words = json.loads(ENGLISH.read_text(encoding="utf-8"))
    words["categories"] = {name: name.split(",")[0].strip() for name in categories}
    path.write_text(json.dumps(words, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_words(path: Path, categories: Iterable[str], questions: Iterable[str]) -> dict[str, Any]:
    """Read the words of a survey, checked against the English words.

    Args:
        categories: each must have its name in the file.
        questions: likewise.

    Raises:
        StoreError: no such file.
        InputError: it is not JSON, a text is missing or unknown, or one lacks a `{place}`
            that is filled in.
    """
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is not JSON: {error}") from error
    english = json.loads(ENGLISH.read_text(encoding="utf-8"))
    name = repr(str(path))
    if not isinstance(words, dict):
        raise InputError(f"{name} is not an object of texts")
    words = {**{key: english[key] for key in NEWER}, **words}
    check_texts(name, words, english)
    for category in categories:
        if not isinstance(words["categories"].get(category), str):
            raise InputError(f"{name} has no name for category {category!r} under 'categories'")
    for question in questions:
        _question(name, question, words["questions"])
    return words


def is_placeholder_consent(words: Mapping[str, Any]) -> bool:
    """Test if the consent form holds the paragraph that asks to be replaced."""
    return any(str(text).strip().startswith(TO_BE_REPLACED) for text in words["consent"])


def check_texts(name: str, words: Mapping[str, Any], english: Mapping[str, Any]) -> None:
    """Make sure that a file of texts has the English file's texts, with their placeholders.

    Raises:
        InputError: one is missing, unknown, or lacks a place.
    """
    for key in words:
        if key not in english:
            raise unknown(f"text in {name}", key, english)
    for key, own in english.items():
        if key not in words:
            raise InputError(f"{name} lacks the text {key!r}")
        wrong = _wrong(words[key], own, free=key in FREE)
        if wrong:
            raise InputError(f"{name}: {key!r} {wrong}")


def _wrong(text: Any, own: Any, *, free: bool) -> str:
    """Describe a misfit of a text beside the English text; "" where the text fits."""
    if free:
        return "" if isinstance(text, dict) else "is not an object"
    if isinstance(own, list):
        good = isinstance(text, list) and all(isinstance(line, str) for line in text)
        return "" if good else "is not a list of paragraphs"
    if not isinstance(text, str):
        return "is not a text"
    if set(PLACE.findall(text)) != set(PLACE.findall(own)):
        places = ", ".join(f"{{{place}}}" for place in PLACE.findall(own)) or "none"
        return f"needs the places {places}"
    return ""


def _question(name: str, question: str, questions: Mapping[str, Any]) -> None:
    asked = questions.get(question)
    if asked is None:
        raise unknown(f"question in {name}", question, questions)
    kind = asked.get("kind") if isinstance(asked, dict) else None
    good = kind in KINDS and isinstance(asked.get("label"), str)
    if good and kind == "choice":
        choices = asked.get("choices")
        good = isinstance(choices, list) and all(isinstance(c, str) for c in choices)
    if not good:
        raise InputError(
            f"{name}: question {question!r} needs a 'label', a 'kind' ({', '.join(KINDS)}) and, "
            "for a choice, 'choices'"
        )


def copy_words(source: Path, path: Path) -> None:
    """Take the words that a lab already has."""
    try:
        shutil.copyfile(source, path)
    except OSError as error:
        raise StoreError(f"cannot copy {str(source)!r}: {error.strerror}") from error
