"""Extended fields against the scan of a detector that is wide enough; closed forms of the weights."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from tomosaxs import ArrayReader, Axis, Dataset, InputError, Quantity, Source
from tomosaxs.testing import run_plugin
from tomosaxs.testing.phantoms import Cylinder, Ellipsoid, Phantom
from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection
from tomosaxs_plugins.reconstruction.extended import (
    blend_weights,
    extend,
    extended_range,
    full_turn_factor,
    opposite_views,
)
from tomosaxs_plugins.reconstruction.extended_axes import FULL_TURN, MERGED, wide_columns
from tomosaxs_plugins.reconstruction.merge import merge_opposite

Floats = NDArray[np.float32]

COLUMNS, REACH = 128, 100  # of the detector; radius of the sample in pixels
BODY = 0.01
RANGE = 2 * BODY  # of the values in the slice
PHANTOM = Phantom(
    [
        Cylinder((0, 0, 0), (0.95 * REACH, 0.95 * REACH, 99), 0, BODY),
        Cylinder((30, 12, 0), (15, 15, 99), 0, 0.5 * BODY),
        Cylinder((-35, 40, 0), (10, 10, 99), 0, -BODY),
        Ellipsoid((5, -50, 0), (20, 10, 99), 30, BODY),
    ]
)
INSERTS = ((30, 12, 15), (-35, 40, 10), (5, -50, 21))
EVEN = np.arange(600) * 0.6
CLOSED = np.linspace(0, 360, 601)
ODD = np.arange(601) * 360 / 601
SHUFFLED = np.random.default_rng(0).permutation(EVEN - 130.0)
MORE = np.arange(660) * 0.6  # 36 degrees more than a turn


def sinogram(angles: NDArray[np.float64], columns: int, centre: float) -> Floats:
    """Return what a detector sees whose point spread has a standard deviation of 0.7 px, (1, angles, columns)."""
    wide = columns + 16
    fine = PHANTOM.projections(angles, 1, 3 * wide, 3 * (centre + 8) + 1, pixel=1 / 3)[:, 0]
    blurred = gaussian_filter1d(fine, 2.0, axis=1).reshape(len(angles), wide, 3).mean(axis=2)
    return blurred[None, :, 8:-8].astype(np.float32)


def slice_of(made: Floats, angles: NDArray[np.float64], centre: float) -> NDArray[np.float32]:
    factor = full_turn_factor(angles)[:, None]
    first, _ = extended_range(COLUMNS, centre)
    return filtered_backprojection(made * factor, angles, centre - first, padding="edge")[0]


def full_slice(angles: NDArray[np.float64], centre: float) -> NDArray[np.float32]:
    """Half a turn of a detector as wide as the extended field."""
    first, last = extended_range(COLUMNS, centre)
    half = angles[angles - angles.min() < 180.0 - 1e-9]
    return filtered_backprojection(sinogram(half, last - first + 1, centre - first), half, centre - first)[0]


def radius(size: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the distance from the axis, and where the sample is homogeneous."""
    x = np.arange(size) - (size - 1) / 2
    r = np.hypot(x, x[:, None])
    inside = r < 0.9 * REACH
    for cx, cy, reach in INSERTS:
        inside &= np.hypot(x - cx, x[:, None] - cy) > reach + 3
    return r, inside


@pytest.mark.parametrize("centre", [20.0, 20.5, 24.3, 63.5, 101.75])
@pytest.mark.parametrize("ramp", [None, 7.0, 1000.0])
def test_weights_of_a_ray_sum_to_one(centre: float, ramp: float | None) -> None:
    distance = np.arange(COLUMNS) - centre
    weight = blend_weights(COLUMNS, centre, ramp)
    sign = 1 if centre <= (COLUMNS - 1) / 2 else -1
    order = np.argsort(distance)
    # the weight of the mirrored place, between columns: linear interpolation of a curve of bounded curvature
    mirrored = np.interp(-distance, distance[order], weight[order])
    both = np.abs(distance) <= min(centre, COLUMNS - 1 - centre)
    exact = centre * 2 == int(centre * 2)
    np.testing.assert_allclose((weight + mirrored)[both], 1.0, atol=1e-12 if exact else (0.02 if ramp == 7.0 else 2e-3))
    assert np.all(weight[~both & (sign * distance > 0)] == 1.0)
    assert np.all(np.diff(weight) * sign >= 0)


@pytest.mark.parametrize(
    ("centre", "wide"),
    [
        (20.0, (-87, 127)),
        (20.5, (-86, 127)),
        (24.3, (-79, 127)),
        (63.5, (0, 127)),
        (101.75, (0, 204)),
        (0.0, (-127, 127)),
    ],
)
def test_wide_range_is_the_longer_side_twice(centre: float, wide: tuple[int, int]) -> None:
    assert extended_range(COLUMNS, centre) == wide
    assert wide[1] - wide[0] + 1 == int(np.ceil(2 * max(centre, 127 - centre))) + 1


@pytest.mark.parametrize("centre", [24.0, 101.75])
@pytest.mark.parametrize(
    "angles", [EVEN, CLOSED, ODD, SHUFFLED, MORE], ids=["even", "closed", "odd", "shuffled", "more"]
)
def test_slices_are_those_of_a_wide_detector(angles: NDArray[np.float64], centre: float) -> None:
    """Rms within 0.5 % of the range, mean of the homogeneous part 0.1 %, no step on axis or overlap's end."""
    found = slice_of(extend(sinogram(angles, COLUMNS, centre), centre), angles, centre)
    full = full_slice(angles, centre)
    assert found.shape == full.shape
    r, inside = radius(len(found))
    assert np.std((found - full)[r < 0.99 * REACH]) <= 0.005 * RANGE
    assert found[inside].mean() == pytest.approx(full[inside].mean(), rel=1e-3)
    assert found[inside].mean() == pytest.approx(BODY, rel=1e-3)
    overlap = min(centre, COLUMNS - 1 - centre)
    profile = {
        name: float((found - full)[inside & (r >= low) & (r < high)].mean())
        for name, low, high in (
            ("axis", 0, 3), ("near", 3, 8), ("within", overlap - 3, overlap), ("beyond", overlap, overlap + 3),
        )
    }  # fmt: skip
    assert abs(profile["axis"] - profile["near"]) < 0.01 * BODY
    assert abs(profile["within"] - profile["beyond"]) < 0.01 * BODY


@pytest.mark.parametrize("centre", [24.0, 101.75])
@pytest.mark.parametrize(
    "angles", [EVEN, CLOSED, ODD, SHUFFLED, MORE], ids=["even", "closed", "odd", "shuffled", "more"]
)
def test_merged_sinograms_are_those_of_a_wide_detector(angles: NDArray[np.float64], centre: float) -> None:
    opposites = opposite_views(angles)
    found = merge_opposite(sinogram(angles, COLUMNS, centre), opposites, centre)[0]
    first, last = extended_range(COLUMNS, centre)
    half = angles[opposites.kept]
    assert len(half) in (300, 301)
    assert half.max() - half.min() < 180
    full = sinogram(half, last - first + 1, centre - first)[0]
    # what interpolation between views costs: 1 % of the largest line integral, nothing where there is none
    exact = centre == 24.0 and angles is not ODD and angles is not SHUFFLED
    assert np.std(found - full) <= (1e-6 if exact else 0.01) * full.max()
    rebuilt = filtered_backprojection(found[None], half, centre - first, padding="edge")[0]
    r, inside = radius(len(rebuilt))
    assert np.std((rebuilt - full_slice(half, centre))[r < 0.99 * REACH]) <= 0.005 * RANGE
    assert rebuilt[inside].mean() == pytest.approx(BODY, rel=1e-3)


def test_wrong_axis_makes_a_seam() -> None:
    """Half a pixel beside the axis: the difference from the wide detector grows many times."""
    made = sinogram(EVEN, COLUMNS, 24.0)
    good, bad = (slice_of(extend(made, centre), EVEN, centre) for centre in (24.0, 24.5))
    full = full_slice(EVEN, 24.0)
    # a slice of 206 pixels has its axis between pixels, where that of 207 has it on one
    wrong = np.std((bad - full_slice(EVEN, 24.5))[radius(len(bad))[0] < 0.99 * REACH])
    right = np.std((good - full)[radius(len(good))[0] < 0.99 * REACH])
    assert right < 0.001 * RANGE
    assert wrong > 0.02 * RANGE


def test_seam_is_far_below_the_noise() -> None:
    """Noise in; the ring where the overlap ends stands out by less than a tenth of the noise of a pixel."""
    rng = np.random.default_rng(1)
    noisy = sinogram(EVEN, COLUMNS, 24.0) + 0.05 * rng.standard_normal((1, 600, COLUMNS)).astype(np.float32)
    found = slice_of(extend(noisy, 24.0), EVEN, 24.0)
    r, inside = radius(len(found))
    noise = float(found[inside & (r > 30)].std())
    assert noise > 0.03 * BODY
    step = found[inside & (r >= 24) & (r < 34)].mean() - found[inside & (r >= 14) & (r < 24)].mean()
    assert abs(step) < 0.1 * noise


def source(angles: NDArray[np.float64], centre: float, columns: slice = slice(None), **metadata: Quantity) -> Source:
    data = sinogram(angles, COLUMNS, centre)[:, :, columns].transpose(1, 0, 2)
    axes = (
        Axis("rotation_angle", len(angles), angles, "deg"),
        Axis("detector_y", 1),
        Axis("detector_x", COLUMNS).select(columns),
    )
    return Source(Dataset(axes, np.dtype(np.float32), metadata=metadata), ArrayReader(data))


@pytest.mark.parametrize("name", ["extend_field", "convert_360_to_180"])
def test_columns_keep_their_places(name: str) -> None:
    axis = wide_columns(Axis("detector_x", COLUMNS), 24.3)
    assert (axis.size, axis.index[0], axis.index[-1], axis.full_size) == (207, -79, 127, COLUMNS)
    cropped = wide_columns(Axis("detector_x", COLUMNS).select(slice(4, 120, 2)), 24.3)
    assert cropped.index[-1] == 118
    assert cropped.pitch == 2
    assert abs((cropped.index[0] + cropped.index[-1]) / 2 - 24.3) <= 1
    binned = wide_columns(Axis("detector_x", 64, index=np.arange(0, 128, 2), full_size=128, binning=2), 24.3)
    assert abs((binned.centres[0] + binned.centres[-1]) / 2 - 24.3) <= 1
    assert wide_columns(Axis("detector_x", COLUMNS), None).size == 2 * COLUMNS - 1
    whole = run_plugin(name, source(EVEN, 24.0), {"centre": 24.0})[0]
    part = run_plugin(name, source(EVEN, 24.0, slice(2, None)), {"centre": 24.0})[0]
    assert whole.shape[-1] == part.shape[-1] == 207


@pytest.mark.parametrize(
    ("angles", "centre", "message"),
    [
        (np.arange(180.0), 24.0, "cover 179 degrees: an extended field needs a full turn of 360 degrees"),
        (np.arange(270.0), 24.0, "no projection is opposite to the one at"),
        (EVEN, 140.0, "rotation axis at 140 lies outside the columns 0 to 127"),
    ],
)
@pytest.mark.parametrize("name", ["extend_field", "convert_360_to_180"])
def test_what_cannot_be_extended_is_refused(
    name: str, angles: NDArray[np.float64], centre: float, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_plugin(name, source(angles, 24.0), {"centre": centre})


def wide_source(made: Floats, angles: NDArray[np.float64], centre: float, **metadata: Quantity | str) -> Source:
    """Return sinograms that a step has widened, (1, angles, wide), as what reconstruct is given."""
    axes = (
        Axis("rotation_angle", len(angles), angles, "deg"),
        Axis("detector_y", 1),
        wide_columns(Axis("detector_x", COLUMNS), centre),
    )
    dataset = Dataset(axes, np.dtype(np.float32), metadata=metadata, label="attenuation")
    return Source(dataset, ArrayReader(made.transpose(1, 0, 2)))


@pytest.mark.parametrize("spoiled", [np.arange(7, 600, 20), np.arange(40, 42), np.array([0, 299, 300, 599])])
def test_excluded_projections_of_an_extended_field(spoiled: NDArray[np.intp]) -> None:
    """One of two opposite views left out: its neighbours stand for it, not the view that sees the other half."""
    full_turn = {FULL_TURN: Quantity(360.0, "deg")}
    made = extend(sinogram(EVEN, COLUMNS, 24.0), 24.0)
    made[:, spoiled] = 7.0
    options = {"centre": 24.0, "backend": "tomosaxs"}
    found = run_plugin("reconstruct", wide_source(made, EVEN, 24.0, **full_turn), {**options, "exclude": spoiled})[0]
    rest = np.setdiff1d(np.arange(600), spoiled)
    never = run_plugin("reconstruct", wide_source(made[:, rest], EVEN[rest], 24.0, **full_turn), options)[0]
    np.testing.assert_array_equal(found, never)
    full = full_slice(EVEN, 24.0)
    r, inside = radius(len(full))
    assert np.std((found[0] - full)[r < 0.99 * REACH]) <= 0.005 * RANGE
    assert found[0][inside].mean() == pytest.approx(BODY, rel=1e-3)


def test_merged_projections_cannot_be_left_out() -> None:
    made = wide_source(extend(sinogram(EVEN, COLUMNS, 24.0), 24.0), EVEN, 24.0, **{MERGED: "opposite views"})
    with pytest.raises(InputError, match="exclude: of the input"):
        run_plugin("reconstruct", made, {"centre": 24.0, "exclude": [400]})
    assert run_plugin("reconstruct", made, {"centre": 24.0, "exclude": []})[0].shape == (1, 207, 207)


def test_against_algotom() -> None:
    """Its own widening, filtered by our code; it loses what its narrow ramp costs."""
    conversion = pytest.importorskip("algotom.prep.conversion", reason="algotom is not installed")
    made = sinogram(EVEN, COLUMNS, 24.3)
    theirs, centre = conversion.extend_sinogram(made[0], 24.3, apply_log=False)
    other = filtered_backprojection(theirs[None].astype(np.float32), EVEN, centre, padding="edge")[0]
    ours, full = slice_of(extend(made, 24.3), EVEN, 24.3), full_slice(EVEN, 24.3)
    size = min(len(other), len(ours))
    x = np.arange(size) - (size - 1) / 2
    disc = np.hypot(x, x[:, None]) < 0.85 * REACH
    parts = [each[(len(each) - size) // 2 :, (len(each) - size) // 2 :][:size, :size] for each in (ours, other, full)]
    assert np.abs(parts[0] - parts[1])[disc].mean() < 0.02 * RANGE
    assert np.std((parts[0] - parts[2])[disc]) <= 1.05 * np.std((parts[1] - parts[2])[disc])
