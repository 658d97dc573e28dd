"""Shares of pixels in the cells of a cake: areas against fine sub-pixels, the beam, edges of sectors, folding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from cake_help import cake_table, dense_cake
from engine_help import FLAT, SHAPE, TILTED, dense, table

from tomosaxs_plugins.integration.engine.cake_lookup import build_cake_lookup
from tomosaxs_plugins.integration.engine.pixel_area import AREA_UNIT
from tomosaxs_plugins.integration.radial import full_range, radial_coordinate

RANGES = [(-180.0, 180.0), (0.0, 360.0), (-90.5, 269.5)]


@pytest.mark.parametrize("splitting", ["full", "no", "subpixel"])
@pytest.mark.parametrize(("bins", "sectors"), [(20, 36), (200, 4), (7, 3), (40, 1)])
def test_over_azimuth_a_cake_adds_up_to_the_curve_to_the_last_bit(splitting, bins, sectors):
    for geometry, azimuths in zip((FLAT, TILTED, TILTED), RANGES, strict=True):  # the beam is on the frame
        shares = dense_cake(cake_table(geometry, bins, sectors, azimuths=azimuths, splitting=splitting))
        assert np.array_equal(shares.sum(axis=1), dense(table(geometry, bins, splitting=splitting)))


def test_the_whole_area_is_shared():
    lookup = cake_table()
    assert lookup.area.sum() == SHAPE[0] * SHAPE[1]
    assert np.all(dense_cake(lookup).sum(axis=(1, 2)) == AREA_UNIT)


def fine(geometry, row, column, bins, sectors, side=200):
    """Return areas of a pixel by side x side points, (sectors, bins)."""
    points = (np.arange(side) + 0.5) / side
    down, right = row + points[:, None], column + points[None, :]
    low, high = full_range(geometry, SHAPE, "q_nm^-1")
    at = np.floor((radial_coordinate(geometry, "q_nm^-1", down, right) - low) / (high - low) * bins).astype(int)
    sector = np.floor((np.degrees(geometry.azimuth(down, right)) + 180) / 360 * sectors).astype(int) % sectors
    found = np.zeros((sectors, bins))
    np.add.at(found, (sector.ravel(), at.ravel()), 1 / side**2)
    return found


@pytest.mark.parametrize("which", ["flat", "tilted", "beam on an edge", "beam on a corner"])
def test_areas_against_fine_points(which):
    geometry = {
        "flat": FLAT,
        "tilted": TILTED,
        "beam on an edge": replace(FLAT, poni1=30e-3),
        "beam on a corner": replace(FLAT, poni1=30e-3, poni2=40e-3),
    }[which]
    row, column = (int(each) for each in geometry.beam_centre)
    bins, sectors = 120, 48
    shares = dense_cake(cake_table(geometry, bins, sectors)).reshape(*SHAPE, sectors, bins) / AREA_UNIT
    near = [(row + i, column + j) for i in (-2, -1, 0, 1) for j in (-2, -1, 0, 2)]
    for at in [*near, (5, 7), (50, 60), (row, 70), (3, column)]:
        off = shares[at] - fine(geometry, *at, bins, sectors)
        # a line along rows of 200 points is known to half a step: 1/400 of a pixel's area; oblique ones better
        assert np.abs(off).max() < 2.6e-3, at
        assert np.abs(off.sum(axis=0)).max() < 2.6e-3
        assert np.abs(off.sum(axis=1)).max() < 2.6e-3
        assert np.abs(off).mean() < 3e-6


def test_sectors_of_the_pixel_around_the_beam_are_exact():
    """The beam in the middle of a pixel: by symmetry an eighth of its area in each octant."""
    geometry = replace(FLAT, poni1=30.5e-3, poni2=40.5e-3)
    shares = dense_cake(cake_table(geometry, 10, 8)).reshape(*SHAPE, 8, 10)[30, 40].sum(axis=1)
    assert np.abs(shares / AREA_UNIT - 1 / 8).max() < 1e-5  # shares are rounded to millionths


@pytest.mark.parametrize("splitting", ["full", "no", "subpixel"])
def test_part_of_the_circle_is_part_of_the_cake(splitting):
    """Sectors of 10 degrees, whatever the range they are asked in."""
    whole = dense_cake(cake_table(sectors=36, splitting=splitting))
    part = dense_cake(cake_table(sectors=5, azimuths=(-30.0, 20.0), splitting=splitting))
    across = dense_cake(cake_table(sectors=7, azimuths=(150.0, 220.0), splitting=splitting))
    almost = dense_cake(cake_table(sectors=35, azimuths=(-170.0, 180.0), splitting=splitting))
    # a share is rounded by one unit more or less, where the division begins with another sector
    assert np.abs(part - whole[:, 15:20]).max() <= 1
    assert np.abs(across - whole[:, np.r_[33:36, 0:4]]).max() <= 1
    assert np.abs(almost - whole[:, 1:]).max() <= 1


def test_folding_adds_opposite_azimuths():
    whole = dense_cake(cake_table(sectors=36))
    folded = dense_cake(cake_table(sectors=18, azimuths=(-180.0, 0.0), fold=True))
    assert np.abs(folded - (whole[:, :18] + whole[:, 18:])).max() <= 2


def test_azimuth_directions():
    """0 along columns, 90 towards row 0."""
    lookup = cake_table(FLAT, bins=1, sectors=4, azimuths=(-45.0, 315.0), splitting="no")
    shares = dense_cake(lookup).reshape(*SHAPE, 4)
    for at, sector in (((30, 80), 0), ((2, 40), 1), ((30, 2), 2), ((58, 40), 3)):
        assert shares[at][sector] == 1


def test_more_threads_make_the_same_tables():
    one, three = cake_table(threads=1), cake_table(threads=3)
    for name in ("used", "first", "weights", "more_first", "more_weights", "norm", "entries"):
        assert getattr(one, name).tobytes() == getattr(three, name).tobytes()


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"bins": 0}, "at least one bin"),
        ({"range": (3.0, 3.0)}, "at least one bin"),
        ({"sectors": 0}, "at least one sector"),
        ({"azimuths": (0.0, 361.0)}, "at least one sector"),
        ({"azimuths": (0.0, 181.0), "fold": True}, "at least one sector"),
        ({"splitting": "bbox"}, "bbox"),
        ({"oversampling": 0}, "oversampling"),
        ({"pixel_norm": np.ones((3, 3))}, "factors"),
        ({"dark": np.full(SHAPE, np.nan)}, "dark"),
    ],
)
def test_arguments_that_make_no_sense(more, what):
    with pytest.raises(ValueError, match=what):
        cake_table(**more)


@pytest.mark.parametrize("unit", ["2theta_deg", "radius_mm", "d_nm"])
def test_other_radial_coordinates(unit):
    """Also d, which has no end at the beam."""
    low, high = (0.05, 500.0) if unit == "d_nm" else full_range(TILTED, SHAPE, unit)
    lookup = cake_table(TILTED, 40, 24, unit=unit, range=(low, high))
    assert np.array_equal(dense_cake(lookup).sum(axis=1), dense(table(TILTED, 40, unit, range=(low, high))))
    assert lookup.area.sum() == SHAPE[0] * SHAPE[1]


def test_a_real_detector_with_its_mask(shared):
    """1000 x 360 cells of a tilted Pilatus 1M: nothing of a million pixels is lost, or counted twice."""
    from tomosaxs_plugins.integration.calibration import read_calibration
    from tomosaxs_plugins.integration.engine.lookup import build_lookup
    from tomosaxs_plugins.integration.masks import read_mask

    golden = shared / "golden" / "saxs"
    mask = read_mask(golden / "AAA_integ.msk")
    geometry = read_calibration(golden / "buf1_00000.poni", mask.shape)
    low, high = full_range(geometry, mask.shape, "q_nm^-1")
    cake = build_cake_lookup(geometry, mask, (1000, low, high, "q_nm^-1"), (360, -180.0, 180.0), threads=2)
    curve = build_lookup(geometry, mask, 1000, low, high, "q_nm^-1", threads=2)
    norm = np.zeros(cake.shape)
    norm.ravel()[cake.used] = cake.norm
    assert np.array_equal(norm.sum(axis=0), curve.norm)
    assert cake.area.sum() == np.count_nonzero(~mask)
