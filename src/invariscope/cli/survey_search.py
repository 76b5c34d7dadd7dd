"""`invariscope survey search DESIGN`: a search that asks people for visible differences."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from invariscope.cli.numbers import Count, NotNegative, Port
from invariscope.cli.terminal import output, tell_start
from invariscope.devices import pick_device
from invariscope.generators import load_generator
from invariscope.optional import missing
from invariscope.plurals import number_of
from invariscope.subjects import load_subject
from invariscope.survey.people_search import DONE, PeopleSearch, departure
from invariscope.survey.search_design import read_search_design
from invariscope.survey.simulated_judges import judge_search, pixel_judges


def search_folder(design: Path) -> Path:
    """Name the folder of a search, beside its design."""
    return design.with_suffix("")


def search(
    design: Annotated[Path, Parameter(help="A TOML file: whom to ask, and what for.")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(alias="-o", help="Its folder; by default beside the design.")
    ] = None,
    host: Annotated[str, Parameter(help="Listen at this address; 0.0.0.0, all.")] = "127.0.0.1",
    port: Annotated[Port, Parameter(help="And this port; 0, a free one.")] = 8000,
    participants: Annotated[Count, Parameter(help="The most sessions.")] = 10_000,
    pilot: Annotated[
        bool, Parameter(negative="", help="Try it out: no consent form needed, answers apart.")
    ] = False,
    proxy: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="A reverse proxy's address, to be believed (repeat)."),
    ] = (),
    simulated: Annotated[
        Count | None, Parameter(help="So many simulated participants, nobody else.")
    ] = None,
    threshold: Annotated[
        NotNegative, Parameter(help="Of simulated ones: RMS of pixels that gives d′ = 1.")
    ] = 0.05,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
    allow_code: Annotated[
        bool, Parameter(negative="", help="Run the Python file of file.py:factory.")
    ] = False,
) -> None:
    """Search for images that people cannot tell from the reference, far at a network's site.

    Ctrl-C ends the server; the same command goes on where it was.
    """
    asked, console = read_search_design(design), output()
    place = out or search_folder(design)
    if simulated is not None:
        place /= "simulated"
    elif pilot:
        place /= "pilot"
    network = load_subject(asked.search.network, pick_device(device), allow_code=allow_code)
    generator = load_generator(asked.search.generator, pick_device(device), allow_code=allow_code)
    reference = departure(asked, generator, design.parent)
    found = PeopleSearch(
        asked,
        network,
        generator,
        place / "runs",
        reference=reference,
        say=lambda text: console.print(text, markup=False),
    )
    try:
        if simulated is not None:
            tell_start(place)
            judge_search(found, pixel_judges(found, simulated, threshold))
        else:
            _serve(found, place, host, port, participants, pilot=pilot, proxies=proxy)
    finally:
        found.close()
    state = "done" if found.phase == DONE else f"at {found.phase}; the same command goes on"
    console.print(
        f"{number_of(found.book.given, 'judgement')}, {state}: {found.folder}", markup=False
    )


def _serve(
    found: PeopleSearch,
    place: Path,
    host: str,
    port: int,
    most: int,
    *,
    pilot: bool,
    proxies: tuple[str, ...],
) -> None:
    try:
        from invariscope.survey.serve_search import serve_search  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise missing("starlette and uvicorn", "survey") from error

    def listening(text: str) -> None:
        tell_start(place)
        output().print(text, markup=False)

    serve_search(
        found,
        place,
        host=host,
        port=port,
        most=most,
        pilot=pilot,
        proxies=proxies,
        tell=listening,
    )
