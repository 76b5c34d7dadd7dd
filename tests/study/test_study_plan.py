"""The runs that a study wants have the names that the same searches have without a study."""

import pytest
import torch

from invariscope import SearchOptions, find_mei, seeds, stretch_and_squeeze
from invariscope.errors import InputError
from invariscope.experiments.pictures import write_png
from invariscope.experiments.plan import plan, resolve_subset
from invariscope.experiments.reference import photo_reference
from invariscope.study.file import parse_study
from invariscope.study.plan import plan_study
from invariscope.study.planned_run import read_planned_runs, write_planned_runs

OPTIONS = SearchOptions(population=8, generations=4, precision="float32")


def planned(text, base):
    return plan_study(parse_study(text), base, allow_code=True)


def test_names_are_those_of_the_same_searches_without_a_study(world, study_text, tmp_path):
    subject, generator = world
    text = study_text(reference="{ tries = 3, seed = 1 }")
    planned_runs = planned(text, tmp_path)
    mei = find_mei(subject, generator, "fc:1", seed=1, tries=3, options=OPTIONS, out=tmp_path / "m")
    names = {path.name.rpartition("_")[2] for path in (tmp_path / "m").iterdir()}
    assert names == {
        w.name[:12] for w in planned_runs if w.task == "excitation" and w.unit == "fc:1"
    }
    for site in ("pixels", "conv1"):
        result = stretch_and_squeeze(
            subject, generator, "fc:1", reference=mei, stretch=site, seeds=(0, 1), options=OPTIONS
        )
        own = [w for w in planned_runs if w.unit == "fc:1" and w.site == site]
        assert [w.name for w in own] == [record.name for record in result.runs]
        assert [w.folder for w in own] == [record.path.name for record in result.runs]
        assert {w.needs[0] for w in own} == {mei.recipe["run"]}


def test_an_mei_comes_before_what_needs_it_and_each_run_once(study_text, tmp_path):
    conditions = """
[conditions.one]
seeds = 2
[conditions.two]
seeds = 3
tasks = ["invariance", "adversarial"]
[conditions.three]
tasks = "excitation"
"""
    planned_runs = planned(study_text(conditions), tmp_path)
    places = {w.name: i for i, w in enumerate(planned_runs)}
    assert len(places) == len(planned_runs)
    assert all(places[w.needs[0]] < places[w.name] for w in planned_runs if w.needs)
    count = {c: sum(w.condition == c for w in planned_runs) for c in ("references", "one", "two")}
    assert count == {"references": 2, "one": 4, "two": 2 + 6}
    assert not any(
        w.condition == "three" for w in planned_runs
    )  # the MEIs are those searches already


def test_another_seed_adds_its_runs_only(study_text, tmp_path):
    before = {w.name for w in planned(study_text(), tmp_path)}
    after = [
        w
        for w in planned(study_text().replace("seeds = 2", "seeds = 3"), tmp_path)
        if w.name not in before
    ]
    assert {w.seed for w in after} == {2}
    assert len(after) == 4


def test_draws_of_a_site_are_the_samples_of_their_seeds(world, study_text, tmp_path):
    text = study_text(
        '[conditions.a]\nstretch = [{ site = "conv1", sample = 9, draws = 3 }, '
        '{ site = "pixels", units = [5, 0] }]'
    )
    planned_runs = [w for w in planned(text, tmp_path) if w.unit == "fc:0" and w.site]
    drawn = [resolve_subset(9, "conv1", world[0], seed=i) for i in range(3)]
    assert [(w.subset, w.draw) for w in planned_runs] == [
        *zip(drawn, range(3), strict=True),
        ((0, 5), None),
    ]


def test_photos_are_crossed_with_units_and_named_by_their_pixels(world, study_text, tmp_path):
    subject, generator = world
    for name in ("a", "b"):
        picture = torch.rand(3, 12, 10, generator=seeds.torch_stream("photo", name))
        write_png(tmp_path / f"{name}.png", picture)
    text = study_text(reference="{ kind = 'photos', photos = '*.png' }")
    planned_runs = planned(text, tmp_path)
    assert len(planned_runs) == 2 * 2 * 2 * 2
    assert {w.needs for w in planned_runs} == {None}
    reference = photo_reference(tmp_path / "b.png", subject)
    (alone,) = plan(
        subject, generator, "fc:0", task="invariance", reference=reference, options=OPTIONS
    )
    assert alone.settings.name in {w.name for w in planned_runs if w.photo.endswith("b.png")}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"subjects": '"embedded:rubust"'}, "unknown model 'embedded:rubust'; did you mean 'embe"),
        ({"generators": '"deepsim"'}, "unknown generator 'deepsim'"),
        ({"subjects": '"nothing.py:subject"'}, "no Python file"),
        ({"units": '"fc:5"'}, "the largest is 4"),
        ({"units": '"fcc:1"'}, "did you mean 'fc'"),
        ({"stretch": '"convv1"'}, "did you mean 'conv1'"),
    ],
)
def test_what_there_is_not_is_said_with_its_condition(study_text, tmp_path, changed, says):
    conditions = "[conditions.first]\nseeds = 1"
    with pytest.raises(InputError, match=f"condition 'first': .*{says}"):
        planned(study_text(conditions, **changed), tmp_path)


def test_a_folder_of_photos_must_be_there(study_text, tmp_path):
    text = study_text(top='data = { photos = "photos" }')
    with pytest.raises(InputError, match=r"\[data\] photos names no folder"):
        planned(text, tmp_path)
    (tmp_path / "photos").mkdir()
    assert planned(text, tmp_path)


def test_code_runs_only_where_it_is_allowed(study_text, tmp_path):
    with pytest.raises(InputError, match="--allow-code"):
        plan_study(parse_study(study_text()), tmp_path)


def test_a_factory_that_is_missing_or_gives_something_else(study_text, tmp_path):
    with pytest.raises(
        InputError, match=r"unknown function of worlds.py 'subjekt'; did you mean 'subject'"
    ):
        planned(study_text(subject="subjekt"), tmp_path)
    with pytest.raises(InputError, match="gives a SlowGenerator; expected a torch"):
        planned(study_text(subject="generator"), tmp_path)


def test_wanted_runs_are_kept_as_they_are(study_text, tmp_path):
    planned_runs = planned(study_text(), tmp_path)
    write_planned_runs(tmp_path / "runs.jsonl", planned_runs)
    assert read_planned_runs(tmp_path / "runs.jsonl") == planned_runs
