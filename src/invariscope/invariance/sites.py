"""The measured sites: outputs of a network's nonlinearities, or sites by name."""

from collections.abc import Iterable

from torch import nn

from invariscope.errors import InputError
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.network import NetworkSubject
from invariscope.units import find_site

ALL = "all"
RECTIFIERS = (nn.ReLU, nn.ReLU6)
OTHERS = (
    *(nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
    *(nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.Softplus, nn.Tanh, nn.Sigmoid),
)


def nonlinear_sites(subject: Subject) -> tuple[str, ...]:
    """List the sites behind a network's ReLU modules, shallow to deep; else behind its others.

    Returns:
        None where the subject is no network, or calls its nonlinearities as functions.
    """
    if not isinstance(subject, NetworkSubject):
        return ()
    modules = {site: subject.module(site) for site in subject.sites() if site != PIXELS}
    for kinds in (RECTIFIERS, OTHERS):
        found = tuple(site for site, module in modules.items() if isinstance(module, kinds))
        if found:
            return found
    return ()


def choose_sites(subject: Subject, sites: str | Iterable[str] = ALL) -> tuple[str, ...]:
    """Choose the sites to measure, from shallow to deep.

    Args:
        sites: `all`, the paper's choice: behind every ReLU, or where there is none behind every
            other nonlinearity (GELU, SiLU, …, whose activity can be negative); or names.

    Raises:
        InputError: an unknown site, none, or `all` of a subject without such modules.
    """
    if sites == ALL:
        found = nonlinear_sites(subject)
        if not found:
            raise InputError(
                f"{subject.name} has no ReLU or like module whose output could be measured; "
                "name the sites (`invariscope units` lists them)"
            )
        return found
    wanted = [sites] if isinstance(sites, str) else list(sites)
    known = subject.sites()
    if not wanted:
        raise InputError("no site given; expected 'all' or names such as 'layer1'")
    found = {find_site(site, known) for site in wanted}
    return tuple(site for site in known if site in found)
