"""Strategies by name."""

from invariscope import validate
from invariscope.search.strategies.base import State, Strategy
from invariscope.search.strategies.isotropic import Isotropic
from invariscope.search.strategies.library_cma import LibraryCma

STRATEGIES: dict[str, type[Strategy]] = {s.name: s for s in (Isotropic, LibraryCma)}
DEFAULT = Isotropic.name


def load_strategy(strategy: str | Strategy = DEFAULT) -> Strategy:
    """A strategy from its name, with its default parameters; a `Strategy` passes through.

    Raises:
        InputError: an unknown name.
    """
    if isinstance(strategy, Strategy):
        return strategy
    return STRATEGIES[validate.one_of("strategy", strategy, STRATEGIES)]()


__all__ = ["DEFAULT", "STRATEGIES", "Isotropic", "LibraryCma", "State", "Strategy", "load_strategy"]
