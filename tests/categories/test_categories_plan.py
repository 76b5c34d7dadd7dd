"""Nested sets, uniform sampling, names, and what is refused."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from invariscope import seeds
from invariscope.categories.data import DataRule, load_data
from invariscope.categories.draws import balanced_order, draw_epoch
from invariscope.categories.plan import (
    Recipe,
    count_list,
    plan_networks,
    read_transformation,
    steps_of,
)
from invariscope.errors import InputError


def test_seen_sets_are_nested_and_the_same_for_every_transformation(planned):
    for seed in (0, 1):
        for label in ("inversion", "white-noise"):
            own = [w for w in planned if w.seed == seed and w.label == label]
            assert [w.count for w in own] == [1, 2, 4]
            for smaller, larger in pairwise(own):
                assert set(smaller.seen) < set(larger.seen)
        first, second = (
            {w.count: w.seen for w in planned if w.seed == seed and w.label == label}
            for label in ("inversion", "white-noise")
        )
        assert first == second
    assert len(planned) == 2 * (1 + 2 * 3)
    assert len({w.name for w in planned}) == len(planned)


def test_a_name_depends_on_what_the_network_depends_on(planned):
    one = planned[3]
    assert replace(one).name == one.name
    assert replace(one, seen=one.seen[::-1]).name == one.name  # a set
    for other in (
        replace(one, seed=7),
        replace(one, recipe=replace(one.recipe, rate=0.01)),
        replace(one, transformation=read_transformation("hue")),
        replace(one, content="other images"),
    ):
        assert other.name != one.name


@pytest.mark.parametrize("counts", [(12, 12, 12), (30, 10, 5)])
def test_an_epoch_shows_every_category_as_often(counts):
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    order = balanced_order(labels, seeds.torch_stream("t"))
    shown = torch.bincount(labels[order], minlength=3)
    assert shown.tolist() == [round(sum(counts) / 3)] * 3
    for category, count in enumerate(counts):  # none twice before all once
        own = torch.bincount(order[labels[order] == category], minlength=sum(counts))
        of_category = own[labels == category]
        assert int(of_category.max()) == -(-int(shown[category]) // count)
        assert int(of_category.max() - of_category.min()) <= 1


def test_half_of_the_images_of_seen_categories_are_transformed(planned, data):
    one = next(w for w in planned if w.count == 2)
    draws = [draw_epoch(one, data.train.labels, epoch) for epoch in range(200)]
    labels = torch.cat([data.train.labels[d.order] for d in draws])
    transformed = torch.cat([d.transformed for d in draws])
    seen = torch.tensor([name in one.seen for name in one.classes])[labels]
    assert not transformed[~seen].any()
    number = int(seen.sum())
    assert abs(transformed[seen].double().mean() - 0.5) < 4 * 0.5 / number**0.5


def test_networks_of_one_seed_see_the_same_images_in_the_same_order(planned, data):
    orders = [draw_epoch(w, data.train.labels, 1).order for w in planned if w.seed == 0]
    assert all(torch.equal(orders[0], order) for order in orders)
    other = draw_epoch(planned[1], data.train.labels, 1).order
    assert not torch.equal(orders[0], other)


def test_counts_in_equal_steps_and_ratios():
    assert count_list(1, 9, 5) == (1, 3, 5, 7, 9)
    assert count_list(1, 1000, 4, "log") == (1, 10, 100, 1000)
    with pytest.raises(InputError, match="unknown scale of counts 'lin'; did you mean 'linear'"):
        count_list(1, 9, 3, "lin")


def test_a_rate_falls_as_its_schedule_says():
    steps = Recipe(schedule="steps", drops=(0.5, 0.75))
    assert [steps.share(k, 8) for k in (0, 3, 4, 5, 6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    cycle = Recipe(schedule="one-cycle", warm=0.25)
    shares = [cycle.share(k, 100) for k in range(100)]
    assert max(shares) == shares[25] == 1
    assert shares[:26] == sorted(shares[:26])
    assert shares[25:] == sorted(shares[25:], reverse=True)


def test_more_seen_categories_than_there_are_is_refused(paradigm, data):
    with pytest.raises(InputError, match="asked to show 5 categories transformed, and there are 4"):
        plan_networks(replace(paradigm, counts=(2, 5)), data)


def test_colour_of_grey_images_is_marked_missing_and_the_others_go_on(paradigm, data):
    colours = (read_transformation("hue"), read_transformation("blur"))
    asked = replace(paradigm, transformations=colours)
    faults = {w.label: w.fault for w in plan_networks(asked, replace(data, grey=1.0))}
    assert faults["hue"].startswith("missing: all images are grey")
    assert faults["blur"] == faults["none"] == ""
    mixed = {w.label: w.fault for w in plan_networks(asked, replace(data, grey=0.4))}
    assert mixed["hue"].startswith("40% of the images are grey and the others have colour")
    assert not any(w.fault for w in plan_networks(asked, replace(data, grey=0.05)))


def test_a_category_with_too_few_images_is_refused(picture_folder, tmp_path):
    for kind in ("train", "val"):
        for name in ("ant", "bee"):
            (tmp_path / kind / name).mkdir(parents=True)
            for photo in sorted((picture_folder / kind / name).iterdir())[
                : 1 if name == "bee" else 3
            ]:
                (tmp_path / kind / name / photo.name).write_bytes(photo.read_bytes())
    with pytest.raises(InputError, match=r"category 'bee' has 1 training image in .*at least 2"):
        load_data(DataRule(folder=str(tmp_path), side=16))


def test_categories_are_drawn_or_named_and_unknown_ones_are_refused(picture_folder):
    drawn = load_data(DataRule(folder=str(picture_folder), side=16, categories=2))
    assert len(drawn.classes) == 2
    named = load_data(DataRule(folder=str(picture_folder), side=16, categories=("dog", "ant")))
    assert named.classes == ("ant", "dog")
    with pytest.raises(InputError, match="asked for 5 categories, and there are 4"):
        load_data(DataRule(folder=str(picture_folder), categories=5))
    with pytest.raises(InputError, match="unknown category 'anT'; did you mean 'ant'"):
        load_data(DataRule(folder=str(picture_folder), categories=("anT",)))


def test_one_folder_is_split_by_its_files_names(picture_folder):
    rule = DataRule(folder=str(picture_folder / "train"), side=16, held_out=0.25)
    first, again = load_data(rule), load_data(rule)
    assert first.test.names == again.test.names
    assert torch.bincount(first.test.labels).tolist() == [3, 3, 3, 3]
    assert not set(first.test.names) & set(first.train.names)
    assert len(first.test.names) + len(first.train.names) == 48


def test_streamed_images_are_the_held_ones(picture_folder, data):
    streamed = load_data(DataRule(folder=str(picture_folder), side=16), most=0)
    order = torch.tensor([5, 40, 3, 3, 17, 0, 47])
    for held, read in zip(data.train.parts(order, 3), streamed.train.parts(order, 3), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(held, read, strict=True))


@pytest.mark.parametrize("count", [40, 51, 52, 53, 80])
def test_an_epoch_has_the_steps_that_were_planned(count):
    drawn = len(balanced_order(torch.arange(count) % 3, torch.Generator()))
    for batch in (7, 50, 52):
        recipe = Recipe(batch=batch)
        if drawn < batch:
            with pytest.raises(InputError, match=f"the batch is {batch}, above {drawn} training"):
                steps_of(recipe, count, 3)
        else:
            assert steps_of(recipe, count, 3) == drawn // batch
