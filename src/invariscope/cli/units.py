"""`invariscope units MODEL`: its sites and how to name their units."""

from typing import Annotated

from cyclopts import Parameter

from invariscope.cli.options import Model, NetworkOptions
from invariscope.cli.terminal import Json, output, print_json
from invariscope.errors import InputError, nearest
from invariscope.plurals import number_of
from invariscope.subjects import Subject
from invariscope.units import has_class_token

MOST_NAMES = 100  # classes that are listed without being asked for


def example(site: str, shape: tuple[int, ...]) -> str:
    """Return the address of a site's first unit; no text where each size needs an index."""
    first = "cls,0" if has_class_token(shape) else "0,0"
    words = {1: "0", 2: first, 3: "0"}.get(len(shape))
    return f"{site}:{words}" if words else ""


def units_named(subject: Subject, text: str) -> list[tuple[str, str]]:
    """Find the readout's units with a text in their class's name, capitals apart.

    Raises:
        InputError: no class has it in its name, or the subject names no classes.
    """
    if not subject.classes:
        raise InputError(f"{subject.name} names no classes; give a unit's number")
    readout, wanted = list(subject.sites())[-1], text.casefold()
    found = [
        (f"{readout}:{number}", name)
        for number, name in enumerate(subject.classes)
        if wanted in name.casefold()
    ]
    if not found:
        near = nearest(text, subject.classes)
        raise InputError(f"no class of {subject.name} has {text!r} in its name{near}")
    return found


def units(
    model: Model,
    /,
    *,
    find: Annotated[
        str | None, Parameter(help="Only the readout's units with this text in their class's name.")
    ] = None,
    json: Json = False,
    source: NetworkOptions | None = None,
) -> None:
    """List a network's sites from shallow to deep, with shapes and how to name a unit."""
    subject = (source or NetworkOptions()).subject(model)
    sites, console = subject.sites(), output()
    named = units_named(subject, find) if find is not None else []
    if named and json:
        print_json({"model": model, "units": [{"unit": u, "class": name} for u, name in named]})
        return
    if named:
        for unit, name in named:
            console.out(f"{unit}  {name}", highlight=False)
        return
    if json:
        print_json(
            {
                "model": model,
                "sites": [
                    {"site": site, "shape": shape, "unit": example(site, shape)}
                    for site, shape in sites.items()
                ],
                "classes": subject.classes,
            }
        )
        return
    rows = [(s, " × ".join(map(str, shape)), example(s, shape)) for s, shape in sites.items()]
    rows.insert(0, ("site", "shape", "a unit"))
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for site, size, unit in rows:  # never cut: they are there to be copied
        console.out(f"{site:<{first}}  {size:<{second}}  {unit}".rstrip(), highlight=False)
    if 0 < len(subject.classes) <= MOST_NAMES:
        readout = list(sites)[-1]
        names = ", ".join(f"{readout}:{i} {name}" for i, name in enumerate(subject.classes))
        console.out(f"\nreadout: {names}", highlight=False)
    elif subject.classes:
        console.out(
            f"\nreadout: {number_of(len(subject.classes), 'class', ',')}; --find WORD "
            "lists those with the word in their class's name",
            highlight=False,
        )
    console.out(
        "\nA channel alone means its spatial mean; add a row and a column (`:12,5,5`) or "
        "`:12,center` for one place. Of tokens × channels, `:7,12` is token 7, channel 12 and "
        "`:cls,12` the class token's. Join units by + for a set.",
        highlight=False,
    )
