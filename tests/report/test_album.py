"""Pictures of a page: always the chosen ones, as many and as good as the page's size allows."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope import seeds
from invariscope.errors import StoreError
from invariscope.experiments.front_choice import CHOICES, choose
from invariscope.experiments.pictures import pictured, write_png
from invariscope.report.album import LADDER, Album, picture_path

MEMBERS = 60


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """A run whose 24 or more pictures are noise, which nothing compresses."""
    path = tmp_path_factory.mktemp("run")
    (path / "images").mkdir()
    stretch = np.linspace(1, 10, MEMBERS)
    columns = {"stretch": stretch, "squeeze": stretch**2, "activation": 20 - stretch}
    run = SimpleNamespace(
        path=path,
        front=pd.DataFrame(columns),
        settings=SimpleNamespace(
            task="invariance", strategy={}, milestone={"bound": 13.0, "side": "above"}
        ),
    )
    for row in pictured(MEMBERS, {choose(run.front, run.settings, which) for which in CHOICES}):
        image = seeds.normal([("album", row)], (3, 48, 48))[0].float()
        write_png(picture_path(run, row), torch.sigmoid(image))
    return run


def size(album):
    return sum(len(album.image(r, row)) for r in album.records for row in album.rows(r))


def test_the_best_quality_that_fits_is_taken(record):
    roomy = Album([record])
    assert roomy.quality == LADDER[0]
    content = picture_path(record, 0).read_bytes()
    assert len(roomy.image(record, 0)) == pytest.approx(len(content) * 4 / 3, abs=40)
    for budget in (120_000, 60_000, 30_000, 15_000):
        album = Album([record], budget)
        place = LADDER.index(album.quality)
        assert place > 0
        assert size(album) <= 1.2 * budget  # a size is estimated from some of the pictures


def test_the_chosen_images_are_always_there(record):
    for budget in (10**9, 60_000, 30_000, 12_000):
        rows = Album([record], budget).rows(record)
        assert rows == sorted(set(rows))
        chosen = {choose(record.front, record.settings, which) for which in CHOICES}
        assert chosen <= set(rows)
    assert Album([record], 1).rows(record) == [choose(record.front, record.settings)]


def test_more_runs_get_fewer_pictures_each(record):
    counts = [len(Album([record] * n, 300_000).rows(record)) for n in (1, 10, 30, 100)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_a_picture_that_is_gone_is_one_sentence(record):
    with pytest.raises(StoreError, match=r"member-999\.png' cannot be read"):
        Album([record]).image(record, 999)
