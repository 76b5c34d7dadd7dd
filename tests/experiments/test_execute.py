"""Searches from the question to what is kept on disk."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from invariscope import (
    Search,
    SearchOptions,
    constrain_generator,
    find_mei,
    image_reference,
    load_generator,
    load_result,
    load_subject,
    stretch_and_squeeze,
)
from invariscope.errors import InputError, StoreError, SubjectError
from invariscope.experiments.mei import plan_mei
from invariscope.experiments.plan import plan
from invariscope.experiments.reference import depart_from
from invariscope.search.archive import COLUMNS
from invariscope.search.measure import measure, pad
from invariscope.search.objectives import Objective, Objectives
from invariscope.search.precision import bulk
from invariscope.store.run_folder import RunFolder
from invariscope.units import parse_target

SCORES = list(COLUMNS)


def scores(record):
    return record.front[SCORES].to_numpy(float)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def interrupt_after(generations):
    """A watcher that presses Ctrl-C once."""
    calls = []

    def watch(_news):
        calls.append(1)
        if len(calls) == generations:
            os.kill(os.getpid(), signal.SIGINT)

    return watch


def non_dominated(costs):
    for i, one in enumerate(costs):
        others = np.delete(costs, i, 0)
        if ((others <= one).all(1) & (others < one).any(1)).any():
            return False
    return True


@pytest.mark.parametrize(
    ("task", "site", "subset", "signs"),
    [
        ("invariance", "pixels", None, (-1, 1)),
        ("invariance", "features", (0, 7, 63), (-1, 1)),
        ("adversarial", "pixels", None, (1, -1)),
        ("adversarial", "features", None, (1, -1)),
    ],
)
def test_a_front_is_non_dominated_and_scored_as_by_hand(sns, own_scores, task, site, subset, signs):
    result = sns(task=task, stretch=site, subset=subset)
    (record,) = result.runs
    assert len(record.front) >= 3
    assert record.outcome["status"] == "finished"
    assert record.outcome["images"] == 6 * 12
    expected = own_scores(record.tensors["codes"], site=site, subset=subset)
    np.testing.assert_allclose(scores(record), expected, rtol=1e-5, atol=1e-5)
    assert non_dominated(scores(record)[:, :2] * signs)
    assert record.front["stretch"].is_monotonic_increasing
    pixels = own_scores(record.tensors["codes"])[:, 0]
    np.testing.assert_allclose(record.front["pixel_distance"], pixels, rtol=1e-5, atol=1e-5)
    images = result.generator.generate(record.tensors["codes"]).numpy()
    ends = ((images <= 2 / 255) | (images >= 253 / 255)).reshape(len(images), -1).mean(1)
    np.testing.assert_allclose(record.front["saturation"], ends, atol=1e-12)
    norms = np.linalg.norm(record.tensors["codes"].numpy().astype(float), axis=1)
    np.testing.assert_allclose(record.front["code_norm"], norms)


def test_under_a_bound_the_norm_told_is_that_of_the_code_behind_the_image():
    plain = load_generator("embedded")
    bounded = constrain_generator(plain, code_percentile=50)
    grey = image_reference(torch.full((3, 96, 96), 0.5), 96)
    options = SearchOptions(population=8, generations=2, sigma=3.0)
    result = stretch_and_squeeze(
        load_subject("embedded:standard"), bounded, "fc:3", reference=grey, options=options
    )
    (record,) = result.runs
    codes, told = record.tensors["codes"], record.front["code_norm"].to_numpy(float)
    norms = codes.norm(dim=1)
    assert bool((norms > 2 * bounded.radius).any())
    shrunk = codes * (bounded.radius / norms).clamp(max=1)[:, None]
    np.testing.assert_allclose(told, shrunk.norm(dim=1), rtol=1e-5)
    torch.testing.assert_close(plain.generate(shrunk), bounded.generate(codes))


@pytest.mark.parametrize(("task", "better"), [("invariance", np.max), ("adversarial", np.min)])
def test_a_longer_search_finds_a_better_front(sns, task, better):
    short, long = (sns(task=task, options={"generations": g}).runs[0] for g in (1, 30))
    gain = scores(long)[:, 0] - better(scores(short)[:, 0])
    assert (gain.max() > 0.05) if task == "invariance" else (gain.min() < -0.05)


def test_a_set_of_units_is_a_target(sns, own_scores):
    (record,) = sns("out:0+out:2").runs
    assert record.settings.unit == "out:0+out:2"
    expected = own_scores(record.tensors["codes"], units=(0, 2))
    np.testing.assert_allclose(scores(record), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("task", ["invariance", "adversarial"])
def test_direction_down_counts_losses_only(sns, subject, reference, task):
    (record,) = sns(task=task, direction="down").runs
    own = float(subject.respond(reference.image[None], ["out"])["out"][0, 1])
    activation = record.front["activation"].to_numpy()
    squeeze = record.front["squeeze"].to_numpy()
    np.testing.assert_allclose(squeeze, np.maximum(0, own - activation), rtol=1e-5, atol=1e-5)
    if task == "invariance":
        assert squeeze[activation > own + 0.01].max() == 0
    else:
        assert squeeze.max() > 0
    assert sns(task=task).runs[0].name != record.name


@pytest.mark.parametrize(
    ("task", "column", "bound", "status", "generations", "milestone"),
    [
        ("invariance", "maximum", -1e6, "stopped", 5, 1),
        ("invariance", "maximum", 1e6, "finished", 6, None),
        ("adversarial", "minimum", 1e6, "stopped", 5, 1),
        ("adversarial", "minimum", -1e6, "finished", 6, None),
    ],
)
def test_the_stop_rule_ends_a_run_and_marks_its_milestone(
    sns, make_subject, natural_table, task, column, bound, status, generations, milestone
):
    subject = make_subject(natural=natural_table(**{column: bound}))
    (record,) = sns(subject=subject, task=task).runs
    end = record.outcome
    assert (end["status"], end["generations"], end["milestone"]) == (status, generations, milestone)
    assert len(record.journal) == generations
    assert (record.path / "milestone.parquet").exists() is (milestone is not None)
    assert record.journal[-1]["reached"] == (60 if milestone else 0)  # five generations of 12


def test_the_results_table_has_one_row_a_run(sns, reference, subject):
    result = sns(seeds=(0, 1))
    own = float(subject.respond(reference.image[None], ["out"])["out"][0, 1])
    table = result.table("farthest")
    assert table["seed"].tolist() == [0, 1]
    assert table["reference"].to_numpy() == pytest.approx(own, rel=1e-5)
    for row, record in zip(table.itertuples(), result.runs, strict=True):
        assert row.member == len(record.front) - 1
        assert row.stretch == record.front["stretch"].max()
        above = (record.front["activation"] > row.reference).mean()
        assert row.above_reference == pytest.approx(above)
        if own > 0:
            assert row.reduction == pytest.approx((own - row.activation) / own * 100, rel=1e-4)
        else:
            assert np.isnan(row.reduction)
    assert len(result.front) == sum(len(record.front) for record in result.runs)
    assert set(result.front["run"]) == {record.path.name for record in result.runs}


@pytest.mark.parametrize("which", ["kept", "knee", "farthest", "nearest"])
def test_images_are_those_of_the_chosen_members(sns, generator, which):
    result = sns(seeds=(0, 1))
    members = result.table(which)["member"]
    codes = [r.tensors["codes"][m] for r, m in zip(result.runs, members, strict=True)]
    torch.testing.assert_close(result.images(which), generator.generate(torch.stack(codes)))


def test_pictures_are_kept_of_the_reference_and_members(sns, generator, reference):
    (record,) = sns().runs
    for row, code in [
        (0, record.tensors["codes"][0]),
        (len(record.front) - 1, record.tensors["codes"][-1]),
    ]:
        picture = np.asarray(Image.open(record.path / "images" / f"member-{row}.png")) / 255
        image = generator.generate(code[None])[0].permute(1, 2, 0).numpy()
        assert abs(picture - image).max() <= 0.5 / 255 + 1e-6
    assert (record.path / "images" / "reference.png").exists()


def test_fault_distances_re_measured_from_pngs(sns, tmp_path):
    result = sns(out=tmp_path)
    for path in tmp_path.rglob("*.png"):
        Image.new("RGB", (8, 8)).save(path)
    again = load_result(tmp_path)
    pd.testing.assert_frame_equal(again.front, result.front)
    pd.testing.assert_frame_equal(again.table(), result.table())


def test_fault_activations_truncated_to_int(sns):
    (record,) = sns().runs
    activation = record.front["activation"].to_numpy()
    assert record.front["activation"].dtype == np.float64
    assert (activation != np.trunc(activation)).all()
    journal = [number for line in record.journal for number in line["activation"]]
    assert all(isinstance(number, float) for number in journal)
    assert any(number != int(number) for number in journal)


def test_fault_seed_0_dropped(sns, same_runs):
    zero, again, one = (sns(seeds=(seed,)) for seed in (0, 0, 1))
    same_runs(zero, again)
    assert zero.runs[0].settings.seed == 0
    assert not np.array_equal(scores(zero.runs[0])[-1], scores(one.runs[0])[-1])


@pytest.mark.parametrize("kind", [int, np.int64])
def test_global_seeds_and_the_kind_of_integer_do_not_matter(sns, same_runs, kind):
    first = sns(seeds=(4,))
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    same_runs(first, sns(seeds=(kind(4),)))


@pytest.mark.parametrize("which", ["toy", "conv"])
@pytest.mark.parametrize("task", ["invariance", "adversarial"])
def test_a_seed_alone_equals_the_same_seed_among_others(
    sns, subject, conv_subject, same_runs, which, task
):
    asked = {
        "subject": subject if which == "toy" else conv_subject,
        "unit": "out:1" if which == "toy" else "fc:3",
        "stretch": "features" if which == "toy" else "conv1",
        "task": task,
    }
    among = sns(**asked, seeds=(7, 0, 3))
    alone = sns(**asked, seeds=(3,))
    same_runs(alone, type(among)(among.runs[2:], among.generator))


def test_runs_come_back_in_the_order_asked(sns, tmp_path):
    assert [r.settings.seed for r in sns(seeds=(5, 2, 9), out=tmp_path).runs] == [5, 2, 9]
    assert [r.settings.seed for r in sns(seeds=(2, 9, 5, 1), out=tmp_path).runs] == [2, 9, 5, 1]


def test_a_run_that_is_done_is_not_repeated(sns, generator, same_runs, tmp_path):
    first = sns(seeds=(0, 1), out=tmp_path)
    assert generator.calls > 0
    generator.calls, before = 0, contents(tmp_path)
    same_runs(first, sns(seeds=(0, 1), out=tmp_path))
    assert generator.calls == 1  # the probe's images, by which the network is known again
    assert contents(tmp_path) == before


@pytest.mark.parametrize("after", [1, 4])
@pytest.mark.parametrize("task", ["invariance", "adversarial"])
def test_ctrl_c_keeps_what_was_found_and_the_next_call_goes_on(
    sns, same_runs, tmp_path, after, task
):
    with pytest.raises(KeyboardInterrupt):
        sns(seeds=(0, 1), task=task, out=tmp_path / "cut", watch=interrupt_after(after))
    found = load_result(tmp_path / "cut")
    assert [r.outcome["status"] for r in found.runs] == ["interrupted"] * 2
    assert [len(r.journal) for r in found.runs] == [after] * 2
    assert all(len(r.front) > 0 for r in found.runs)
    resumed = sns(seeds=(0, 1), task=task, out=tmp_path / "cut")
    same_runs(sns(seeds=(0, 1), task=task), resumed)


def test_ctrl_c_in_the_last_generation_still_interrupts(sns, generator, same_runs, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        sns(out=tmp_path, watch=interrupt_after(6))
    generator.calls = 0
    same_runs(sns(out=tmp_path), load_result(tmp_path))
    assert generator.calls == 1  # the probe's images


def test_a_second_ctrl_c_interrupts_at_once_and_loses_nothing(sns, same_runs, tmp_path):
    def twice(_news):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        sns(out=tmp_path, watch=twice)
    same_runs(sns(), sns(out=tmp_path))


def test_the_handler_of_ctrl_c_is_given_back(sns, make_subject):
    before = signal.getsignal(signal.SIGINT)
    sns()
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(SubjectError):
        sns(subject=make_subject(broken_after=0))
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    "changed",
    [
        {"options": {"generations": 5}},
        {"options": {"population": 10}},
        {"unit": "out:2"},
        {"stretch": "features"},
        {"task": "adversarial"},
        {"seeds": (1,)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_other_settings_in_the_same_folder_are_refused_and_nothing_overwritten(
    sns, tmp_path, changed
):
    sns(out=tmp_path)
    before = contents(tmp_path)
    with pytest.raises(StoreError, match=r"holds another run, '.*'; choose another --out"):
        sns(out=tmp_path, **changed)
    assert contents(tmp_path) == before


def test_a_folder_that_is_a_file_is_refused(sns, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StoreError, match="is a file; expected a folder"):
        sns(out=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_run_that_another_process_writes_is_refused(
    sns, subject, generator, reference, make_options, tmp_path
):
    (planned,) = plan(
        subject, generator, "out:1", task="invariance", reference=reference, options=make_options()
    )
    busy = RunFolder(tmp_path, planned.settings, {}, {"precision": "float32"})
    with busy, pytest.raises(StoreError, match="another process is writing"):
        sns(out=tmp_path)
    assert sns(out=tmp_path).runs[0].name == planned.settings.name


@pytest.mark.parametrize("broken_after", [0, 32, 100])
def test_a_subject_that_answers_nan_is_told_and_leaves_no_result(
    sns, make_subject, same_runs, tmp_path, broken_after
):
    subject = make_subject(broken_after=broken_after)
    with pytest.raises(SubjectError, match="toy answered NaN for 12 of 12 images"):
        sns(subject=subject, out=tmp_path)
    with pytest.raises(StoreError, match="holds no run with a result"):
        load_result(tmp_path)
    subject.broken_after = None
    same_runs(sns(), sns(subject=subject, out=tmp_path))


def test_a_photo_is_a_reference(sns, picture, subject):
    result = sns(reference=image_reference(picture, 8))
    assert torch.equal(result.reference.image, picture)
    assert result.reference.code is None
    own = float(subject.respond(picture[None], ["out"])["out"][0, 1])
    assert result.reference.activity == pytest.approx(own, rel=1e-5)
    assert result.runs[0].settings.reference["kind"] == "image"


def test_a_photo_without_a_code_starts_no_adversarial_search(sns, picture, code):
    with pytest.raises(InputError, match="starts at the reference's code"):
        sns(reference=image_reference(picture, 8), task="adversarial")
    result = sns(reference=image_reference(picture, 8, code), task="adversarial")
    assert torch.equal(result.reference.code, code)


def test_news_count_runs_and_images(sns):
    heard = []
    sns(seeds=(0, 1), watch=heard.append)
    assert [news.images for news in heard] == [24 * g for g in range(1, 7)]
    assert [news.ended for news in heard] == [0] * 5 + [2]
    assert {news.total for news in heard} == {2}


def test_the_journal_holds_each_generation_once(sns, tmp_path):
    (record,) = sns(out=tmp_path).runs
    lines = (record.path / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["generation"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [json.loads(line)["images"] for line in lines] == [12 * g for g in range(1, 7)]


def test_an_mei_is_found_and_its_activity_is_the_units(subject, generator, make_options):
    options = make_options(generations=20)
    mei = find_mei(subject, generator, "out:1", options=options)
    own = float(subject.respond(mei.image[None], ["out"])["out"][0, 1])
    assert mei.activity == pytest.approx(own, rel=1e-5)
    start = generator.generate(torch.zeros(1, 6))
    assert own > float(subject.respond(start, ["out"])["out"][0, 1]) + 0.1
    torch.testing.assert_close(generator.generate(mei.code[None])[0], mei.image)


def test_a_set_of_units_has_an_mei_of_its_mean(subject, generator, make_options):
    mei = find_mei(subject, generator, ["out:0", "out:2"], options=make_options())
    own = subject.respond(mei.image[None], ["out"])["out"][0, [0, 2]].mean()
    assert mei.activity == pytest.approx(float(own), rel=1e-5)


def test_meis_repeat_by_seed_and_are_drawn_among_tries(subject, generator, make_options, tmp_path):
    def mei(seed, tries=1, **asked):
        return find_mei(
            subject, generator, "out:1", seed=seed, tries=tries, options=make_options(), **asked
        )

    first, again, other = mei(0), mei(0), mei(1)
    assert torch.equal(first.image, again.image)
    assert first.recipe == again.recipe != other.recipe
    assert not torch.equal(first.image, other.image)
    drawn = mei(0, 3, out=tmp_path)
    runs = load_result(tmp_path).runs
    assert sorted(r.settings.seed for r in runs) == [0, 1, 2]
    assert drawn.recipe["run"] in {r.name for r in runs}
    generator.calls = 0
    assert torch.equal(mei(0, 3, out=tmp_path).image, drawn.image)
    assert generator.calls == 2  # the probe's images and the MEI


def test_different_seeds_draw_among_different_tries(subject, generator):
    tried = [
        {p.settings.seed for p in plan_mei(subject, generator, "out:1", seed=seed, tries=3)}
        for seed in (0, 1, 2)
    ]
    assert [len(seeds) for seeds in tried] == [3, 3, 3]
    assert len(set.union(*tried)) == 9


def test_an_mei_is_a_reference_to_depart_from(subject, generator, make_options):
    mei = find_mei(subject, generator, "out:1", options=make_options())
    for task in ("invariance", "adversarial"):
        result = stretch_and_squeeze(
            subject, generator, "out:1", reference=mei, task=task, options=make_options()
        )
        assert torch.equal(result.reference.image, mei.image)
        assert result.runs[0].settings.reference == mei.recipe


@pytest.fixture
def bf16_run(sns, conv_subject):
    """A run in bf16, and its codes evaluated again in a given precision."""
    result = sns("fc:3", subject=conv_subject, stretch="conv2", options={"precision": "bf16"})
    return result.runs[0]


def evaluated(subject, generator, record, precision):
    reference = record.tensors["reference_image"]
    target = parse_target("fc:3", subject.sites())
    with bulk(generator.device, precision):
        objective = depart_from(
            Objective("invariance", target, "conv2"), subject, reference, chunk=32
        )
    codes = record.tensors["codes"]
    return measure(generator, subject, codes, objective, chunk=32, precision=precision).numpy()


def test_a_front_found_in_bf16_is_measured_again_in_float32(bf16_run, conv_subject, generator):
    images = generator.generate(bf16_run.tensors["codes"])
    both = torch.cat([images, bf16_run.tensors["reference_image"][None]])
    responses = conv_subject.respond(both, ["conv2", "fc"])
    site, activity = responses["conv2"].flatten(1), responses["fc"][:, 3]
    by_hand = [
        (site[:-1] - site[-1]).norm(dim=1),
        (activity[:-1] - activity[-1]).abs(),
        activity[:-1],
    ]
    own = torch.stack(by_hand, 1).numpy()
    np.testing.assert_allclose(scores(bf16_run), own, rtol=1e-5, atol=1e-5)
    exact = evaluated(conv_subject, generator, bf16_run, "float32")
    np.testing.assert_allclose(scores(bf16_run), exact, rtol=1e-6, atol=1e-7)
    fast = evaluated(conv_subject, generator, bf16_run, "bf16")
    assert abs(fast - exact).max() > 1e-4
    assert non_dominated(scores(bf16_run)[:, :2] * (-1, 1))
    activity = conv_subject.respond(both[-1:], ["fc"])["fc"][0, 3]
    assert float(bf16_run.tensors["reference_activity"]) == pytest.approx(float(activity), rel=1e-5)
    assert bf16_run.context["precision"] == bf16_run.settings.precision == "bf16"


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_run_measures_its_reference_in_the_candidates_path(
    sns, conv_subject, generator, reference, make_options, precision
):
    options = make_options(precision=precision)
    (record,) = sns("fc:3", subject=conv_subject, options={"precision": precision}).runs
    (planned,) = plan(
        conv_subject, generator, "fc:3", task="invariance", reference=reference, options=options
    )
    with bulk(generator.device, precision):
        objective = depart_from(planned.run.objective, conv_subject, reference.image, chunk=32)
    run = replace(planned.run, objective=objective, precision=precision)
    search = Search(generator, [run], population=12)
    assert search.step(conv_subject)[0].line == record.journal[0]


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_references_own_squeeze_is_0_in_its_path(conv_subject, picture, precision):
    target = parse_target("fc:3", conv_subject.sites())
    found = {}
    for measured in ("float32", "bf16"):
        with bulk(conv_subject.device, measured):
            objective = depart_from(
                Objective("invariance", target, "conv2"), conv_subject, picture, chunk=32
            )
        with bulk(conv_subject.device, precision):
            responses = conv_subject.respond(pad(picture[None], 32), objective.sites)
            runs = torch.zeros(32, dtype=torch.int64)
            found[measured] = Objectives([objective], "cpu").score(responses, runs)[:, :2]
    assert not bool(found.pop(precision).any())
    assert all(bool((other > 0).all()) for other in found.values())


@pytest.mark.parametrize(
    ("native", "tau", "began", "in_bf16"),
    [(True, -2.0, "auto", 5), (True, 2.0, "auto", 0), (False, -2.0, "float32", 0)],
)
def test_auto_takes_bf16_where_it_is_native_and_ranks_alike(
    sns, conv_subject, same_runs, monkeypatch, tmp_path, native, tau, began, in_bf16
):
    monkeypatch.setattr("invariscope.experiments.evaluator.bf16_is_native", lambda device: native)
    monkeypatch.setattr("invariscope.search.evaluation.SMALLEST_TAU", tau)

    def search(out, **asked):
        options = {"precision": "auto"}
        return sns("fc:3", subject=conv_subject, options=options, out=out, **asked)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", watch=interrupt_after(2))
    unbroken = search(tmp_path / "unbroken")
    assert unbroken.runs[0].outcome["bf16_generations"] == in_bf16  # the first one is asked
    # A run goes on in the precision in which it began, whatever the machine would choose now.
    monkeypatch.setattr(
        "invariscope.experiments.evaluator.bf16_is_native", lambda device: not native
    )
    resumed = search(tmp_path / "cut")
    same_runs(unbroken, resumed)
    assert resumed.runs[0].context["precision"] == began
    assert resumed.runs[0].settings.precision == "auto"
