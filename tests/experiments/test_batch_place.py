"""Whether a network's answers depend on an image's place is found, kept and told."""

import pytest
import torch

from invariscope import SearchOptions, image_reference, load_result, stretch_and_squeeze
from invariscope.report.report import write_report
from invariscope.subjects.base import Subject
from invariscope.testing.toys import ToyGenerator

SENTENCE = "answer to an image depends"
OPTIONS = SearchOptions(population=12, generations=5, precision="float32")


class Placed(Subject):
    """Sums of products, from some place in a batch on with another last digit."""

    name, image_size, device = "placed", 4, torch.device("cpu")

    def __init__(self, first, *, noisy=()):
        self.first, self._noisy = first, frozenset(noisy)

    @property
    def noisy(self):
        return self._noisy

    def identity(self):
        return {"placed": self.first}

    def _sites(self):
        return {"out": (2,)}

    def _respond(self, images, sites):
        flat = images.flatten(1)
        answer = torch.stack([flat.mean(1), flat.square().mean(1)], 1)
        late = answer[self.first :]
        answer[self.first :] = torch.nextafter(late, torch.full_like(late, torch.inf))
        return dict.fromkeys(sites, answer)


@pytest.fixture
def kept(tmp_path):
    """Searches with a subject; gives the folder and its only run as it was kept."""

    def search(subject):
        generator = ToyGenerator(4)
        code = torch.full((48,), 0.1)
        reference = image_reference(generator.generate(code.unsqueeze(0))[0], 4, code)
        stretch_and_squeeze(
            subject, generator, "out:0", reference=reference, options=OPTIONS, out=tmp_path
        )
        (record,) = load_result(tmp_path).runs
        return record

    return search


@pytest.mark.parametrize(("first", "matters"), [(0, False), (20, True), (31, True), (32, False)])
def test_a_network_that_answers_by_place_is_known_and_told(kept, tmp_path, first, matters):
    assert kept(Placed(first)).context["batch_place_matters"] is matters
    assert (SENTENCE in write_report(tmp_path).read_text()) is matters


def test_a_site_that_is_noisy_anyway_tells_nothing(kept):
    assert kept(Placed(20, noisy=["out"])).context["batch_place_matters"] is False


def test_a_run_that_goes_on_has_the_context_it_began_in(kept, tmp_path):
    before = kept(Placed(20))
    (tmp_path / before.path.name / "outcome.json").unlink()
    assert kept(Placed(20)).context_changes == before.context_changes == []
