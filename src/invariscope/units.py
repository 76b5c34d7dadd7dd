"""Unit addresses: which number of a site's response is meant.

`site:index` names one number an image:

- `fc:3` — entry 3 of a site of shape `(units,)`;
- `layer3.0.conv1:12` — channel 12 of a `(channels, height, width)` site: its spatial mean;
- `layer3.0.conv1:12,14,14` — that channel at row 14, column 14; `12,center` in the middle;
- `blocks.5:0,12` — token 0, channel 12 of a `(tokens, channels)` site; `blocks.5:*,12` — that
  channel's mean over all tokens.

Several addresses joined by `+` are a set of units: `fc:3+fc:7`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope.errors import InputError, unknown

Shape = tuple[int, ...]
Sites = Mapping[str, Shape]
EVERY = -1  # in an index: the mean over all tokens


@dataclass(frozen=True)
class Unit:
    """One number at a site.

    Attributes:
        site: a site of the subject.
        index: entry of the response; of a `(channels, height, width)` site a channel alone
            means its spatial mean, of a `(tokens, channels)` site `EVERY` (`*`) means all tokens.
    """

    site: str
    index: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.site}:{','.join('*' if i == EVERY else str(i) for i in self.index)}"

    def read(self, response: Tensor) -> Tensor:
        """This unit's activity `(n,)`, float32, from the site's response `(n, *shape)`."""
        places = (slice(None) if i == EVERY else i for i in self.index)
        value = response[(slice(None), *places)].float()
        return value.flatten(1).mean(1) if value.ndim > 1 else value


@dataclass(frozen=True)
class Target:
    """The unit, or the set of units, whose activity a search keeps or silences."""

    units: tuple[Unit, ...]

    def __str__(self) -> str:
        return "+".join(map(str, self.units))

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that the units live at, each once."""
        return tuple(dict.fromkeys(unit.site for unit in self.units))

    def read(self, responses: Mapping[str, Tensor]) -> Tensor:
        """Activities `(n, units)`, float32."""
        return torch.stack([unit.read(responses[unit.site]) for unit in self.units], 1)


def check_site(site: str, sites: Sites) -> Shape:
    """The shape of `site`.

    Raises:
        InputError: the subject has no such site.
    """
    if site not in sites:
        raise unknown("site", site, sites)
    return sites[site]


def _form(shape: Shape) -> str:
    forms = {1: "unit", 2: "token,channel or *,channel", 3: "channel or channel,row,column"}
    return forms.get(len(shape), ",".join(f"i{k}" for k in range(len(shape))))


def _index(text: str, shape: Shape, address: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if len(shape) == 3 and len(words) == 2 and words[1] in ("center", "centre"):
        words = [words[0], str(shape[1] // 2), str(shape[2] // 2)]
    if len(shape) == 2 and len(words) == 2 and words[0] == "*":
        return EVERY, _index(f"0,{words[1]}", shape, address)[1]
    allowed = {1, 3} if len(shape) == 3 else {len(shape)}
    if len(words) not in allowed or not all(word.isdecimal() for word in words):
        raise InputError(
            f"unit {address!r} does not fit its site of shape {shape}; expected {_form(shape)}"
        )
    index = tuple(int(word) for word in words)
    for position, (i, size) in enumerate(zip(index, shape, strict=False)):
        if i >= size:
            raise InputError(
                f"unit {address!r} lies outside its site of shape {shape}: "
                f"number {position + 1} is {i}, the largest is {size - 1}"
            )
    return index


def parse_unit(address: str, sites: Sites) -> Unit:
    """One unit from its address.

    Args:
        address: `site:index` (see the module).
        sites: the subject's sites and their shapes without the batch.

    Raises:
        InputError: unknown site, or an index that does not fit its shape.
    """
    site, colon, index = address.strip().rpartition(":")
    if not colon:
        site = address.strip()
        shape = check_site(site, sites)
        raise InputError(f"unit {address!r} names no number; expected {site}:{_form(shape)}")
    shape = check_site(site, sites)
    return Unit(site, _index(index, shape, address))


def parse_target(addresses: str | Iterable[str], sites: Sites) -> Target:
    """A unit or a set of units: an address, addresses joined by `+`, or a list of them.

    Raises:
        InputError: an address that does not fit, none at all, or one named twice.
    """
    texts = addresses.split("+") if isinstance(addresses, str) else list(addresses)
    units = tuple(parse_unit(text, sites) for text in texts)
    if not units:
        raise InputError("no unit given; expected an address such as 'fc:3'")
    if len(set(units)) < len(units):
        raise InputError(f"a unit is named twice in {'+'.join(texts)!r}; name each once")
    return Target(units)
