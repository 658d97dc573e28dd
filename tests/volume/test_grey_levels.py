"""Grey levels: the stated formula, half a level at most, back again, limits that do not depend on blocks."""

import numpy as np
import pytest

from tomosaxs import ArrayReader, Axis, Dataset, InputError, Source
from tomosaxs.testing import run_plugin
from tomosaxs_plugins.volume.grey import from_grey, to_grey
from tomosaxs_plugins.volume.scaling import Scaling, scaling_of
from tomosaxs_plugins.volume.statistics import edges_of, tally


def source(values, units="1/m"):
    values = np.asarray(values)
    axes = tuple(Axis(name, size, np.arange(size) * 1e-6, "m") for name, size in zip("zyx", values.shape, strict=True))
    return Source(Dataset(axes, values.dtype, "attenuation", units), ArrayReader(values))


def test_levels_by_hand():
    values = np.array([[-1.0, 0.0, 0.5], [1.0, 2.0, np.nan], [np.inf, -np.inf, 0.25]], np.float32)
    levels, bad = to_grey(values, (0.0, 1.0), np.uint8)
    # 0.5 of 255 is 127.5: to the even neighbour; 0.25 is 63.75
    np.testing.assert_array_equal(levels, [[0, 0, 128], [255, 255, 0], [255, 0, 64]])
    assert bad == 1


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("limits", [(-3.0, 5.0), (1e-9, 2e-9), (1e6, 1e6 + 0.7)])
def test_no_value_is_off_by_more_than_half_a_level(bits, limits):
    low, high = limits
    rng = np.random.default_rng(1)
    values = (low + (high - low) * rng.random((3, 40, 50))).astype(np.float64)
    dtype = np.dtype(f"uint{bits}")
    scale = (high - low) / np.iinfo(dtype).max
    for threads in (1, 2):
        levels, _ = to_grey(values, limits, dtype, threads)
        assert levels.dtype == dtype
        back = levels.astype(np.float64) * scale + low
        assert np.abs(back - values).max() <= 0.5 * scale * (1 + 1e-9)
    # and every level is used: the error reaches almost half a level
    assert np.abs(back - values).max() > 0.45 * scale


def test_back_again():
    levels = np.arange(256, dtype=np.uint8).reshape(2, 128)
    scaling = Scaling(0.5, -10.0)
    np.testing.assert_array_equal(from_grey(levels, scaling.scale, scaling.offset), levels * 0.5 - 10.0)
    again, _ = to_grey(from_grey(levels, 0.1, -10.0), (-10.0, -10.0 + 25.5), np.uint8)
    np.testing.assert_array_equal(again, levels)


def test_the_steps_state_the_scale_and_undo_it():
    from tomosaxs.declaration import spec_of
    from tomosaxs_plugins.volume.rescale import rescale, undo_rescale

    values = np.random.default_rng(2).normal(100, 30, (5, 12, 14)).astype(np.float32)
    given = source(values)
    made = spec_of(rescale).shape(given.dataset, bits=16, limits=(0.0, 200.0))
    assert (made.dtype, made.units, made.label) == ("uint16", "", "attenuation in 16 bit grey levels")
    dataset = Dataset(given.dataset.axes, np.dtype(made.dtype), made.label, made.units, metadata=made.metadata)
    stated = scaling_of(dataset)
    assert stated == Scaling(200.0 / 65535, 0.0, "1/m", "attenuation")
    (levels,) = run_plugin("rescale", given, {"limits": [0.0, 200.0], "bits": 16}, ranks=2, block=2)
    back = spec_of(undo_rescale).shape(dataset, scale=None, offset=None)
    assert (back.dtype, back.label, back.units) == ("float32", "attenuation", "1/m")
    (again,) = run_plugin("undo_rescale", Source(dataset, ArrayReader(levels)), {})
    inside = (values >= 0) & (values <= 200)
    assert np.abs(again - values)[inside].max() <= 0.501 * 200 / 65535  # float32 of the answer
    assert scaling_of(given.dataset) is None


@pytest.mark.parametrize(("plugin", "parameters", "words"), [
    ("rescale", {"limits": [2.0, 1.0]}, "low < high"), ("rescale", {}, "limits"),
    ("rescale", {"limits": [0.0, float("nan")]}, "low < high"), ("rescale", {"limits": [0.0, 1.0], "bits": 12}, "bits"),
    ("undo_rescale", {}, "state no scale"), ("undo_rescale", {"scale": 1.0}, "or neither"),
    ("find_limits", {"percentiles": [99.0, 1.0]}, "low < high"),
])  # fmt: skip
def test_what_does_not_fit_is_said(plugin, parameters, words):
    with pytest.raises(Exception, match=words) as caught:
        run_plugin(plugin, source(np.ones((3, 4, 4), np.float32)), parameters)
    assert "Traceback" not in str(caught.value)


def test_rescaling_levels_is_refused():
    from tomosaxs.declaration import spec_of
    from tomosaxs_plugins.volume.rescale import rescale

    grey = Dataset(source(np.ones((1, 2, 2))).dataset.axes, np.dtype(np.uint8), metadata=Scaling(1.0, 0.0).metadata())
    with pytest.raises(InputError, match="grey levels already"):
        spec_of(rescale).check(grey, limits=(0.0, 1.0), bits=8)


def test_the_tally_is_the_sorted_values():
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(50, 10, 5000), rng.normal(-3, 1e-3, 3000), [np.nan, np.inf, 1e30, -0.0]])
    stack = values.astype(np.float32).reshape(4, 2001, 1)
    finite = np.sort(stack[np.isfinite(stack)].astype(np.float64))
    found = tally(stack)
    assert (found.finite, int(found.moments[1])) == (len(finite), 2)
    assert (found.moments[2], found.moments[3]) == (finite[0], finite[-1])
    np.testing.assert_allclose(found.mean, finite.mean(), rtol=1e-12)
    for percent in (0.1, 5, 37, 50, 90, 99.9):
        expected = np.percentile(finite, percent)
        # a bin is 2^-10 of its value wide
        assert abs(found.percentiles(percent) - expected) <= 1.1e-3 * abs(expected) + 1e-12, percent
    # every value lies in its bin
    places = np.searchsorted(edges_of(found.keys), finite, side="right") - 1
    assert np.bincount(places, minlength=len(found.keys)).tolist() == found.counts.tolist()
    one, two = tally(stack[:1], threads=1), tally(stack[1:], threads=3)
    both = one.added(two)
    np.testing.assert_array_equal(both.counts, found.counts)
    np.testing.assert_allclose(both.moments, found.moments, rtol=1e-12)


def test_percentiles_lie_within_bins():
    """A bin at 100 is 1/16 wide; evenly spread values are found much finer than that."""
    even = tally(np.linspace(100, 101, 100_000, dtype=np.float32).reshape(1, 100, 1000))
    percents = np.linspace(0.5, 99.5, 67)
    np.testing.assert_allclose(even.percentiles(percents), 100 + percents / 100, atol=2e-3)


def test_limits_and_histogram_of_a_volume():
    rng = np.random.default_rng(4)
    volume = rng.normal(20.0, 2.0, (40, 30, 30)).astype(np.float32)
    volume[0, 0, 0] = 1e7  # one hot voxel does not spoil the limits
    whole = run_plugin("find_limits", source(volume), {"every": 1})
    ordered = np.sort(volume.ravel().astype(np.float64))
    for found, place in zip(whole.value, (0.001 * volume.size, 0.999 * volume.size), strict=True):
        # between the neighbours of that place, and a bin's width
        assert ordered[int(place) - 2] * (1 - 1e-3) <= found <= ordered[int(place) + 1] * (1 + 1e-3)
    expected = np.percentile(volume, [0.1, 99.9])
    some = run_plugin("find_limits", source(volume), {"every": 10}, ranks=3)
    np.testing.assert_allclose(some.value, expected, rtol=0.05)  # of 7200 values, 7 lie beyond
    assert some.details["values"] == 8 * 900
    inside = run_plugin("find_limits", source(np.where(np.arange(30) < 3, 0, volume)), {"every": 1, "circle": 0.5})
    assert inside.details["minimum"] > 5
    counted = run_plugin("histogram", source(volume), {"bins": 20, "limits": [10.0, 30.0]})
    by_numpy, edges = np.histogram(volume, 20, (10.0, 30.0))
    np.testing.assert_allclose(counted.details["histogram_positions"], 0.5 * (edges[1:] + edges[:-1]))
    # a bin is taken as evenly filled: a value may be counted in the neighbour when it is within 0.1 % of the edge
    np.testing.assert_allclose(counted.details["histogram_counts"], by_numpy, atol=0.02 * by_numpy.max())
    assert abs(sum(counted.details["histogram_counts"]) - by_numpy.sum()) < 5
    constant = run_plugin("find_limits", source(np.full((3, 4, 4), 7.0, np.float32)), {})
    assert constant.value[0] == 7.0 < constant.value[1]
    with pytest.raises(Exception, match="no finite value"):
        run_plugin("find_limits", source(np.full((3, 4, 4), np.nan, np.float32)), {})
