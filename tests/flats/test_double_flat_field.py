"""Double flat field: planted pixel errors go, the sample stays, whatever the slicing, crop and quantity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tomosaxs
from tomosaxs import ArrayReader, Axis, Dataset, InputError, Source
from tomosaxs.testing import Ellipsoid, Gaussian, Phantom, run_plugin
from tomosaxs_plugins.corrections.double_flat_field import double_flat_field
from tomosaxs_plugins.corrections.double_flat_field_find import FindDoubleFlatField
from tomosaxs_plugins.corrections.double_flat_field_kernels import between
from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection

ANGLES, ROWS, COLUMNS = 180, 24, 96
DEGREES = np.arange(ANGLES) * 180.0 / ANGLES


def source(values, label="transmission", **more) -> Source:
    sizes = values.shape
    axes = (Axis("rotation_angle", sizes[0], DEGREES[: sizes[0]], "deg"), Axis("detector_y", sizes[1]),
            Axis("detector_x", sizes[2]))  # fmt: skip
    return Source(replace(Dataset(axes, values.dtype, label), **more), ArrayReader(values))


@pytest.fixture(scope="module")
def clean():
    """Return transmissions of a sample with soft and sharp bodies, (angles, rows, columns)."""
    phantom = Phantom([Gaussian((0, 0, 0), (15, 12, 50), 20.0, 0.012), Ellipsoid((9, -6, 0), (14, 10, 90), 0.0, 0.01)])
    return np.exp(-phantom.projections(DEGREES, ROWS, COLUMNS)).astype(np.float32)


@pytest.fixture(scope="module")
def gain():
    """Return the error of two pixels in a hundred, 2 % r.m.s., as an attenuation."""
    rng = np.random.default_rng(4)
    return np.where(rng.random((ROWS, COLUMNS)) < 0.02, 0.02 * rng.standard_normal((ROWS, COLUMNS)), 0.0)


def corrected(values, label="transmission", apply=None, **parameters):
    found = run_plugin(FindDoubleFlatField, source(values, label), parameters)
    (made,) = run_plugin(double_flat_field, source(values, label), {"correction": found.value, **(apply or {})})
    return made, found


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def test_by_hand():
    """One of nine pixels, 3 % too bright in every frame: its pattern is -ln(1.03), all others 0."""
    values = np.full((4, 3, 3), 0.5, np.float32)
    values[:, 1, 1] *= 1.03
    made, found = corrected(values, filter=[3, 3])
    expected = np.zeros((3, 3))
    expected[1, 1] = -np.log(1.03)
    assert np.allclose(found.value, expected, atol=1e-7)
    assert np.allclose(made, 0.5, rtol=2e-7)


def test_planted_errors_go(clean, gain):
    faulty = (clean * np.exp(-gain)).astype(np.float32)
    made, found = corrected(faulty, filter=[3, 3])
    assert rms(found.value - gain) <= 0.15 * rms(gain)
    assert rms(np.log(made / clean)) <= 0.15 * rms(np.log(faulty / clean))
    half, _ = corrected(faulty, filter=[3, 3], every=2)
    assert rms(np.log(half / clean)) <= 0.15 * rms(gain)


def test_rings_go(clean):
    """Standard deviation of the mean over the angles of the polar picture, outside and inside of the sample."""
    ndimage = pytest.importorskip("scipy.ndimage")
    error = np.zeros((ROWS, COLUMNS))
    error[12, [20, 33, 61, 70]] = [0.03, -0.03, 0.02, -0.025]
    faulty = (clean * np.exp(-error)).astype(np.float32)
    made, _ = corrected(faulty, filter=[7, 3])

    def ring_metric(values):
        sinogram = -np.log(np.stack([values[:, 12], clean[:, 12]]))
        slices = filtered_backprojection(np.ascontiguousarray(sinogram, np.float32), DEGREES, (COLUMNS - 1) / 2)
        error = slices[0] - slices[1]
        radius, turn = np.meshgrid(np.arange(2.0, 40.0), np.linspace(0, 2 * np.pi, 360, endpoint=False))
        middle = (COLUMNS - 1) / 2
        polar = ndimage.map_coordinates(
            error, [middle + radius * np.sin(turn), middle + radius * np.cos(turn)], order=1
        )
        return polar.mean(axis=0).std()

    assert ring_metric(made) * 5 <= ring_metric(faulty)


def test_a_smooth_sample_is_not_touched():
    ramp = np.linspace(0.2, 0.9, COLUMNS) + np.linspace(0.8, 1.0, ROWS)[:, None]
    values = np.repeat(np.exp(-ramp)[None].astype(np.float32), 6, axis=0)
    made, found = corrected(values, filter=[3, 3])
    inner = found.value[1:-1, 1:-1]
    assert abs(inner).max() < 1e-6
    assert np.allclose(made[:, 1:-1, 1:-1], values[:, 1:-1, 1:-1], rtol=1e-6)


def test_threshold_leaves_small_errors_alone(clean, gain):
    faulty = (clean * np.exp(-gain)).astype(np.float32)
    made, found = corrected(faulty, threshold=0.01)
    untouched = found.value == 0
    assert np.array_equal(made[:, untouched], faulty[:, untouched])
    assert abs(found.value[~untouched]).min() >= 0.01


def test_transmission_and_attenuation_are_corrected_alike(clean, gain):
    faulty = (clean * np.exp(-gain)).astype(np.float32)
    made, found = corrected(faulty)
    other, also = corrected(-np.log(faulty), "attenuation")
    assert abs(also.value - found.value).max() <= 1e-6
    assert abs(-np.log(made) - other).max() <= 1e-5


def test_mean_and_logarithm_differ_where_absorption_is_strong():
    """Two projections of 0.1 and 0.9: the mean of the logarithms, and the logarithm of the mean."""
    values = np.stack([np.full((3, 3), 0.1), np.full((3, 3), 0.9)]).astype(np.float32)
    for average, expected in (("log", -np.log(0.09) / 2), ("mean", -np.log(0.5))):
        for label, given in (("transmission", values), ("attenuation", -np.log(values))):
            found = run_plugin(FindDoubleFlatField, source(given, label), {"average": average})
            assert found.details["mean_attenuation"] == pytest.approx(np.full((3, 3), expected), rel=1e-5)


def test_homogeneous_takes_away_any_contrast(clean):
    made, _ = corrected(clean, homogeneous=True)
    assert abs(np.ptp(-np.log(made).mean(axis=0))) < 1e-5


def test_an_error_that_changes_with_the_angle(clean, gain):
    """It goes as the cosine over 360 degrees: twelve blocks remove 80 % of it, one pattern at most half."""
    error = np.cos(2 * np.deg2rad(DEGREES))[:, None, None] * gain
    faulty = (clean * np.exp(-error)).astype(np.float32)
    left = {}
    for blocks in (1, 12):
        made, found = corrected(faulty, filter=[3, 3], blocks=blocks)
        left[blocks] = rms(np.log(made / clean)[:, gain != 0]) / rms(error[:, gain != 0])
        assert found.value.shape == ((ROWS, COLUMNS) if blocks == 1 else (12, ROWS, COLUMNS))
    assert left[12] <= 0.2
    assert left[1] >= 0.5
    steps, _ = corrected(faulty, apply={"interpolate": False}, filter=[3, 3], blocks=12)
    assert rms(np.log(steps / clean)[:, gain != 0]) > left[12] * rms(error[:, gain != 0])


def test_places_between_blocks():
    first, second, share = between(np.array([0, 24, 50, 74, 75, 99]), 100, 2, True)
    assert np.array_equal(first, [0] * 6)
    assert np.array_equal(second, [1] * 6)
    assert np.allclose(share, [0, 0, 0.51, 0.99, 1, 1])
    assert np.array_equal(between(np.array([49, 50]), 100, 2, False)[0], [0, 1])


def test_in_a_list_with_a_crop_and_bins(tmp_path, clean, gain):
    """The pattern is placed on the whole detector: crops and bins of the same list fit."""
    from tomosaxs.testing import ScanSettings, micro_ct_scan, packing

    settings = ScanSettings(projections=40, rows=12, columns=48, subsample=1)
    micro_ct_scan(tmp_path / "scan.nxs", packing(48, 12, seed=1), settings, seed=1)
    steps = (
        "steps:\n  - plugin: dark_flat_correction\n  - plugin: find_double_flat_field\n    name: dff\n"
        "    filter: [3, 3]\n  - plugin: double_flat_field\n    correction: ${dff}\n    save: true\n"
    )
    for name, more in (("whole", ""), ("crop", "    crop: {detector_y: [4, 9], detector_x: [10, 40]}\n"),
                       ("bins", "    bin: {detector_y: 2, detector_x: 2}\n")):  # fmt: skip
        text = f"input:\n  tomo:\n    plugin: tomography\n    path: scan.nxs\n{more}{steps}"
        (tmp_path / f"{name}.yml").write_text(text)
        result = tomosaxs.run(tmp_path / f"{name}.yml", output=tmp_path / name, log=lambda line: None)
        (saved,) = result.datasets
        pattern = result.estimates["dff"].value
        if name == "whole":
            whole = saved.values()
            assert pattern.shape == (12, 48)
        elif name == "crop":
            assert pattern.shape == (12, 48)
            assert np.isfinite(pattern).sum() == 5 * 30
            inner = (slice(None), slice(1, 4), slice(1, 29))  # the window of the median is cut at the edge of the crop
            assert np.allclose(saved.values()[inner], whole[:, 4:9, 10:40][inner], rtol=1e-6)
        else:
            assert pattern.shape == (6, 24)
            assert saved.values().shape == (40, 6, 24)


def test_beside_nabu(clean, gain):
    """Its Gaussian high-pass of the mean attenuation."""
    module = pytest.importorskip("nabu.preproc.double_flatfield", reason="nabu is not installed")
    faulty = (-np.log(clean) + gain).astype(np.float32)
    made, _ = corrected(faulty, "attenuation", sigma=4.0)
    peer = module.DoubleFlatField(faulty.shape, input_is_mlog=False, output_is_mlog=False, average_is_on_log=True,
                                  sigma_filter=4.0, filter_mode="nearest")  # fmt: skip
    theirs = np.exp(-faulty)
    peer.apply_double_flatfield(theirs)
    assert abs(np.exp(-made) - theirs).max() <= 2e-6


def test_refusals(clean):
    with pytest.raises(InputError, match="too few for 100 blocks"):
        corrected(clean, blocks=100)
    with pytest.raises(InputError, match="has shape"):
        run_plugin(double_flat_field, source(clean), {"correction": np.zeros((3, 4), np.float32)})
    pattern = np.full((ROWS, COLUMNS), np.nan, np.float32)
    with pytest.raises(Exception, match="same crop"):
        run_plugin(double_flat_field, source(clean), {"correction": pattern})
    broken = clean.copy()
    broken[3, 4, 5] = np.nan
    with pytest.raises(Exception, match="NaN or infinite"):
        corrected(broken)
