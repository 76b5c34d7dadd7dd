"""Populations with known variances, correlations and Fano factors are measured as what they are."""

import math

import numpy as np
import pytest
from scipy import stats

from invariscope import seeds
from invariscope.errors import InputError, StoreError
from invariscope.recordings.responses import RecordedResponses
from invariscope.recordings.variability import (
    MeasuredVariability,
    load_variability,
    mean_correlation,
    measured_variability,
    noise_correlations,
    save_variability,
    unit_table,
)
from invariscope.rig.simulate import SimulatedRates, spike_counts


def recorded(values, shown, *, quantity="spikes", counts=True):
    values = np.asarray(values, float)
    return RecordedResponses(
        name="made",
        units=tuple(f"u{i}" for i in range(values.shape[1])),
        images=tuple(map(str, range(int(max(shown)) + 1))),
        shown=np.asarray(shown),
        onsets=np.full(len(values), np.nan),
        responses=values,
        quantity=quantity,
        seconds=0.1,
        counts=values if counts else None,
    )


def normal_population(images=3000, repeats=4, units=4, signal=2.0, noise=3.0, shared=0.25):
    stream = seeds.numpy_stream("population", images, repeats)
    means = stream.normal(0, math.sqrt(signal), (images, units))
    shown = np.tile(np.arange(images), repeats)
    common = stream.normal(0, math.sqrt(noise * shared), (len(shown), 1))
    own = stream.normal(0, math.sqrt(noise * (1 - shared)), (len(shown), units))
    return recorded(10 + means[shown] + common + own, shown)


def test_known_variances_and_correlation_are_found():
    found = normal_population()
    table = unit_table(found)
    assert np.allclose(table["signal_variance"], 2, rtol=0.1)
    assert np.allclose(table["noise_variance"], 3, rtol=0.05)
    assert np.allclose(table["signal_to_noise"], 2 / 3, rtol=0.12)
    assert np.allclose(table["reliability"], 0.4, rtol=0.08)
    spearman_brown = 4 * 0.4 / (1 + 3 * 0.4)
    assert np.allclose(table["reliability_mean"], spearman_brown, rtol=0.05)
    single = table["reliability"]
    assert np.allclose(table["reliability_mean"], 4 * single / (1 + 3 * single))
    pairs = noise_correlations(found)[np.triu_indices(4, 1)]
    assert np.allclose(pairs, 0.25, atol=0.03)
    assert mean_correlation(found) == pytest.approx(pairs.mean())


def test_variances_are_those_of_an_analysis_of_variance():
    """Balanced: noise is the mean square within, signal follows from that between (F test)."""
    found = normal_population(images=30, repeats=5, units=2)
    table = unit_table(found)
    for unit in range(2):
        groups = [found.responses[found.shown == i, unit] for i in range(30)]
        f = stats.f_oneway(*groups).statistic
        within = np.mean([np.var(g, ddof=1) for g in groups])
        assert table["noise_variance"][unit] == pytest.approx(within)
        assert table["signal_variance"][unit] == pytest.approx((f - 1) * within / 5)


def test_missing_trials_leave_the_estimates_unbiased():
    whole = normal_population(images=4000)
    values = whole.responses.copy()
    values[seeds.numpy_stream("gaps").random(values.shape) < 0.4] = np.nan
    table = unit_table(recorded(values, whole.shown))
    assert np.allclose(table["signal_variance"], 2, rtol=0.15)
    assert np.allclose(table["noise_variance"], 3, rtol=0.08)
    pairs = noise_correlations(recorded(values, whole.shown))[np.triu_indices(4, 1)]
    assert np.allclose(pairs, 0.25, atol=0.05)


def test_pairwise_and_whole_correlations_agree():
    found = normal_population(images=50)
    whole = noise_correlations(found)
    holed = found.responses.copy()
    holed[0] = np.nan  # a trial that nobody recorded, and one that a single unit missed
    holed[1, 3] = np.nan
    pairs = noise_correlations(recorded(holed, found.shown))
    assert np.allclose(pairs, whole, atol=0.02)
    kept = [i for i in range(len(holed)) if i > 1]
    own = np.corrcoef((found.responses - found.means[found.shown])[kept][:, :2], rowvar=False)
    assert pairs[0, 1] == pytest.approx(own[0, 1], abs=0.02)


@pytest.mark.parametrize("fano", [0.6, 0.9, 1.0, 1.6])
def test_the_simulators_counts_have_their_mean_fano_factor_and_correlation(fano):
    stream = seeds.numpy_stream("counts", fano)
    means = np.array([4.0, 6.0, 9.0])
    drawn = [spike_counts(means, fano, correlation=0.3, stream=stream) for _ in range(6000)]
    found = np.array(drawn, float)
    assert np.allclose(found.mean(0), means, rtol=0.03)
    assert np.allclose(found.var(0, ddof=1) / found.mean(0), fano, rtol=0.08)
    pairs = np.corrcoef(found, rowvar=False)[np.triu_indices(3, 1)]
    assert np.allclose(pairs, 0.3, atol=0.05)


def population_of(cortex, images=150, repeats=30, units=8):
    """Spike counts of units that the simulator's noise is put on, with spread rates."""
    stream = seeds.numpy_stream("like", images)
    span = cortex.peak - cortex.spontaneous
    rates = cortex.spontaneous + span * stream.beta(1, 3, (images, units))
    shown = np.tile(np.arange(images), repeats)
    words = {"correlation": cortex.correlation, "stream": stream}
    return recorded([spike_counts(rates[i] / 10, cortex.fano, **words) for i in shown], shown)


def test_a_simulated_brain_is_calibrated_from_what_was_simulated(tmp_path):
    cortex = SimulatedRates(peak=60, spontaneous=10, fano=0.8, correlation=0.15)
    found = measured_variability(population_of(cortex))
    save_variability(tmp_path / "variability.json", found, {})
    assert load_variability(tmp_path) == found
    like = SimulatedRates.like(load_variability(tmp_path))
    assert like.fano == pytest.approx(0.8, abs=0.03)
    assert like.correlation == pytest.approx(0.15, abs=0.03)
    assert like.peak == pytest.approx(55, abs=6)  # the best of 150 draws lies below the peak
    assert like.spontaneous == pytest.approx(11, abs=2)
    assert like.drift == SimulatedRates().drift


def test_a_poisson_population_has_a_fano_factor_of_1():
    stream = seeds.numpy_stream("poisson")
    shown = np.tile(np.arange(400), 20)
    rates = stream.uniform(0.1, 6, (400, 3))
    table = unit_table(recorded(stream.poisson(rates[shown]), shown))
    assert np.allclose(table["fano"], 1, atol=0.03)


def once_and_often(rates, repeats, stream):
    """Poisson counts of images that were shown `repeats` times each."""
    shown = np.repeat(np.arange(len(rates)), repeats)
    return recorded(stream.poisson(rates[shown]), shown)


def test_the_reliability_of_a_mean_is_no_more_than_1_with_unequal_repeats():
    stream = seeds.numpy_stream("unequal")
    found = once_and_often(np.full((20, 300), 5.0), np.repeat([2, 60], 10), stream)
    table = unit_table(found)
    assert table["reliability_mean"].max() <= 1
    silent = unit_table(recorded(np.zeros((6, 1)), [0, 1, 2] * 2))
    assert math.isnan(silent["reliability_mean"][0])


def test_images_with_one_trial_do_not_raise_the_reliability_of_a_mean():
    stream = seeds.numpy_stream("same images")
    rates = stream.gamma(3, 2, (60, 200))
    both = once_and_often(np.concatenate([rates] * 10), np.repeat([8, 1], [60, 540]), stream)
    kept = both.shown < 60
    alone = unit_table(recorded(both.responses[kept], both.shown[kept]))["reliability_mean"]
    assert np.allclose(unit_table(both)["reliability_mean"], alone)
    share = 12 / (12 + 6 / 8)  # gamma(3, 2): variance 12, mean 6
    assert alone.mean() == pytest.approx(share, abs=0.01)


def test_one_unit_of_noise_in_twenty_passes_for_one_with_signal():
    stream = seeds.numpy_stream("noise alone")
    noise = once_and_often(np.full((100, 400), 4.0), np.full(100, 5), stream)
    assert (unit_table(noise)["signal_variance"] > 0).mean() > 0.4
    assert measured_variability(noise).units / 400 == pytest.approx(0.05, abs=0.03)
    weak = once_and_often(stream.gamma(16, 0.25, (100, 50)), np.full(100, 5), stream)
    assert measured_variability(weak).units > 45


def test_the_best_response_of_photos_shown_once_is_not_their_luck():
    """1,000 photos shown once and 50 shown 20 times; expected rates 20 to 30 spikes/s."""
    stream = seeds.numpy_stream("luck of single trials")
    rates = np.repeat(np.where(np.arange(1050) % 2, 2.0, 3.0)[:, None], 20, 1)
    found = once_and_often(rates, np.repeat([20, 1], [50, 1000]), stream)
    assert np.max(found.means, 0).mean() > 8
    assert measured_variability(found).best < 40  # in windows of 100 ms


def test_what_is_not_known_is_said():
    once = recorded(np.ones((5, 2)) * np.arange(5)[:, None], range(5))
    assert unit_table(once)[["reliability", "fano"]].isna().all(axis=None)
    with pytest.raises(InputError, match="one trial of each image"):
        measured_variability(once)
    other = recorded(np.ones((6, 1)), [0, 1, 2] * 2, quantity="other", counts=False)
    with pytest.raises(InputError, match="no spike counts"):
        measured_variability(other)
    with pytest.raises(InputError, match="tells images apart"):
        measured_variability(recorded(np.ones((6, 1)), [0, 1, 2] * 2))


def test_a_damaged_file_is_refused(tmp_path):
    file = tmp_path / "variability.json"
    good = MeasuredVariability(3, 50.0, 5.0, 0.9, math.nan, 0.4, 0.3)
    save_variability(file, good, {})
    text = file.read_text()
    assert math.isnan(load_variability(file).correlation)
    assert SimulatedRates.like(load_variability(file)).correlation == 0
    (tmp_path / "recording.json").write_text("{}")
    file.rename(tmp_path / "moved.json")
    with pytest.raises(StoreError, match=r"a recording without .* no repeats"):
        load_variability(tmp_path)
    for damaged in ("", text[:40], text.replace("50.0", "1.0"), text.replace("0.9", "Infinity")):
        file.write_text(damaged)
        with pytest.raises(StoreError, match="cannot be read as a recording's variability"):
            load_variability(file)
    with pytest.raises(InputError, match="expected more at best"):
        SimulatedRates(peak=1, spontaneous=2)
