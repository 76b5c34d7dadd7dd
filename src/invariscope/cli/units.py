"""`invariscope units MODEL`: its sites and how to name their units."""

from invariscope.cli.options import Model, NetworkOptions
from invariscope.cli.terminal import Json, output, print_json
from invariscope.units import has_class_token

MOST_NAMES = 100


def example(site: str, shape: tuple[int, ...]) -> str:
    """Return the address of a site's first unit; no text where each size needs an index."""
    first = "cls,0" if has_class_token(shape) else "0,0"
    words = {1: "0", 2: first, 3: "0"}.get(len(shape))
    return f"{site}:{words}" if words else ""


def units(
    model: Model,
    /,
    *,
    json: Json = False,
    source: NetworkOptions | None = None,
) -> None:
    """List a network's sites from shallow to deep, with shapes and how to name a unit."""
    subject = (source or NetworkOptions()).subject(model)
    sites, console = subject.sites(), output()
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
    console.out(
        "\nA channel alone means its spatial mean; add a row and a column (`:12,5,5`) or "
        "`:12,center` for one place. Of tokens × channels, `:7,12` is token 7, channel 12 and "
        "`:cls,12` the class token's. Join units by + for a set.",
        highlight=False,
    )
