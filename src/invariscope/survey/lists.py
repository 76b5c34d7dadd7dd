"""The images that a participant sees, and their order: pure, balanced, the same for a seed."""

from collections.abc import Sequence
from dataclasses import dataclass

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.plurals import number_of
from invariscope.survey.design import CATCH, PRACTICE, SurveyDesign


@dataclass(frozen=True)
class Stimulus:
    """An image of the survey.

    Attributes:
        image: its name: of the run that found it, or of the photo.
        file: of the PNG, in the survey's `images/`.
        condition: `natural`, `MEI` or the task (`invariance`, `adversarial`); `practice`.
        site: the stretch site; "" where there is none.
        network: the subject whose unit it belongs to; "" for a photo.
        unit: that unit's address; "" for a photo.
        category: its true class.
    """

    image: str
    file: str
    condition: str
    site: str
    network: str
    unit: str
    category: str

    @property
    def cell(self) -> tuple[str, str, str]:
        """Name the compared cell: condition, site and network."""
        return self.condition, self.site, self.network


@dataclass(frozen=True)
class SurveyTrial:
    """One trial of a participant's list.

    Attributes:
        kind: `practice`, `catch` or `trial`.
        image: a stimulus's name; "" where the category's name is shown in its place.
        category: the right answer.
    """

    kind: str
    image: str
    category: str


def williams(conditions: int) -> list[list[int]]:
    """Build a Latin square of orders: each condition follows every other equally often.

    Args:
        conditions: how many.

    Returns:
        So many orders where that is even, twice as many where it is odd (Williams 1949).
    """
    zigzag = [(k + 1) // 2 if k % 2 else -(k // 2) for k in range(conditions)]
    rows = [[(step + row) % conditions for step in zigzag] for row in range(conditions)]
    if conditions % 2 and conditions > 1:
        rows += [row[::-1] for row in rows]
    return rows


def cells_of(design: SurveyDesign, stimuli: Sequence[Stimulus]) -> list[list[Stimulus]]:
    """Group the images of each condition, network and site, in the circle that lists are cut from.

    A circle is made of rounds with one image of each category, the categories in the same
    (seeded) order in each round and circle. So any stretch of it has all categories equally
    often, give or take one, where each has as many images.

    Raises:
        InputError: a condition with fewer images than a participant is to see.
    """
    categories = list(design.categories)
    seeds.numpy_stream("survey", "categories", design.seed).shuffle(categories)
    found: dict[tuple[str, str, str], dict[str, list[Stimulus]]] = {}
    for stimulus in stimuli:
        if stimulus.condition != PRACTICE:
            own = found.setdefault(stimulus.cell, {})
            own.setdefault(stimulus.category, []).append(stimulus)
    circles = []
    for cell, images in found.items():
        for category, own in images.items():
            seeds.numpy_stream("survey", "images", design.seed, *cell, category).shuffle(own)
        most = max(len(own) for own in images.values())
        rounds = [[images[c][k] for c in categories if k < len(images.get(c, []))]
                  for k in range(most)]  # fmt: skip
        circle = [stimulus for one in rounds for stimulus in one]
        if len(circle) < design.per_condition:
            raise InputError(
                f"condition {' '.join(filter(None, cell))!r} has "
                f"{number_of(len(circle), 'image')}; a participant is to see "
                f"{design.per_condition} of each condition"
            )
        circles.append(circle)
    if not circles:
        raise InputError("the survey has no images")
    return circles


def trials_of(design: SurveyDesign, stimuli: Sequence[Stimulus], number: int) -> list[SurveyTrial]:
    """Draw the list of participant number `number` (from 0): practice, then all else.

    Each condition appears `per_condition` times, once in every round of trials, in orders of a
    Williams square. Its images are cut from its circle (`cells_of`), the next participant's
    where this one's end, so that over participants each image is shown equally often; each
    condition's cut is one further, so that units rotate over conditions as in a Latin square.

    Raises:
        InputError: too few images.
    """
    circles, n = cells_of(design, stimuli), design.per_condition
    shown = []
    for place, circle in enumerate(circles):
        start = (number + place) * n
        cut = [circle[(start + t) % len(circle)] for t in range(n)]
        seeds.numpy_stream("survey", "order", design.seed, number, place).shuffle(cut)
        shown.append(cut)
    orders = williams(len(circles))
    main = [
        SurveyTrial("trial", shown[place][t].image, shown[place][t].category)
        for t in range(n)
        for place in orders[(number * n + t) % len(orders)]
    ]
    return [*_practice(design, stimuli, number), *_with_catches(design, main, number)]


def _practice(design: SurveyDesign, stimuli: Sequence[Stimulus], number: int) -> list[SurveyTrial]:
    """Practice photos; where there are too few, names of categories."""
    photos = [
        SurveyTrial(PRACTICE, s.image, s.category) for s in stimuli if s.condition == PRACTICE
    ]
    stream = seeds.numpy_stream("survey", "practice", design.seed, number)
    stream.shuffle(photos)
    names = stream.permutation(design.categories).tolist()
    words = [SurveyTrial(PRACTICE, "", names[k % len(names)]) for k in range(design.practice)]
    return [*photos, *words][: design.practice]


def _with_catches(design: SurveyDesign, main: list[SurveyTrial], number: int) -> list[SurveyTrial]:
    """Put catch trials among the trials: in each of as many equal parts a catch trial."""
    stream = seeds.numpy_stream("survey", "catch", design.seed, number)
    names = stream.permutation(design.categories).tolist()
    places = [int((k + stream.random()) * len(main) / design.catch) for k in range(design.catch)]
    mixed = list(main)
    for k in reversed(range(design.catch)):
        mixed.insert(places[k], SurveyTrial(CATCH, "", names[k % len(names)]))
    return mixed
