"""The studies behind `docs/imagenet.md`."""

import json
from dataclasses import dataclass

from real_networks import NETTE

READOUT = "classifier"
SEARCHED = (566, 574)  # French horn, golf ball
SITES = ("pixels", "blocks.3", "blocks.6")
BOUND = 99  # percentile of natural codes
POPULATION = 32  # a whole chunk: on a processor fewer images cost as much

STUDY = """
[shared]
subjects = {subject}
generators = {generator}
population = {population}
generations = {generations}
reference = {{ generations = {mei_generations} }}
units = {units}
{constraints}
{conditions}"""
INVARIANCE = """[conditions.invariance]
stretch = {sites}
"""
SILENCING = """[conditions.adversarial]
tasks = "adversarial"
"""
MEIS = """[conditions.meis]
tasks = "excitation"
"""


@dataclass(frozen=True)
class Part:
    """A study: searches with one generator, free or bounded.

    Attributes:
        generator: `embedded` or `codes`.
        sites: stretched by invariance searches; without any, only MEIs are searched for.
        units: classes of the network.
        bounded: whether codes keep to the natural ones' percentile; then nothing is silenced.
    """

    generator: str
    sites: tuple[str, ...] = SITES
    units: tuple[int, ...] = SEARCHED
    bounded: bool = False

    @property
    def runs(self) -> int:
        """How many runs it has, MEIs included."""
        searches = len(self.sites) + (not self.bounded) if self.sites else 0
        return len(self.units) * (1 + searches)

    def study_text(self, subject: str, generator: str, generations: int, of_mei: int) -> str:
        """Write the study file, of addresses and of generations of searches and MEIs."""
        conditions = INVARIANCE.format(sites=json.dumps(self.sites)) if self.sites else MEIS
        conditions += "" if self.bounded or not self.sites else SILENCING
        return STUDY.format(
            subject=json.dumps(subject),
            generator=json.dumps(generator),
            population=POPULATION,
            generations=generations if self.sites else of_mei,
            mei_generations=of_mei,
            units=json.dumps([f"{READOUT}:{number}" for number in self.units]),
            constraints=f"constraints = {{ code_percentile = {BOUND} }}" if self.bounded else "",
            conditions=conditions,
        )


OTHERS = tuple(number for number in NETTE if number not in SEARCHED)
PARTS = {  # the most needed first
    "embedded": Part("embedded"),
    "codes": Part("codes"),
    "embedded_bounded": Part("embedded", ("pixels",), bounded=True),
    "codes_bounded": Part("codes", ("pixels",), bounded=True),
    "embedded_meis": Part("embedded", (), OTHERS),
    "codes_meis": Part("codes", (), OTHERS),
}
