"""A search for one's own loop finds what the same search on a subject finds."""

import pytest
import torch

from invariscope import open_search
from invariscope.errors import InputError
from invariscope.testing.toys import ToyGenerator, most_stretch


def test_it_departs_from_the_reference_and_its_activity(generator, make_options, reference):
    search = open_search(
        generator,
        task="invariance",
        reference=reference.image,
        activity=2.0,
        options=make_options(generations=2),
    )
    images = search.ask()
    activity = torch.linspace(0, 4, len(images))
    line = search.tell(activity)[0].line
    distance = (images - reference.image).flatten(1).norm(dim=1)
    assert line["stretch"][0] == pytest.approx(float(distance.min()), abs=1e-5)
    assert line["stretch"][2] == pytest.approx(float(distance.max()), abs=1e-5)
    assert line["squeeze"][2] == pytest.approx(2.0)
    assert line["activation"] == pytest.approx([0, 2, 4])


def test_it_comes_close_to_the_true_front(make_options):
    generator = ToyGenerator(4)
    seen = torch.zeros(3, 4, 4)
    seen[0] = 1
    grey = torch.full((3, 4, 4), 0.5)
    options = make_options(population=20, generations=80)
    words = {"task": "invariance", "reference": grey, "activity": 0.0, "options": options}
    search = open_search(generator, **words)
    while not search.done:
        told = search.tell(((search.ask() - 0.5).square() * seen).flatten(1).sum(1))
    scores = told[0].outcome.front.scores
    bound = torch.tensor([most_stretch(seen, float(s)) for s in scores[:, 1]])
    assert (scores[:, 0] <= bound + 1e-4).all()
    assert float((scores[:, 0] / bound).max()) > 0.85


def test_a_reference_needs_its_activity(generator, reference):
    with pytest.raises(InputError, match="give activity"):
        open_search(generator, task="invariance", reference=reference.image)
    with pytest.raises(InputError, match="no reference"):
        open_search(generator, task="invariance", activity=1.0)
