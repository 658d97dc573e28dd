"""The report of a map: sums, mean and bands, cakes, and the frame with all that integration uses drawn on it."""

import base64
import dataclasses
import io
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from handmade_results import result, saved

import tomosaxs
from tomosaxs import Axis
from tomosaxs.report.maps import Frames, curve_figures, sums_of
from tomosaxs.report.pictures import NOT_A_NUMBER
from tomosaxs.report.views import view_of
from tomosaxs_plugins.integration.frame_lines import ring, where_on_detector
from tomosaxs_plugins.integration.frame_picture import FramePicture
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.picture_shades import Shade, grey_scale
from tomosaxs_plugins.integration.radial import RADIAL, radial_coordinate
from tomosaxs_plugins.integration.report_regions import Regions, regions_of

Q = np.linspace(0.1, 4, 30)
PIXEL = 172e-6


def pictures_of(chart):
    """Return every PNG in an SVG."""
    from PIL import Image

    found = re.findall(r"base64,([^\"]+)", chart)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def a_map(tmp_path, rotations=0, sigma=None):
    """Curves of a 3 x 4 map whose sums are 30 (1 + 4 y + x); the point y 1, x 2 was not measured."""
    stage = [Axis("y", 3, np.arange(3) * 1e-3, "m"), Axis("x", 4, np.arange(4) * 1e-3, "m")]
    axes = (*stage, Axis("q", 30, Q, "nm^-1"))
    values = np.ones((3, 4, 30)) * (1.0 + np.arange(12).reshape(3, 4, 1))
    values[1, 2] = np.nan
    if rotations:
        axes = (Axis("rotation_angle", rotations, np.arange(rotations) * 10.0, "deg"), *axes)
        values = np.stack([values + 100 * n for n in range(rotations)])
    made = saved(tmp_path, "curves", values.astype(np.float32), axes, label="intensity")
    if sigma is None:
        return made
    errors = saved(tmp_path, "errors", np.full(values.shape, sigma, np.float32), axes)
    return dataclasses.replace(made, uncertainty=errors.store)


def test_sums_of_a_map_with_a_point_that_was_not_measured(tmp_path):
    view = view_of(a_map(tmp_path))
    (_, caption), (chart, told) = view.figures
    assert "mean, its band the standard deviation of the curves" in caption
    assert told == "sum over the bins: y, x"
    assert "y (mm)" in chart
    assert "x (mm)" in chart
    (picture,) = pictures_of(chart)
    assert picture.shape == (3, 4, 3)
    np.testing.assert_array_equal(picture[1, 2], NOT_A_NUMBER)
    grey = picture[..., 0].astype(float)
    grey[1, 2] = np.nan
    # the grey grows in reading order, as the sums do
    order = grey.reshape(-1)[np.isfinite(grey.reshape(-1))]
    assert (np.diff(order) > 0).all()
    assert "1 of 12 points have no value; they are amber on a map." in view.notes


def test_three_maps_of_a_tomographic_scan(tmp_path):
    view = view_of(a_map(tmp_path, rotations=5))
    assert [told for _, told in view.figures[1:]] == [
        f"sum over the bins: y, x at rotation_angle {n} ({10 * n} deg)" for n in (0, 2, 4)
    ]
    # one grey scale: the first map is darker than the last
    first, _, last = (pictures_of(chart)[0][..., 0].max() for chart, _ in view.figures[1:])
    assert first < last


def test_representative_curves_and_bands(tmp_path):
    plain = view_of(a_map(tmp_path)).figures[0][0]
    assert "mean of 11 curves" in plain
    assert "low: y 0, x 0" in plain
    assert "median: y 1, x 1" in plain  # of 1 2 3 4 5 6 | 8 9 10 11 12
    assert "high: y 2, x 3" in plain
    assert plain.count("fill-opacity") == 1  # the spread of the mean
    known, caption = view_of(a_map(tmp_path, sigma=0.5)).figures[0]
    assert known.count("fill-opacity") == 4
    assert "standard uncertainty" in caption
    # half the band of the mean is 0.5 / sqrt(11), that of a curve 0.5
    heights = [np.ptp(ys) for ys in (band_of(known, n) for n in (0, 2))]
    # coordinates are written to 0.1
    assert heights[0] / heights[1] == pytest.approx(1 / np.sqrt(11), abs=0.02)


def band_of(chart, number):
    path = re.findall(r'fill-opacity="0.2" d="([^"]+)"', chart)[number]
    return np.array([float(pair.split()[1]) for pair in re.findall(r"[\d.]+ [\d.]+", path)])


def test_a_series_of_frames_and_a_single_curve(tmp_path):
    axes = (Axis("frame", 6), Axis("q", 30, Q, "nm^-1"))
    view = view_of(saved(tmp_path, "series", np.arange(1.0, 7)[:, None] * np.ones(30), axes))
    assert [told for _, told in view.figures][1] == "sum of every frame over its bins"
    assert view.figures[1][0].count("<circle") == 6
    pair = saved(tmp_path, "pair", np.array([[3.0], [1.0]]) * np.ones(30), (Axis("frame", 2), axes[1]))
    chart = view_of(pair).figures[0][0]
    assert ["low: frame 1" in chart, "median" in chart, "high: frame 0" in chart] == [True, False, True]
    single = saved(tmp_path, "one", np.exp(-Q), axes[1:])
    assert [told for _, told in view_of(single).figures] == ["the curve, logarithmic scale"]


def a_cake(tmp_path):
    """Cakes of a 2 x 3 map: one bright azimuth, brighter from point to point, the last point not measured."""
    azimuth = Axis("azimuth", 8, np.arange(-180.0, 180, 45), "deg")
    axes = (Axis("y", 2), Axis("x", 3), azimuth, Axis("q", 30, Q, "nm^-1"))
    values = np.ones((2, 3, 8, 30))
    values[..., 5, :] = 9.0
    values *= np.arange(1.0, 7).reshape(2, 3, 1, 1)
    values[1, 2] = np.nan
    values[..., 0, 0] = np.nan
    return saved(tmp_path, "cake", values.astype(np.float32), axes, label="intensity")


def test_cakes(tmp_path):
    view = view_of(a_cake(tmp_path))
    told = [caption for _, caption in view.figures]
    assert told[0].startswith("azimuth, q at mean of 5 of 6 cakes")
    assert told[1].startswith("azimuth, q at the cake of median sum: y 0, x 2")
    assert told[2].startswith("mean cake, mean over its azimuths")
    assert told[3] == "sum over the bins: y, x"
    (picture,) = pictures_of(view.figures[0][0])
    assert picture.shape == (8, 30, 3)
    np.testing.assert_array_equal(picture[0, 0], NOT_A_NUMBER)
    assert picture[5, 10, 0] == 255
    assert picture[4, 10, 0] == picture[6, 10, 0] == 0
    (sums,) = pictures_of(view.figures[3][0])
    np.testing.assert_array_equal(sums[1, 2], NOT_A_NUMBER)


def test_large_maps_are_thinned(monkeypatch):
    # 100 GB that take 8 bytes: every number is 1, so a sum counts bins
    values = np.lib.stride_tricks.as_strided(np.ones(1), (50, 60, 70, 500, 120), (0,) * 5)
    axes = tuple(Axis(name, size) for name, size in zip("abcde", values.shape, strict=True))
    monkeypatch.setattr("tomosaxs.report.maps._BYTES", 1 << 22)
    totals = sums_of(Frames(values, None, axes, 2, ""))
    assert totals.partly == "sums over every 500th azimuth"
    assert (totals.grid == 120).all()
    assert totals.grid.size * 120 * 8 <= 1 << 22
    assert all(
        len(range(0, size, step)) == n
        for size, step, n in zip((50, 60, 70), totals.steps, totals.grid.shape, strict=True)
    )


def test_frames_of_a_thinned_map_keep_their_numbers(monkeypatch):
    # sums grow in reading order; every third row and second column is looked at
    values = np.arange(70.0).reshape(7, 10, 1) * np.ones(30)
    axes = (Axis("y", 7), Axis("x", 10), Axis("q", 30, Q, "nm^-1"))
    frames = Frames(values, None, axes, 1, "")
    monkeypatch.setattr("tomosaxs.report.maps._BYTES", values.nbytes // 6)
    totals = sums_of(frames)
    assert totals.steps == (2, 3)
    looked_at = [10 * y + x for y in range(0, 7, 2) for x in range(0, 10, 3)]
    np.testing.assert_array_equal(totals.grid.reshape(-1), 30.0 * np.array(looked_at))
    figures, _ = curve_figures(frames)
    assert "high: y 6, x 9" in figures[0][0]
    assert "every 2nd y, every 3rd x" in figures[1][1]


# the frame


def square(shape=(60, 80), centre=(20.0, 30.0), **turned):
    """A detector whose beam falls on edge coordinates `centre` when it is not turned."""
    given = {"rot1": 0.0, "rot2": 0.0, "rot3": 0.0} | turned
    return DetectorGeometry(
        0.1, centre[0] * PIXEL, centre[1] * PIXEL, pixel1=PIXEL, pixel2=PIXEL, wavelength=1e-10, shape=shape, **given
    )


@pytest.mark.parametrize("turned", [{}, {"rot1": 0.3, "rot2": -0.2, "rot3": 1.0}, {"rot1": -0.1, "rot3": -2.5}])
def test_lines_are_the_inverse_of_the_geometry(turned):
    geometry = square(**turned)
    chi = np.linspace(-3.1, 3.1, 41)
    rows, columns = where_on_detector(geometry, 0.05, chi)
    np.testing.assert_allclose(geometry.two_theta(rows, columns), 0.05, rtol=1e-12)
    np.testing.assert_allclose(geometry.azimuth(rows, columns), chi, atol=1e-11)
    row, column = where_on_detector(geometry, 0.0, 0.0)
    np.testing.assert_allclose([row, column], geometry.beam_centre, atol=1e-9)


def test_rays_that_miss_the_detector():
    assert np.isnan(where_on_detector(square(), [1.6, np.pi], 0.0)).all()


def test_a_ring_lies_where_q_is():
    rows, columns = ring(square(), "q_nm^-1", 5.0)
    # q = 4 pi sin(theta) / wavelength, wavelength 0.1 nm
    two_theta = 2 * np.arcsin(5.0 * 0.1 / (4 * np.pi))
    np.testing.assert_allclose(np.hypot(rows - 20, columns - 30) * PIXEL, 0.1 * np.tan(two_theta), rtol=1e-12)


@pytest.mark.parametrize("unit", RADIAL)
def test_rings_are_the_inverse_of_radial_coordinates(unit):
    geometry = square(rot1=0.2, rot2=-0.1, rot3=0.5)
    value = {"q": 8.0, "two_theta": 7.0, "radius": 12.0, "d_spacing": 0.8}[RADIAL[unit].axis]
    value *= {"angstrom^-1": 0.1, "angstrom": 10.0, "rad": 0.01}.get(RADIAL[unit].units, 1.0)
    rows, columns = ring(geometry, unit, value)
    np.testing.assert_allclose(radial_coordinate(geometry, unit, rows, columns), value, rtol=1e-9)


def test_the_picture_is_the_right_way_up():
    frame = np.full((60, 80), 100.0)
    frame[:10, :5] = 1000.0  # bright in the corner of row 0, column 0
    mask = np.zeros((60, 80), dtype=bool)
    mask[50:, 70:] = True  # masked in the opposite corner
    geometry = square()
    picture = FramePicture(frame, geometry, [Shade("masked", mask, (255, 0, 0), 1.0)])
    picture.rings("q_nm^-1")
    picture.beam()
    text = picture.svg()
    (pixels,) = pictures_of(text)
    assert pixels.shape == (60, 80, 3)
    np.testing.assert_array_equal((pixels == (255, 0, 0)).all(axis=-1), mask)
    assert pixels[0, 0, 0] == 255
    assert pixels[30, 40, 0] == 0
    # chi = 0 points along increasing columns, chi grows towards row 0: counter-clockwise
    along, around = arrows_of(text)
    assert along[0] == pytest.approx(picture.x(30.0), abs=0.1)
    assert along[1] == pytest.approx(picture.y(20.0), abs=0.1)
    assert along[-2] > along[0] + 50
    assert along[-1] == pytest.approx(along[1], abs=0.1)
    assert around[-1] < around[1] - 50
    assert around[-2] < around[0]


def arrows_of(text):
    """Return the coordinates of the lines in the colour of arrows around chi."""
    paths = re.findall(r'<path d="([^"]+)"[^>]*stroke="#ff9f0a"', text)
    return [[float(each) for each in re.findall(r"-?[\d.]+", path)] for path in paths]


def test_a_beam_far_off_the_frame():
    geometry = square(shape=(60, 200), centre=(1500.0, -1500.0))
    picture = FramePicture(np.ones((60, 200)), geometry)
    picture.rings("q_nm^-1")
    picture.beam()
    text = picture.svg()
    assert "to the beam" in text
    assert "χ grows (here 43°)" in text  # atan2(1500 - 30, 100 + 1500) = 42.6
    (path,) = re.findall(r'<path d="([^"]+)"[^>]*stroke="#ff3b30"', text)
    ends = [float(each) for each in re.findall(r"-?[\d.]+", path)]
    assert ends[-2] < ends[0]  # to the left
    assert ends[-1] > ends[1]  # and down
    ((*first, x, y),) = arrows_of(text)
    assert x < first[0]  # counter-clockwise around a beam at the lower left: up and to the left
    assert y < first[1]


def test_a_beam_beside_the_frame_is_shown():
    picture = FramePicture(np.ones((60, 80)), square(centre=(-10.0, 30.0)))
    assert picture.beam_shown
    assert picture.top < -10
    assert picture.y(0) > picture.y(-10) > 8


def test_grey_scales():
    rng = np.random.default_rng(0)
    assert not grey_scale(rng.normal(1000, 5, (50, 50))).log
    assert grey_scale(10.0 ** rng.uniform(0, 5, (50, 50))).log
    zeros = np.zeros((50, 50))
    zeros[:10] = rng.poisson(200, (10, 50))
    scale = grey_scale(zeros)
    assert scale.levels(np.array([0.0]))[0] == 0
    assert grey_scale(np.full((5, 5), np.nan)).levels(np.array([0.5]))[0] == 0.5


def test_regions():
    found = regions_of({"unit": "q_nm^-1", "azimuth_range": [-30, 30], "range": (0.5, 4.0), "bins": 10})
    assert found == Regions("q_nm^-1", ((-30.0, 30.0),), (0.5, 4.0))
    folded = regions_of({"azimuth_range": [-30, 30], "fold": True, "band": [1, 2], "background": [[0.5, 0.8]]})
    assert folded == Regions("q_nm^-1", ((-30.0, 30.0), (150.0, 210.0)), None, ((1.0, 2.0),), ((0.5, 0.8),))
    assert regions_of({"azimuth_range": [0, 180], "fold": True}).sectors == ()
    assert regions_of({"azimuth_range": [-180, 180]}).sectors == ()
    geometry = square(shape=(40, 60))
    ((name, outside, kind),) = found.shades(geometry, (40, 60))
    assert (name, kind) == ("outside of the sector or range", "outside")
    rows, columns = np.mgrid[:40, :60] + 0.5
    chi = np.degrees(np.arctan2(20 - rows, columns - 30))
    q = 4 * np.pi / 0.1 * np.sin(0.5 * np.arctan(np.hypot(rows - 20, columns - 30) * PIXEL / 0.1))
    np.testing.assert_array_equal(outside, (np.abs(chi) > 30) | (q < 0.5) | (q > 4))
    bands = Regions("q_nm^-1", bands=((1.0, 2.0),), sides=((0.5, 0.8), (2.2, 2.5)))
    shades = {kind: pixels for _, pixels, kind in bands.shades(geometry, (40, 60))}
    np.testing.assert_array_equal(shades["band"], (q >= 1) & (q <= 2))
    np.testing.assert_array_equal(shades["side"], ((q >= 0.5) & (q <= 0.8)) | ((q >= 2.2) & (q <= 2.5)))


# a whole run

LIST = """\
title: A map
input:
  saxs: {plugin: array, path: frames.h5, dataset: /data, axes: [y, x, detector_y, detector_x]}
steps:
  - plugin: azimuthal_integrate
    calibration: detector.poni
    mask: mask.npy
    bins: 40
    azimuth_range: [-90, 90]
    save: true
"""
PONI = """\
poni_version: 2.1
Detector: Detector
Detector_config: {{"pixel1": {pixel}, "pixel2": {pixel}, "max_shape": [60, 80], "orientation": 3}}
Distance: 0.1
Poni1: {poni1}
Poni2: {poni2}
Rot1: 0.0
Rot2: 0.0
Rot3: 0.0
Wavelength: 1e-10
"""


@pytest.fixture
def scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("numba", reason="the shipped integrator needs numba")
    monkeypatch.chdir(tmp_path)
    frames = np.random.default_rng(1).poisson(50, (3, 4, 60, 80)).astype(np.int32)
    frames[1, 2] = -1
    frames[2, 3] = -1
    frames[..., :3] = -1
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["data"] = frames
    mask = np.zeros((60, 80), np.uint8)
    mask[50:, 70:] = 1
    np.save(tmp_path / "mask.npy", mask)
    (tmp_path / "detector.poni").write_text(PONI.format(pixel=PIXEL, poni1=20 * PIXEL, poni2=30 * PIXEL))
    (tmp_path / "list.yml").write_text(LIST)
    return tmp_path


def test_the_report_of_a_map(scan: Path) -> None:
    tomosaxs.run(scan / "list.yml", output=scan / "out", log=lambda line: None)
    text = (scan / "out" / "report.html").read_text(encoding="utf-8")
    section = text[text.index("Frames that azimuthal_integrate integrated") : text.index("<h2>Inputs</h2>")]
    assert text.index("<h2>Result</h2>") < text.index("Frames that azimuthal_integrate integrated")
    for word in ("masked: never used", "left out by its value", "outside of the sector", "20.00 px", "detector.poni",
                 "100.000 mm", "Mean of 8 of 12 frames of saxs", "q in nm⁻¹", "χ = 0"):  # fmt: skip
        assert word in section, word
    (pixels,) = pictures_of(section)
    red = pixels[..., 0].astype(int) - pixels[..., 2] > 60
    assert red[52:, 72:].all()
    assert not red[20:40, 35:60].any()
    assert "2 of 12 frames gave nothing" in section
    assert "y 1, x 2; y 2, x 3" in section


def test_bands_and_cakes(scan: Path) -> None:
    common = "    calibration: detector.poni\n    mask: mask.npy\n    on: saxs\n    save: true\n"
    steps = f"""\
  - plugin: cake
    to: cakes
    bins: 20
    azimuth_bins: 12
{common}  - plugin: radial_band
    to: bands
    band: [2.0, 3.0]
    background: [[1.5, 2.0], [3.0, 3.5]]
    azimuth_bins: 12
{common}"""
    (scan / "list.yml").write_text(LIST[: LIST.index("  - plugin")] + steps)
    tomosaxs.run(scan / "list.yml", output=scan / "out", log=lambda line: None)
    text = (scan / "out" / "report.html").read_text(encoding="utf-8")
    cake, band = (text.index(f"Frames that {name} integrated") for name in ("cake", "radial_band"))
    assert "mean of 10 of 12 cakes" in text
    assert "2 of 12 frames gave nothing" in text[cake:band]
    assert "side-band: background" not in text[cake:band]
    for word in ("> band<", "side-band: background", "Dashed: borders", "2 of 12 frames gave nothing"):
        assert word in text[band : text.index("<h2>Inputs</h2>")], word


def test_a_report_survives_what_cannot_be_drawn(scan: Path) -> None:
    from tomosaxs_plugins.index import report

    plan = tomosaxs.plan(scan / "list.yml")
    (scan / "detector.poni").unlink()
    ((heading, text),) = report(plan, result(scan / "empty"))
    assert heading == "Frames that azimuthal_integrate integrated"
    assert "could not be drawn" in text
    assert "detector.poni" in text


def test_a_package_that_fails_costs_its_own_section(tmp_path: Path) -> None:
    import pluggy

    from tomosaxs import hookimpl
    from tomosaxs.hookspecs import HookSpecs
    from tomosaxs.report import sections_of

    class Good:
        @hookimpl
        def report(self, result):
            return [("Good", result.title)]

    class Bad:
        @hookimpl
        def report(self, plan, result):
            raise KeyError("nothing of this name")

    class Odd:
        @hookimpl
        def report(self):
            return ["no pair of texts"]

    manager = pluggy.PluginManager("tomosaxs")
    manager.add_hookspecs(HookSpecs)
    for name, each in (("good", Good()), ("bad", Bad()), ("odd", Odd())):
        manager.register(each, name)
    made = result(tmp_path)
    assert sections_of(manager.hook.report, None, made) == [("Good", made.title)]
    assert [message.split(":")[1] for message in made.messages] == [
        " the section of odd could not be made", " the section of bad could not be made",
    ]  # fmt: skip
    assert "nothing of this name" in made.messages[1]


def test_nothing_is_said_of_other_lists(tmp_path: Path) -> None:
    from tomosaxs_plugins.index import report

    class Plan:
        steps = ()

    assert report(Plan(), None) == []
