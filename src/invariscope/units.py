"""Addresses of units, the numbers of a site's response.

`site:index` names one number an image:

- `fc:3` — entry 3 of a site of shape `(units,)`;
- `layer3.0.conv1:12` — channel 12 of a `(channels, height, width)` site: its spatial mean;
- `layer3.0.conv1:12,14,14` — that channel at row 14, column 14; `12,center` in the middle;
- `blocks.5:7,12` — token 7, channel 12 of a `(tokens, channels)` site; `cls,12` the class token;
  `*,12` that channel's mean over all tokens.

A site of shape `(height, width, channels)`, as in Swin, has the same addresses: the channel comes
first. Several addresses joined by `+` are a set of units: `fc:3+fc:7`.
"""

import difflib
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope.errors import InputError, unknown
from invariscope.plurals import number_of

Shape = tuple[int, ...]
Sites = Mapping[str, Shape]
EVERY = -1  # in an index: the mean over all tokens


class SiteTable(dict[str, Shape]):
    """Sites and their shapes without the batch, shallow to deep.

    Attributes:
        aliases: other names of some sites.
        older: aliases that are names of older versions of a library.
        class_token: False where no token is the class token, whatever the shapes.
        classes: names of the readout's units, for suggestions; the readout has as many.
        others: what answers but is no site, and why, as the rest of a sentence.
    """

    def __init__(
        self,
        sites: Sites,
        aliases: Mapping[str, str],
        *,
        older: Iterable[str] = (),
        class_token: bool = True,
        classes: Sequence[str] = (),
        others: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(sites)
        self.aliases = aliases
        self.older = frozenset(older)
        self.class_token = class_token
        self.classes = tuple(classes)
        self.others = others or {}


def channels_last(shape: Shape) -> bool:
    """Tell if a shape is `(height, width, channels)`: square first, since images are square."""
    return len(shape) == 3 and shape[0] == shape[1] != shape[2]


def channels_first(response: Tensor) -> Tensor:
    """Move the channels of a site's response before height and width, `(n, channels, …)`."""
    return response.movedim(-1, 1) if channels_last(tuple(response.shape[1:])) else response


NUMBER = re.compile(r"[0-9]{1,18}")  # more digits than any site has units


@dataclass(frozen=True)
class Unit:
    """A single number at a site.

    Attributes:
        site: a site of the subject.
        index: entry of the response, channels first; where a site has height and width, a
            channel alone means its spatial mean; `EVERY` (`*`) for a token, the mean over all.
    """

    site: str
    index: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.site}:{','.join('*' if i == EVERY else str(i) for i in self.index)}"

    def read(self, response: Tensor) -> Tensor:
        """Read the unit's activity `(n,)`, float32, from the site's response `(n, *shape)`."""
        index = (slice(None) if i == EVERY else i for i in self.index)
        value = channels_first(response)[(slice(None), *index)].float()
        return value.mean(tuple(range(1, value.ndim))) if value.ndim > 1 else value


@dataclass(frozen=True)
class Target:
    """The unit, or the set of units, that a search keeps or silences."""

    units: tuple[Unit, ...]

    def __str__(self) -> str:
        return "+".join(map(str, self.units))

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that the units live at, each once."""
        return tuple(dict.fromkeys(unit.site for unit in self.units))

    def read(self, responses: Mapping[str, Tensor]) -> Tensor:
        """Read activities `(n, units)`, float32, from the sites' responses."""
        return torch.stack([unit.read(responses[unit.site]) for unit in self.units], 1)


def find_site(site: str, sites: Sites) -> str:
    """Find a site by name or alias.

    Raises:
        InputError: the subject has no such site.
    """
    if site in sites:
        return site
    aliases = sites.aliases if isinstance(sites, SiteTable) else {}
    if isinstance(sites, SiteTable) and site in sites.others:
        raise InputError(f"{site!r} is no site: it {sites.others[site]}")
    if site not in aliases:
        raise unknown("site", site, sites)
    if isinstance(sites, SiteTable) and site in sites.older:
        warnings.warn(
            f"site {site!r} is an older version's name; today it is {aliases[site]!r}",
            stacklevel=2,
        )
    return aliases[site]


def _form(shape: Shape) -> str:
    forms = {1: "unit", 2: "token,channel or *,channel", 3: "channel or channel,row,column"}
    return forms.get(len(shape), ",".join(f"i{k}" for k in range(len(shape))))


def has_class_token(shape: Shape) -> bool:
    """Tell if `(tokens, channels)` has a token beside a square of patches."""
    return len(shape) == 2 and math.isqrt(shape[0]) ** 2 != shape[0]


def _index(text: str, shape: Shape, address: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if channels_last(shape):
        shape = (shape[2], *shape[:2])
    if len(shape) == 3 and len(words) == 2 and words[1] in ("center", "centre"):
        words = [words[0], str(shape[1] // 2), str(shape[2] // 2)]
    if len(shape) == 2 and len(words) == 2 and words[0] == "*":
        return EVERY, _index(f"0,{words[1]}", shape, address)[1]
    if len(shape) == 2 and len(words) == 2 and words[0] == "cls":
        if not has_class_token(shape):
            raise InputError(
                f"unit {address!r}: a site of {number_of(shape[0], 'token')}, a square of "
                "patches, has no class token; give a token's number"
            )
        words[0] = "0"
    allowed = {1, 3} if len(shape) == 3 else {len(shape)}
    if len(words) not in allowed or not all(NUMBER.fullmatch(word) for word in words):
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
    """Parse the address of a unit.

    Args:
        address: `site:index` (see the module).
        sites: the subject's, from `sites()`.

    Raises:
        InputError: unknown site, or an index that does not fit its shape.
    """
    site, colon, index = address.strip().rpartition(":")
    if not colon:
        site = find_site(address.strip(), sites)
        form = _form(sites[site])
        raise InputError(f"unit {address!r} names no number; expected {site}:{form}")
    site = find_site(site, sites)
    no_token = isinstance(sites, SiteTable) and not sites.class_token
    if no_token and index.partition(",")[0].strip() == "cls":
        raise InputError(
            f"unit {address!r}: this network has no class token (extra tokens are registers); "
            "give a token's number"
        )
    _check_no_class(index, site, sites, address)
    return Unit(site, _index(index, sites[site], address))


def _check_no_class(word: str, site: str, sites: Sites, address: str) -> None:
    """Raise an `InputError` that names units where a class's name stands for a number."""
    classes = sites.classes if isinstance(sites, SiteTable) else ()
    if sites[site] != (len(classes),) or not re.search("[^0-9,* -]", word):
        return
    small = [name.lower() for name in classes]
    near = [i for i, name in enumerate(small) if word.strip().lower() in name]
    near = near or [small.index(n) for n in difflib.get_close_matches(word.lower(), small)]
    names = " or ".join(f"{site}:{i} ({classes[i]})" for i in near[:3])
    hint = f"did you mean {names}?" if near else "`invariscope units MODEL` lists them"
    raise InputError(f"unit {address!r} has no number; {hint}")


def parse_target(addresses: str | Iterable[str], sites: Sites) -> Target:
    """Parse a unit or a set of units: an address, addresses joined by `+`, or a list.

    Raises:
        InputError: an address that does not fit, none at all, or an address named twice.
    """
    texts = addresses.split("+") if isinstance(addresses, str) else list(addresses)
    units = tuple(parse_unit(text, sites) for text in texts)
    if not units:
        raise InputError("no unit given; expected an address such as 'fc:3'")
    if len(set(units)) < len(units):
        raise InputError(f"a unit is named twice in {'+'.join(texts)!r}; name each once")
    return Target(units)


def differing_names(sites: Sequence[str]) -> list[str]:
    """Shorten sites to where their names differ; a number keeps the word before."""
    parts = [site.split(".") for site in sites]
    same = 0
    while all(len(p) > same + 1 and p[: same + 1] == parts[0][: same + 1] for p in parts):
        same += 1
    if same and any(p[same].isdecimal() for p in parts):
        same -= 1
    return [".".join(p[same:]) for p in parts]
