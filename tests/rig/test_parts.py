"""Windows, drift, noise, repeats, claims: each against what is known in closed form."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.recordings.noise import ResponseNoise, difference_p, reliability, shrink_means
from invariscope.recordings.windows import Windows
from invariscope.rig.drift import gains
from invariscope.rig.file import HeldBackRequest, parse_session
from invariscope.rig.held_back import HeldBackClaim, held_back, spread_members
from invariscope.rig.predictions import power
from invariscope.rig.repeats import RepeatPolicy, spread_trials
from invariscope.search.archive import Front
from invariscope.search.objectives import Objective
from invariscope.units import Target, Unit

times = st.lists(st.floats(-200, 400, allow_nan=False), max_size=30).map(tuple)


@given(times)
def test_a_window_counts_its_spikes_and_the_baseline_is_taken_off(spikes):
    inside = sum(50 <= t < 150 for t in spikes)
    before = sum(-100 <= t < 0 for t in spikes)
    assert Windows().read(spikes) == pytest.approx(inside / 0.1)
    both = Windows((50, 150), (-100, 0))
    assert both.read(spikes) == pytest.approx(inside / 0.1 - before / 0.1)


def test_numbers_are_taken_as_they_are_and_windows_must_not_be_empty():
    assert Windows(baseline=(-100, 0)).read(7.5) == 7.5
    assert math.isnan(Windows().read(math.nan))
    with pytest.raises(InputError, match="is empty"):
        Windows((150, 50))


def test_drift_that_the_controls_show_is_followed_and_none_is_left_alone():
    number = np.arange(4000)
    true = 1 + 0.3 * np.sin(2 * np.pi * number / 2000)
    controls = number[::10]
    expected = np.full((len(controls), 2), 20.0)
    stream = seeds.numpy_stream("drift")
    brought = stream.poisson(np.outer(true[controls], [2.0, 0.0])) / 0.1
    expected[:, 1] = 0.0
    found = gains(number, controls, brought, expected, 10 * expected, trials=200)
    assert np.abs(found[:, 0] - true).mean() < 0.4 * np.abs(1 - true).mean()
    np.testing.assert_array_equal(found[:, 1], 1)  # what brings nothing tells nothing


def test_a_unit_that_was_not_recorded_in_controls_has_no_drift():
    missing, ones, none = np.full((5, 1), np.nan), np.ones((5, 1)), np.ones((0, 1))
    found = gains(np.arange(3), np.arange(5), missing, ones, ones, trials=10)
    np.testing.assert_array_equal(found, 1)
    found = gains(np.arange(3), np.arange(0), none, none, none, trials=10)
    np.testing.assert_array_equal(found, 1)


def test_the_gain_is_weighted_least_squares_around_1():
    usual, brought = np.array([[10.0], [4.0], [-2.0]]), np.array([[12.0], [4.0], [-3.0]])
    variances = np.array([[5.0], [2.0], [1.0]])
    found = gains(np.zeros(1, int), np.zeros(3, int), brought, usual, variances, trials=1)
    rows = np.concatenate([usual / np.sqrt(variances), [[1 / 0.2]]])
    values = np.concatenate([brought / np.sqrt(variances), [[1 / 0.2]]])
    np.testing.assert_allclose(found, np.linalg.lstsq(rows, values, rcond=None)[0])


def test_controls_that_were_picked_for_their_means_do_not_make_a_drift():
    stream = seeds.numpy_stream("luck")
    true = 10 * stream.gamma(1.0, 0.4, (200, 40))  # 40 photos, many sessions
    trials = stream.poisson(true / 10, (8, 200, 40)) * 10.0  # in windows of 100 ms
    means, variances = trials.mean(0).T, trials.var(0, ddof=1).T
    counts = np.full(means.shape, 8)
    usual, noise = shrink_means(means, variances, counts), ResponseNoise.fit(means, variances)
    best, sessions = means.argmax(0), np.arange(200)
    assert (means[best, sessions] - true[sessions, best]).mean() > 3
    assert abs((usual[best, sessions] - true[sessions, best]).mean()) < 1
    assert noise.slope.mean() == pytest.approx(10, rel=0.1)


def test_noise_of_poisson_counts_has_their_variance():
    stream = seeds.numpy_stream("noise")
    rates = np.linspace(2, 30, 200)
    counts = stream.poisson(np.repeat(rates * 0.1, 50).reshape(200, 50)) / 0.1
    means, variances = counts.mean(1, keepdims=True), counts.var(1, ddof=1, keepdims=True)
    noise = ResponseNoise.fit(means, variances)
    assert noise.slope[0] == pytest.approx(10, rel=0.1)  # Fano 1 over 0.1 s
    errors = noise.errors(means, np.full((200, 1), 50))
    assert np.mean(errors[:, 0] / np.sqrt(rates * 10 / 50)) == pytest.approx(1, abs=0.05)


def test_a_mean_without_trials_has_no_error_and_one_without_spikes_has_some():
    noise = ResponseNoise(np.zeros(1), np.array([10.0]))
    errors = noise.errors(np.array([[0.0], [np.nan], [20.0]]), np.array([[1], [0], [1]]))
    assert errors[0, 0] > 0
    assert math.isnan(errors[1, 0])


def test_reliability_is_the_share_of_signal_in_repeat_means():
    stream = seeds.numpy_stream("reliability")
    signal = stream.normal(0, 2, (4000, 1, 2)) * [1, 0]
    trials = signal + stream.normal(0, 3, (4000, 6, 2))
    found = reliability(trials.mean(1), trials.var(1, ddof=1), np.full((4000, 2), 6))
    assert found[0] == pytest.approx(4 / (4 + 9 / 6), abs=0.03)
    assert found[1] == pytest.approx(0, abs=0.06)


def moments_of(trials, counts):
    """Moments of an image's first trials, as many as each counts; trials `(images, n, units)`."""
    there = np.arange(trials.shape[1])[None, :, None] < counts[:, None, None]
    means = np.where(there, trials, 0).sum(1) / counts[:, None]
    squares = np.where(there, (trials - means[:, None]) ** 2, 0).sum(1)
    variances = np.where(counts[:, None] > 1, squares / np.maximum(counts - 1, 1)[:, None], np.nan)
    return means, variances, np.broadcast_to(counts[:, None], means.shape)


def test_noise_alone_is_not_reliable_where_some_images_came_once():
    stream = seeds.numpy_stream("once and often")
    counts = np.repeat([20, 1], [50, 1000])
    moments = moments_of(stream.poisson(2.0, (1050, 20, 100)).astype(float), counts)
    assert -0.15 < reliability(*moments).mean() < 0.02  # 1 - E(1 / F) is below 0
    assert moments[0].max(0).mean() > 7
    assert np.abs(shrink_means(*moments) - 2).max() < 2
    assert np.isnan(reliability(*(moment[50:] for moment in moments))).all()


def test_each_mean_is_drawn_by_its_own_trials():
    """Poisson counts of gamma-distributed means: (a + Σ) / (b + n) is what to expect."""
    stream = seeds.numpy_stream("own trials")
    counts = np.repeat([1, 2, 4, 16], 3000)
    true = stream.gamma(3.0, 2.0, (12000, 1))
    means, variances, counts = moments_of(
        stream.poisson(true[:, None], (12000, 16, 1)).astype(float), counts
    )
    expected = (3.0 + means * counts) / (1 / 2.0 + counts)
    found = shrink_means(means, variances, counts)
    assert np.abs(found - expected).max() < 0.4
    assert np.abs(means - expected).max() > 3
    high = means[:, 0] > 12
    for number in (1, 2, 4):
        own = high & (counts[:, 0] == number)
        assert (means - true)[own].mean() > 0.4
        assert abs((found - true)[own].mean()) < 0.3


def test_the_test_for_differences_is_the_analysis_of_variance():
    stream = seeds.numpy_stream("anova")
    counts = np.array([5, 2, 1, 7, 3])
    trials = stream.normal(np.arange(5)[:, None, None] * [0, 0.5], 1.0, (5, 7, 2))
    found = difference_p(*moments_of(trials, counts))
    for unit in range(2):
        groups = [trials[i, :n, unit] for i, n in enumerate(counts) if n > 1]
        assert found[unit] == pytest.approx(stats.f_oneway(*groups).pvalue)
    silent = np.zeros((4, 1))
    assert np.isnan(difference_p(silent, silent, np.full((4, 1), 2))).all()
    sure = np.arange(4.0)[:, None]
    assert difference_p(sure, silent, np.full((4, 1), 2))[0] == 0


def test_each_image_comes_until_it_was_recorded_so_often_but_not_for_ever():
    recorded, shown = np.array([3, 2, 0, 2]), np.array([3, 3, 6, 2])
    assert RepeatPolicy(3, max_retries=3).needed(recorded, shown, None).tolist() == [0, 1, 0, 1]
    assert RepeatPolicy(3).needed(recorded, shown, None).tolist() == [0, 0, 0, 1]


def test_a_reference_among_the_images_comes_as_often_as_its_own_number():
    policy = RepeatPolicy(3, max_retries=1, reference=5)
    found = policy.needed(np.array([0, 3, 1]), np.array([0, 3, 5]), None)
    assert found.tolist() == [3, 0, 1]


def test_only_unsettled_images_come_again_and_at_most_so_often():
    likely = np.array([0.0, 0.5, 1.0, 0.4, 0.5])
    recorded = np.array([2, 2, 2, 5, 0])
    next_block = RepeatPolicy(2, max_repeats=5).needed(
        recorded, np.array([2, 2, 2, 5, 2]), lambda: likely
    )
    assert next_block.tolist() == [0, 1, 0, 0, 0]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8))
def test_each_image_comes_as_evenly_as_its_repeats_allow(needed):
    order = spread_trials(np.array(needed))
    assert np.bincount(order, minlength=len(needed)).tolist() == needed
    for image, n in enumerate(needed):
        places = np.flatnonzero(order == image)
        even = (np.arange(n) + 0.5) / max(n, 1) * len(order)
        assert (np.abs(places + 0.5 - even) <= len(needed)).all()


@pytest.mark.parametrize(("images", "repeats", "block"), [(10, 30, 50), (40, 8, 50), (7, 9, 5)])
def test_images_that_need_alike_stay_level_wherever_blocks_are_cut(images, repeats, block):
    needed, shown = np.full(images, repeats), np.zeros(images, int)
    while needed.any():
        part = np.bincount(spread_trials(needed)[:block], minlength=images)
        needed, shown = needed - part, shown + part
        assert np.ptp(shown) <= 1
    assert (shown == repeats).all()


def test_claims_are_one_sided_t_tests_with_their_false_discovery_rate():
    values = seeds.numpy_stream("claims").normal([[12.0], [8.0], [11.0]], 3, (3, 9))
    claim = HeldBackClaim.of("invariance", 20, 0, 0.5, 0.05)
    selected = np.array([12.0, 11.0, 10.0])
    found = claim.test(selected, values.mean(1), values.var(1, ddof=1), np.full(3, 9.0))
    expected = [stats.ttest_1samp(row, 10, alternative="greater").pvalue for row in values]
    np.testing.assert_allclose(found["p"], expected)
    np.testing.assert_allclose(found["q"], stats.false_discovery_control(expected))
    below = HeldBackClaim.of("adversarial", 20, 0, 0.5, 0.05)
    less = below.test(20 - selected, values.mean(1), values.var(1, ddof=1), np.full(3, 9.0))
    np.testing.assert_allclose(less["p"] + found["p"], 1)


@pytest.mark.parametrize("repeats", [2, 5, 60])
def test_the_references_own_repeats_count_for_the_degrees_of_freedom(repeats):
    stream = seeds.numpy_stream("welch", repeats)
    values, at = stream.normal(11, 3, (4, 9)), stream.normal(20, 5, repeats)
    error = at.std(ddof=1) / repeats**0.5
    claim = HeldBackClaim.of("invariance", at.mean(), error, 0.5, 0.05, repeats=repeats)
    counts = np.full(4, 9.0)
    found = claim.test(np.full(4, 99.0), values.mean(1), values.var(1, ddof=1), counts)["p"]
    words = {"axis": 1, "equal_var": False, "alternative": "greater"}
    expected = stats.ttest_ind(values, np.tile(at / 2, (4, 1)), **words).pvalue
    np.testing.assert_allclose(found, expected)


def test_nothing_is_claimed_where_nothing_varied_or_the_reference_came_once():
    means, none, counts = np.array([12.0, 3.0]), np.zeros(2), np.full(2, 9.0)
    same = HeldBackClaim("above", 10.0, 0.0, 0.05).test(means, means, none, counts)
    assert same["p"][0] == 1
    assert math.isnan(same["p"][1])
    assert power(12.0, HeldBackClaim("above", 10.0, 0.0, 0.05), 0.0, 9, 1) == 0
    for claim in (
        HeldBackClaim("above", 1.0, 0.1, 0.05, repeats=1),
        HeldBackClaim("above", math.nan, math.nan, 0.05, repeats=0, sought=1.0),
    ):
        once = claim.test(means, means, np.ones(2), counts)
        assert (once["p"] == 1).all()
        assert not once["holds"].any()


def test_slow_drift_of_gain_makes_no_false_claims():
    """Members exactly at the bound, a gain that goes up and down by 0.3 over 1,000 trials."""
    stream, wrong, sessions, members = seeds.numpy_stream("drifting"), 0, 300, 10
    final = HeldBackRequest()
    rates = np.append(np.full(members, 10.0), 20.0)
    for _ in range(sessions):
        needed = np.append(np.full(members, final.repeats), final.reference)
        order = np.zeros(0, int)
        while needed.any():
            block = spread_trials(needed)[:50]
            needed -= np.bincount(block, minlength=members + 1)
            order = np.append(order, stream.permutation(block))
        gain = 1 + 0.3 * np.sin(2 * np.pi * (np.arange(len(order)) / 1000 + stream.uniform()))
        values = stream.normal(rates[order] * gain, 2)
        shown = [values[order == image] for image in range(members + 1)]
        means = np.array([v.mean() for v in shown])
        variances = np.array([v.var(ddof=1) for v in shown])
        error = (variances[-1] / final.reference) ** 0.5
        claim = HeldBackClaim.of("invariance", means[-1], error, 0.5, 0.05, repeats=final.reference)
        counts = np.full(members, float(final.repeats))
        selected = np.full(members, 99.0)
        wrong += claim.test(selected, means[:-1], variances[:-1], counts)["holds"].any()
    assert wrong / sessions < 0.05 + 3 * (0.05 * 0.95 / sessions) ** 0.5


def test_members_that_claim_nothing_take_no_power_from_the_others():
    means, variances, counts = np.full(6, 12.0), np.full(6, 4.0), np.full(6, 9.0)
    claim = HeldBackClaim("above", 10.0, 0.0, 0.05)
    found = claim.test(np.array([12.0, 9.9, 9, 3, 2, 1]), means, variances, counts)
    (alone,) = claim.test(np.array([12.0]), means[:1], variances[:1], counts[:1])["q"]
    assert found["q"][0] == alone
    assert found[["p", "q"]][1:].isna().all(axis=None)
    assert found["holds"].tolist() == [True] + [False] * 5
    nobody = claim.test(np.zeros(6), means, variances, counts)
    assert not nobody["holds"].any()


def test_thirty_repeats_tell_three_quarters_of_two_spikes_from_half():
    """Poisson counts in 100 ms at 25 spikes/s: the defaults of a session, all members alike."""
    stream, final, told = seeds.numpy_stream("power"), HeldBackRequest(), []
    counts = np.full(final.members, float(final.repeats))
    for _ in range(200):
        reference = 10 * stream.poisson(2.5, final.reference)
        error = reference.std(ddof=1) / final.reference**0.5
        claim = HeldBackClaim.of(
            "invariance",
            reference.mean(),
            error,
            final.share,
            final.level,
            repeats=final.reference,
        )
        rates = 10.0 * stream.poisson(0.75 * 2.5, (final.members, final.repeats))
        variances = np.fmax(rates.var(1, ddof=1), 10 * rates.mean(1))
        found = claim.test(np.full(final.members, 25.0), rates.mean(1), variances, counts)
        told.append(found["holds"])
    assert 0.5 < np.mean(told) < 0.8


def test_false_discoveries_stay_below_the_level():
    stream, wrong, told = seeds.numpy_stream("discoveries"), 0, 0
    claim = HeldBackClaim("above", 10.0, 0.0, 0.1)
    for _ in range(200):
        true = np.where(np.arange(20) < 10, 10.0, 16.0)  # half of the members are at the bound
        values = stream.normal(true[:, None], 4, (20, 10))
        found = claim.test(true, values.mean(1), values.var(1, ddof=1), np.full(20, 10.0))
        holds = found["holds"]
        wrong, told = wrong + holds[:10].sum() / max(holds.sum(), 1), told + holds[10:].mean()
    assert wrong / 200 < 0.1
    assert told / 200 > 0.7


def front(scores):
    count = len(scores)
    whole = torch.arange(count)
    return Front(torch.tensor(scores), torch.zeros(count, 2), whole, whole)


def test_the_held_back_front_is_what_nothing_dominates():
    scores = torch.tensor([[1.0, 0, 9], [2, 5, 4], [3, 2, 7], [4, 3, 6]])
    objective = Objective("invariance", Target((Unit("rig", (0,)),)), site="pixels")
    kept = held_back(front(scores.tolist()), scores, objective)
    assert kept.tolist() == [True, False, True, True]


def test_members_are_spread_with_both_ends():
    found = spread_members(front([[float(i), 0, 0] for i in range(50)]), 5)
    assert found.scores[:, 0].tolist() == [0, 12, 24, 37, 49]
    assert len(spread_members(front([[0.0, 0, 0]]), 5).codes) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rig]\nname = 'x'\nunits = ['a']\n[range]\nphotos = 'p'\n[search]\ntargets = ['b']", "b"),
        ("[rig]\nname = 'x'\nunit = ['a']\n[range]\nphotos = 'p'", "did you mean 'units'"),
        ("[rig]\nname = 'x'\nunits = ['a']", r"\[range\]: is missing"),
        ("[rig", "is not TOML"),
        (
            "[rig]\nname = 'x'\nunits = ['a']\n[range]\nphotos = 'p'\n[search]\nstretch = 'conv'",
            "name it as proxy",
        ),
    ],
)
def test_a_session_file_that_cannot_be_used_says_why(text, said):
    with pytest.raises(InputError, match=said):
        parse_session(text)


@pytest.mark.parametrize(
    ("search", "repeats"),
    [
        ("", 2),
        ("strategy = 'twin:codes'", 2),
        ("strategy = 'isotropic'", 10),
        ("repeats = 7", 7),
        ("strategy = 'isotropic'\nrepeats = 2", 2),
    ],
)
def test_a_twin_shows_each_candidate_twice_and_others_ten_times(search, repeats):
    text = f"[rig]\nname = 'x'\nunits = ['a']\n[range]\nphotos = 'p'\n[search]\n{search}"
    assert parse_session(text).search.repeats == repeats
