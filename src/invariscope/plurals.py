"""Numbers with nouns, as messages write both."""

import re


def number_of(count: float, noun: str, form: str = "") -> str:
    """Write a number with its noun, in the plural unless the number is 1.

    Args:
        count: how many.
        noun: its singular, perhaps behind other words ("found image").
        form: how to write the number, as behind the colon of an f-string; "," for large numbers.

    Example:
        >>> number_of(1, "image"), number_of(1200, "category", ",")
        ('1 image', '1,200 categories')
    """
    return f"{count:{form}} {noun if count == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    sibilant = re.search(r"(s|x|(?<!epo)ch|sh)$", noun)  # in "epoch" the ch is a k
    return f"{noun}es" if sibilant else f"{noun}s"
