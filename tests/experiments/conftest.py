"""Short searches on the toys."""

import numpy as np
import pytest
import torch

from invariscope import SearchOptions, image_reference, seeds, stretch_and_squeeze
from invariscope.natural.statistics import measure_natural

OPTIONS = {"population": 12, "generations": 6, "precision": "float32"}


@pytest.fixture
def make_options():
    return lambda **changed: SearchOptions(**(OPTIONS | changed))


@pytest.fixture
def code():
    return seeds.normal([("code",)], (6,))[0].float()


@pytest.fixture
def reference(generator, code):
    image = generator.generate(code.unsqueeze(0))[0]
    generator.calls = 0
    return image_reference(image, 8, code)


@pytest.fixture
def sns(subject, generator, reference, make_options):
    """`stretch_and_squeeze` on the toys; what is not given is a default of these tests."""

    def search(unit="out:1", *, options=None, subject=subject, generator=generator, **asked):
        given = {"reference": reference} | asked
        options = make_options(**(options or {}))
        return stretch_and_squeeze(subject, generator, unit, options=options, **given)

    return search


@pytest.fixture
def own_scores(subject, generator, reference):
    """Stretch, squeeze and activity of codes, by hand."""

    def score(codes, *, site="pixels", units=(1,), subset=None):
        images = torch.cat([generator.generate(codes.float()), reference.image[None]])
        responses = subject.respond(images, [site, "out"])
        entries = responses[site].flatten(1)
        entries = entries if subset is None else entries[:, list(subset)]
        activity = responses["out"][:, list(units)]
        stretch = (entries[:-1] - entries[-1]).norm(dim=1)
        squeeze = (activity[:-1] - activity[-1]).norm(dim=1)
        return torch.stack([stretch, squeeze, activity[:-1].mean(1)], 1).numpy()

    return score


@pytest.fixture
def natural_table(subject, tmp_path):
    """A table of the toy's natural statistics, with one entry of unit `out:1` changed."""

    def write(**changed):
        images = torch.rand(200, 3, 8, 8, generator=seeds.torch_stream("natural"))
        found = measure_natural(subject, images.split(50), ["features", "out"], "train")
        for column, value in changed.items():
            found.table.loc[found.table["unit"] == "out:1", column] = value
        path = tmp_path / "natural.parquet"
        found.save(path)
        return path

    return write


@pytest.fixture
def same_runs():
    """Asserts that two results hold bit-identical runs."""

    def check(first, second):
        assert len(first.runs) == len(second.runs) > 0
        for a, b in zip(first.runs, second.runs, strict=True):
            assert a.name == b.name
            assert a.journal == b.journal
            assert a.outcome | {"seconds": 0} == b.outcome | {"seconds": 0}
            np.testing.assert_array_equal(a.front.to_numpy(), b.front.to_numpy())
            assert a.tensors.keys() == b.tensors.keys()
            for key, tensor in a.tensors.items():
                assert torch.equal(tensor, b.tensors[key]), key

    return check
