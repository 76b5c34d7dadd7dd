"""Strategies by name."""

from dataclasses import replace

from invariscope import user_code, validate
from invariscope.errors import InputError
from invariscope.search.strategies.base import State, Strategy
from invariscope.search.strategies.genetic import Genetic
from invariscope.search.strategies.isotropic import Isotropic
from invariscope.search.strategies.library_cma import LibraryCma
from invariscope.search.strategies.separable import Separable
from invariscope.search.strategies.sphere import Sphere
from invariscope.search.strategies.twin import Twin
from invariscope.search.strategies.twin_cells import Cells, Measure
from invariscope.search.strategies.whitened import Whitened

STRATEGIES: dict[str, type[Strategy]] = {
    s.name: s
    for s in (
        Isotropic,
        Separable,
        Sphere,
        Whitened,
        Genetic,
        LibraryCma,
    )
}
INFORMED: dict[str, type[Strategy]] = {Twin.name: Twin}  # those that see scores and the problem
DEFAULT = Isotropic.name
CELLS = "?cells="  # behind a twin's address


def load_strategy(strategy: str | Strategy = DEFAULT) -> Strategy:
    """Make a strategy by name, with default parameters; a `Strategy` passes through.

    Args:
        strategy: a name, or `twin:PROXY` with the address of the network that a twin search learns
            from; `twin:codes` learns from the codes themselves. `?cells=luminance,hue` behind a
            twin names the measures of the cells to fill.

    Raises:
        InputError: an unknown name, or a proxy or cells for a strategy that takes none.
    """
    if isinstance(strategy, Strategy):
        return strategy
    known = STRATEGIES | INFORMED
    address, mark, words = strategy.partition(CELLS)
    if mark:
        twin = load_strategy(address)
        if not isinstance(twin, Twin):
            raise InputError(f"strategy {strategy!r}; expected cells behind 'twin' alone")
        return replace(twin, cells=Cells.named(words.split(",")))
    if "?" in strategy:
        raise InputError(
            f"strategy {strategy!r}; expected ?cells= and measures behind 'twin', such as "
            "twin?cells=luminance,hue"
        )
    name, colon, proxy = strategy.partition(":")
    made = known[validate.one_of("strategy", name, known)]
    if not colon:
        return made()
    if made is not Twin or not proxy:
        raise InputError(
            f"strategy {strategy!r}; expected {name!r} alone, or twin:PROXY with a network's "
            "address, such as twin:embedded:robust"
        )
    if user_code.python_file(proxy):
        raise InputError(
            f"strategy {strategy!r} would run the code of a Python file; load the network in "
            "Python and give Twin(proxy=network), from invariscope.search.strategies"
        )
    return Twin(proxy=proxy)


def without_cells(strategy: str | Strategy) -> str | Strategy:
    """Give a strategy that searches for one front, or one image, in place of cells."""
    if isinstance(strategy, Twin):
        return replace(strategy, cells=None)
    return strategy if isinstance(strategy, Strategy) else strategy.partition(CELLS)[0]


__all__ = [
    "DEFAULT",
    "INFORMED",
    "STRATEGIES",
    "Cells",
    "Genetic",
    "Isotropic",
    "LibraryCma",
    "Measure",
    "Separable",
    "Sphere",
    "State",
    "Strategy",
    "Twin",
    "Whitened",
    "load_strategy",
    "without_cells",
]
