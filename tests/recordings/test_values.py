"""What numbers of a file can be: counts, rates of a window, missing repeats; and which columns."""

import numpy as np
import pytest

from invariscope import RecordingOptions, read_recording
from invariscope.errors import InputError
from invariscope.recordings.variability import unit_table


@pytest.fixture
def counts():
    """6 neurons × 30 images × 5 repeats of Poisson spikes, about 6 a window."""
    stream = np.random.default_rng(3)
    return stream.poisson(stream.gamma(2, 3, (6, 30, 1)), (6, 30, 5)).astype(float)


def read(array, folder, **words):
    np.save(folder / "a.npy", array)
    return read_recording(folder / "a.npy", RecordingOptions(**words))


@pytest.mark.parametrize("window", [50.0, 200.0, 75.0])
def test_rates_are_spikes_of_their_window_alone(window, counts, tmp_path):
    rates = np.round(counts * 1000 / window, 2)
    found = read(rates, tmp_path, values="rates", window=(0.0, window))
    image = counts.mean(2)
    fano = counts.var(2, ddof=1).mean(1) / image.mean(1)
    assert np.allclose(unit_table(found)["fano"], fano, rtol=1e-3)
    told = {50.0: "the window of 50 ms", 200.0: "no whole numbers", 75.0: "no whole numbers"}
    with pytest.raises(InputError, match=told[window]):
        read(rates, tmp_path, values="rates")  # 100 ms, of which nothing was said


def test_rates_are_not_taken_for_counts(counts, tmp_path):
    with pytest.raises(InputError, match=r"multiples of 10, .* counted in 100 ms; say values"):
        read(counts * 10, tmp_path)
    few = np.zeros((1, 5, 2))
    few[0, :3] = 10  # too few responses to tell
    assert read(few, tmp_path).means.max() == 10


def test_repeats_that_are_missing_are_not_silent(counts, tmp_path):
    filled, missing = counts.copy(), counts.copy()
    for image in range(0, 30, 5):
        filled[:, image, 4:], missing[:, image, 4:] = 0, np.nan
    with pytest.raises(InputError, match=r"0 for every neuron in the last repeats of 6 images"):
        read(filled, tmp_path)
    assert read(missing, tmp_path).means.shape == (30, 6)


def test_trials_that_are_silent_stay(counts, tmp_path):
    for image in range(0, 30, 5):
        counts[:, image, image % 4] = 0  # not the last repeats
    assert np.allclose(read(counts, tmp_path).means.T, counts.mean(2))
    counts[:, 1:] = 0  # images that drive nothing
    assert np.allclose(read(counts, tmp_path).means.T, counts.mean(2))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("unit,image,count\nu1,a,3\n", "'unit' of .* is no unit by its name"),
        ("image,Repetition,u1\na,1,3\n", "'Repetition' of .* is no unit"),
        ("image,Trial,u1\na,1,3\n", "'Trial' of .* is no unit"),
        (",image,u1\n0,a,3\n", "a column without a name"),
        ("image;u1\na;3\n", "with commas between them"),
        ("image,repeat\na,1\n", "no column of a unit"),
    ],
)
def test_columns_that_are_no_units(text, told, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=told):
        read_recording(tmp_path / "a.csv")


def test_a_column_of_repeats_is_no_unit(tmp_path):
    (tmp_path / "a.csv").write_text("image , repeat, cell 5, cell 1\nb,1, 3, 4\nb,2,5,\na,1,0,2\n")
    found = read_recording(tmp_path / "a.csv")
    assert found.units == ("cell 5", "cell 1")
    assert np.array_equal(found.means, [[0, 2], [4, 4]])
