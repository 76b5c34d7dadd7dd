"""The studies behind `docs/imagenet.md`."""

import json
from dataclasses import dataclass

from real_networks import NETTE

READOUT = "classifier"
FEW = (566, 574)  # French horn, golf ball
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


@dataclass(frozen=True)
class Part:
    """A study: searches with one generator, free or bounded.

    Attributes:
        generator: `embedded` or `codes`.
        sites: stretched by invariance searches.
        units: classes of the network.
        bounded: whether codes keep to the natural ones' percentile; then nothing is silenced.
    """

    generator: str
    sites: tuple[str, ...] = SITES
    units: tuple[int, ...] = tuple(NETTE)
    bounded: bool = False

    @property
    def runs(self) -> int:
        """How many runs it has, MEIs included."""
        return len(self.units) * (1 + len(self.sites) + (not self.bounded))

    def study_text(self, subject: str, generator: str, generations: int, of_mei: int) -> str:
        """Write the study file, of addresses and of generations of searches and MEIs."""
        conditions = INVARIANCE.format(sites=json.dumps(self.sites))
        conditions += "" if self.bounded else SILENCING
        return STUDY.format(
            subject=json.dumps(subject),
            generator=json.dumps(generator),
            population=POPULATION,
            generations=generations,
            mei_generations=of_mei,
            units=json.dumps([f"{READOUT}:{number}" for number in self.units]),
            constraints=f"constraints = {{ code_percentile = {BOUND} }}" if self.bounded else "",
            conditions=conditions,
        )


PARTS = {  # the most needed first; `embedded` holds its codes to natural lengths by itself
    "embedded": Part("embedded"),
    "codes": Part("codes"),
    "codes_bounded": Part("codes", ("pixels",), FEW, bounded=True),
}
