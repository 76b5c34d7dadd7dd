"""Searches on functions, noisy ones too, and on units outside a network."""

import signal

import pytest
import torch

from invariscope import FunctionSubject, HybridSubject, find_mei, seeds, stretch_and_squeeze
from invariscope.errors import StoreError, SubjectError
from invariscope.experiments.evaluator import Evaluator, check_answers
from invariscope.experiments.execute import execute
from invariscope.experiments.plan import plan
from invariscope.store.record import load_runs

SIDE, NOISE = 8, 0.5


class Cells:
    """Two cells that weigh pixels; each call draws noise of its own."""

    def __init__(self, noise):
        self.noise, self.calls, self.images = noise, 0, 0
        self.weights = seeds.normal([("cells",)], (2, 3, SIDE, SIDE))[0].float()

    def exact(self, images):
        return torch.einsum("nchw,uchw->nu", images, self.weights)

    def __call__(self, images):
        self.calls, self.images = self.calls + 1, self.images + len(images)
        noise = seeds.normal([("noise", self.calls)], (len(images), 2))[0].float()
        return self.exact(images) + self.noise * noise


@pytest.fixture
def make():
    def subject(noise=0.0, repeats=1):
        cells = Cells(noise)
        return cells, FunctionSubject(cells, name="cells", image_size=SIDE, repeats=repeats)

    return subject


def search(subject, generator, options, **asked):
    mei = find_mei(subject, generator, "output:1", options=options)
    given = {"reference": mei, "seeds": (0, 1), "options": options} | asked
    return mei, stretch_and_squeeze(subject, generator, "output:1", **given)


def column(record, name):
    return torch.tensor(record.front[name].to_numpy()).float()


@pytest.mark.parametrize("task", ["invariance", "adversarial"])
def test_a_function_is_searched_at_pixels(make, generator, make_options, task):
    cells, subject = make()
    mei, result = search(subject, generator, make_options(), task=task)
    assert mei.activity == pytest.approx(float(cells.exact(mei.image[None])[0, 1]), abs=1e-4)
    for record in result.runs:
        images = generator.generate(record.tensors["codes"])
        exact = cells.exact(images)[:, 1]
        reference = float(cells.exact(mei.image[None])[0, 1])
        assert torch.allclose(column(record, "activation"), exact, atol=1e-4)
        squeeze = (exact - reference).abs()
        assert torch.allclose(column(record, "squeeze"), squeeze, atol=1e-4)
        stretch = (images - mei.image).flatten(1).norm(dim=1)
        assert torch.allclose(column(record, "stretch"), stretch, atol=1e-4)


def test_a_hybrid_stretches_a_network_and_squeezes_a_function(
    make, conv_subject, generator, make_options
):
    _, subject = make()
    both = HybridSubject(subject, conv_subject)
    mei, result = search(both, generator, make_options(), stretch="conv2")
    record = result.runs[0]
    images = torch.cat([generator.generate(record.tensors["codes"]), mei.image[None]])
    deep = conv_subject.respond(images, ["conv2"])["conv2"].flatten(1)
    stretch = (deep[:-1] - deep[-1]).norm(dim=1)
    assert torch.allclose(column(record, "stretch"), stretch, atol=1e-4)
    assert record.settings.site == "conv2"
    assert record.settings.subject["unit"]["function"] == "cells"


def test_what_a_noisy_function_reports_is_the_mean_of_fresh_answers(make, generator, make_options):
    """Single answers of kept candidates are lucky ones; the mean of new ones is not."""
    repeats = 64
    cells, subject = make(NOISE, repeats)
    mei, result = search(subject, generator, make_options(generations=8))
    se = NOISE / repeats**0.5
    exact = float(cells.exact(mei.image[None])[0, 1])
    assert abs(mei.activity - exact) < 5 * se
    for record in result.runs:
        images = generator.generate(record.tensors["codes"])
        error = column(record, "activation") - cells.exact(images)[:, 1]
        assert float(error.abs().max()) < 5 * se
        # One reference for the whole run, the mean of a chunk's answers.
        reference = float(record.tensors["reference_activity"][0])
        assert abs(reference - exact) < 5 * NOISE / 32**0.5
        squeeze = (column(record, "activation") - reference).abs()
        assert torch.allclose(squeeze, column(record, "squeeze"), atol=1e-5)


def test_a_noisy_search_without_repeats_is_refused(make, generator, make_options):
    """The search would report an MEI's luckiest answer."""
    _, subject = make(10 * NOISE, 1)
    with pytest.raises(SubjectError, match=r"the second time.*with repeats"):
        search(subject, generator, make_options(generations=8))


def test_an_interrupted_noisy_search_goes_on_from_its_own_reference(
    make, generator, make_options, tmp_path
):
    _, subject = make(NOISE, 4)
    options = make_options(generations=6, stop=False)
    mei = find_mei(subject, generator, "output:1", options=options)
    planned = plan(
        subject, generator, "output:1", task="invariance", reference=mei, options=options
    )

    def interrupt(news):
        if news.results[0].line["generation"] == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        execute(planned, subject, generator, tmp_path, options=options, watch=interrupt)
    before = load_runs(tmp_path)[0]
    assert before.outcome["status"] == "interrupted"
    (record,) = execute(planned, subject, generator, tmp_path, options=options)
    assert record.outcome["status"] == "finished"
    assert len(record.journal) == 6
    assert torch.equal(record.tensors["reference_activity"], before.tensors["reference_activity"])


def test_another_image_is_still_noticed_under_noise(make, make_generator, make_options, tmp_path):
    """The stretch at pixels has no noise, so a changed generator does not pass as noise."""
    _, subject = make(NOISE, 4)
    generator, options = make_generator(), make_options()
    mei = find_mei(subject, generator, "output:1", options=options)
    planned = plan(
        subject, generator, "output:1", task="invariance", reference=mei, options=options
    )[0]
    before = Evaluator(subject, generator, options, 50).probe(planned)
    assert before[:, 0].isfinite().all()
    assert before[:, 1:].isnan().all()
    check_answers(tmp_path, before, Evaluator(subject, generator, options, 50).probe(planned))
    generator._map = generator._map * 1.2
    with pytest.raises(StoreError, match="answer otherwise"):
        check_answers(tmp_path, before, Evaluator(subject, generator, options, 50).probe(planned))
