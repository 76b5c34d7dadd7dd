"""`invariscope units MODEL`: its sites and how to name their units."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from invariscope.cli.options import Model
from invariscope.devices import pick_device
from invariscope.subjects import load_subject


def units(
    model: Model,
    /,
    *,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """List a network's sites from shallow to deep, with shapes and how to name a unit."""
    subject = load_subject(model, pick_device(device))
    table = Table("site", "shape", "a unit", box=None, pad_edge=False)
    examples = {1: "0", 2: "0,0", 3: "0"}
    sites = subject.sites()
    for site, shape in sites.items():
        size = " × ".join(map(str, shape))
        example = f"{site}:{examples[len(shape)]}" if len(shape) in examples else ""
        table.add_row(site, size, example)
    console = Console()
    console.print(table)
    if subject.classes:
        readout = list(sites)[-1]
        names = ", ".join(f"{readout}:{i} {name}" for i, name in enumerate(subject.classes))
        console.print(f"\nreadout: {names}", soft_wrap=True, highlight=False)
    console.print(
        "\nA channel alone means its spatial mean; add a row and a column (`:12,5,5`) or "
        "`:12,center` for one place; join units by + for a set.",
        soft_wrap=True,
        highlight=False,
    )
