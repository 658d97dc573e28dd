"""Dark and flat correction, minus the logarithm: hand-computed values, dead pixels, any slicing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tomosaxs
from tomosaxs import InputError, Rows, Scan, Sinograms, plugin
from tomosaxs.testing import Defects, ScanSettings, example_source, micro_ct_scan, run_plugin, smooth_phantom
from tomosaxs_plugins.corrections import kernels
from tomosaxs_plugins.corrections.dark_flat_correction import dark_flat_correction
from tomosaxs_plugins.corrections.kernels import fill_dead, minus_logarithm, transmission
from tomosaxs_plugins.corrections.minus_log import minus_log

ONES = np.ones((1, 1), np.float32)


def test_two_by_two_by_hand():
    counts = np.array([[[60, 110], [35, 20]]], np.uint16)
    dark = np.array([[[10, 10], [10, 10]]], np.float32)
    flat = np.array([[[[110, 210], [60, 30]]]], np.float32)
    made, dead = transmission(counts, dark, flat, ONES[..., None, None])
    assert dead == 0
    assert np.allclose(made, [[[0.5, 0.5], [0.5, 0.5]]], rtol=1e-7)  # one float32 division


def test_flats_are_interpolated_in_time():
    """A beam that fades evenly from 1000 to 500 counts leaves an empty field at 1 in every frame."""
    share = np.linspace(0, 1, 5, dtype=np.float32)
    beam = (1000 - 500 * share)[:, None, None] * np.ones((5, 2, 3), np.float32)
    flats = np.stack([np.full((1, 2, 3), 1000), np.full((1, 2, 3), 500)]).astype(np.float32)
    weights = np.stack([1 - share, share])[:, :, None, None]
    made, _ = transmission(beam, np.zeros((1, 2, 3)), flats, weights)
    assert np.allclose(made, 1, atol=3e-7)  # a few float32 roundings
    plain, _ = transmission(beam, np.zeros((1, 2, 3)), flats, np.full_like(weights, 0.5))
    assert abs(plain - 1).max() > 0.3


def test_dead_pixels_lie_on_the_line_between_their_neighbours():
    values = np.array([[1, 9, 3, 9, 9, 6, 9], [9, 9, 9, 9, 9, 9, 9], [9, 2, 2, 2, 2, 2, 2]], np.float32)
    bad = values == 9
    assert fill_dead(values, bad, -1) == 12
    assert np.allclose(values[0], [1, 2, 3, 4, 5, 6, 6])
    assert (values[1] == 9).all()  # nothing to go by
    assert (values[2] == 2).all()


def test_dead_pixels_along_the_other_dimension():
    values = np.array([[1, 9, 3], [5, 9, 9]], np.float32)
    turned = values.T.copy()
    fill_dead(values, values == 9, 1)
    fill_dead(turned, turned == 9, 0)
    assert np.array_equal(values, turned.T)


def dead_scan():
    source = example_source("Rows")
    flats = source.dataset.auxiliaries["flats"].reader.array
    darks = source.dataset.auxiliaries["darks"].reader.array
    flats[:, 2, 5] = darks[0, 2, 5] + 1  # hardly above the dark
    flats[:, 4, 0:2] = darks[0, 4, 0:2] - 1
    return source


@plugin
def keep(data: Sinograms) -> Sinograms:
    """Slice the rows."""
    return data


def test_a_dead_pixel_leaves_no_trace():
    """Beside the true transmission of the neighbours, in every frame; the others are untouched."""
    with_dead, healthy = dead_scan(), example_source("Rows")
    (made,) = run_plugin(dark_flat_correction, with_dead)
    (whole,) = run_plugin(dark_flat_correction, healthy)
    assert np.array_equal(made[:, 2, 5], made[:, 2, 4] * np.float32(0.5) + made[:, 2, 6] * np.float32(0.5))
    assert np.array_equal(made[:, 4, 0], made[:, 4, 2])
    rest = np.ones(made.shape, bool)
    rest[:, 2, 5] = rest[:, 4, 0:2] = False
    assert np.array_equal(made[rest], whole[rest])
    (ones,) = run_plugin(dark_flat_correction, with_dead, {"dead_pixels": "one"})
    assert (ones[:, 2, 5] == 1).all()


def test_the_same_for_frames_and_for_sinograms():
    source = dead_scan()
    (frames,) = run_plugin(dark_flat_correction, source)
    angles, rows, columns = source.dataset.shape
    for row in range(rows):
        scan = Scan(source.dataset, ("detector_y",), ("rotation_angle", "detector_x"), np.array([row]))
        sinogram = dark_flat_correction(source.reader.array[:, row][None], scan)
        assert sinogram.shape == (1, angles, columns)
        assert np.array_equal(sinogram[0], frames[:, row])


def test_rows_are_never_sliced():
    """With the columns first in the file, a step that wants rows whole is sliced along another axis."""
    from tomosaxs.declaration import spec_of
    from tomosaxs.plan import Options
    from tomosaxs.testing.contract import plan_of

    @plugin
    def row_mean(data: Rows, scan: Scan) -> Rows:
        """Subtract the mean of every row."""
        axis = 1 + scan.core.index("detector_x")
        return data - data.mean(axis=axis, keepdims=True)

    source = example_source("Rows")
    one = plan_of(source, spec_of(row_mean), {}, Options()).passes[0]
    assert all("detector_x" not in names for names in one.sliced.values())


def test_what_is_missing_or_empty_is_refused():
    source = example_source("Rows")
    angles = source.dataset.axis("rotation_angle").values
    zero = Scan.of_angles(angles, rows=7, columns=16, flats=np.zeros((1, 7, 16)), darks=np.zeros((1, 7, 16)))
    with pytest.raises(InputError, match="all flats are zero"):
        dark_flat_correction(source.reader.array[:, 0][None], zero)


def test_minus_log_is_the_law_of_beer_and_lambert():
    path = np.linspace(0, 3, 50, dtype=np.float32)
    made, raised = minus_logarithm(np.exp(-path)[None], 1e-4)
    assert raised == 0
    assert np.allclose(made[0], path, atol=1e-6)
    scaled, _ = minus_logarithm(250 * np.exp(-path)[None], 1e-4, 250.0)
    assert np.allclose(scaled[0], path, atol=1e-6)


def test_minus_log_raises_what_noise_made_impossible():
    made, raised = minus_logarithm(np.array([[-1, 0, 1e-6, 0.5, np.nan]]), 1e-4)
    assert raised == 3
    assert np.allclose(made[0, :4], [-np.log(1e-4)] * 3 + [np.log(2)])
    assert np.isnan(made[0, 4])
    source = example_source("Rows")
    whole = Scan.whole(source.dataset, ("detector_y", "detector_x"))
    scan = replace(whole, index=whole.index[:1])
    minus_log(np.array([[[-1.0, 0.5]]]), scan, minimum=1e-3)
    assert scan.notes == {"{count} transmissions below 0.001 were raised to it": 1}


ORDER = """
input:
  tomo: {{plugin: tomography, path: {path}}}
steps:
{steps}
output: {{plugin: nexus}}
"""


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("dark_flat_correction minus_log minus_log reconstruct", "a second logarithm"),
        ("dark_flat_correction reconstruct minus_log", "before reconstruct"),
    ],
)
def test_the_logarithm_in_a_wrong_place_is_refused(tmp_path, steps, message) -> None:
    scan = tmp_path / "scan.nxs"
    micro_ct_scan(scan, smooth_phantom(16, 2), ScanSettings(projections=12, rows=2, columns=16), Defects.none())
    text = ORDER.format(path=scan, steps="\n".join(f"  - plugin: {name}" for name in steps.split()))
    with pytest.raises(InputError, match=message):
        tomosaxs.plan(text)


def test_counts_and_a_forgotten_logarithm_are_warned_of(tmp_path) -> None:
    scan = tmp_path / "scan.nxs"
    micro_ct_scan(scan, smooth_phantom(16, 2), ScanSettings(projections=12, rows=2, columns=16), Defects.none())
    [warning] = tomosaxs.plan(ORDER.format(path=scan, steps="  - plugin: minus_log")).warnings
    assert "put dark_flat_correction before it" in warning
    forgotten = "  - plugin: dark_flat_correction\n  - plugin: reconstruct"
    [warning] = tomosaxs.plan(ORDER.format(path=scan, steps=forgotten)).warnings
    assert "put minus_log before it" in warning
    right = "  - plugin: dark_flat_correction\n  - plugin: minus_log\n  - plugin: reconstruct"
    assert not tomosaxs.plan(ORDER.format(path=scan, steps=right)).warnings


@pytest.mark.parametrize("dtype", ["uint16", "float32", "int32"])
@pytest.mark.parametrize("row", [-1, 1])
@pytest.mark.parametrize("columns", [40, 41])
@pytest.mark.parametrize("fill", [True, False])
def test_compiled_and_by_numpy_the_same_bits(dtype, row, columns, fill, monkeypatch):
    """Slices without dead pixels, with some alone, in runs and at the ends, one hot, one NaN, one with dead rows."""
    pytest.importorskip("numba", reason="without it there is one way only")
    rng = np.random.default_rng(7)
    counts = rng.integers(90, 60000, (7, 31, columns)).astype(dtype)
    dark = rng.normal(100, 3, (7, 1, columns)).astype(np.float32)
    flats = rng.normal(30000, 500, (2, 7, 1, columns)).astype(np.float32)
    share = np.linspace(0, 1, 31, dtype=np.float32)
    weights = np.stack([1 - share, share])[:, None, :, None]
    flats[:, 1, 0, [0, 7, 8, 9, 20, columns - 1]] = dark[1, 0, [0, 7, 8, 9, 20, columns - 1]]  # dead
    flats[:, 2, 0, 9] = 1e7  # hot: the median is needed
    flats[1, 3, 0, 5] = np.nan
    flats[:, 4] = dark[4]  # nothing but dead pixels
    flats[1, 5, 0, ::2] = 0.0  # dead at late times: half of the row, so that the median falls between two values
    if row == 1:
        counts, dark, flats, weights = (
            np.ascontiguousarray(x.swapaxes(-1, -2)) for x in (counts, dark, flats, weights)
        )
    asked = []
    real = kernels._not_compiled

    def noted(*given):
        asked.append(real(*given))
        return asked[-1]

    monkeypatch.setattr(kernels, "_not_compiled", noted)
    made, dead = transmission(counts, dark, flats, weights, row, fill=fill)
    assert asked == [[]]
    monkeypatch.setattr(kernels, "_not_compiled", lambda *given: range(7))
    meant, expected = transmission(counts, dark, flats, weights, row, fill=fill)
    assert made.tobytes() == meant.tobytes()
    assert dead.tolist() == expected.tolist()
    assert dead[1] == 6 * 31
    assert 0 < dead[5] < 31 * columns


def test_the_number_of_raised_values_is_told_with_nan_among_them() -> None:
    signal = np.array([[0.5, 1e-5], [np.nan, -1.0], [1.0, 2.0]], dtype=np.float32)
    _, raised = minus_logarithm(signal, 1e-4)
    assert raised.tolist() == [1, 1, 0]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 101, 256])
def test_the_median_of_a_row(size: int):
    pytest.importorskip("numba", reason="numba is not installed")
    from tomosaxs_plugins.corrections.rows import _median

    rng = np.random.default_rng(size)
    for values in (rng.random(size), rng.integers(0, 4, size), np.arange(size), np.zeros(size)):
        row = values.astype(np.float32)
        before = row.copy()
        assert _median(row) == np.median(row)
        assert np.array_equal(row, before)
