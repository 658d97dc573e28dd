"""The plugin: what the plan knows beforehand, crops, masks, errors, and what comes out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Scan
from tomosaxs.declaration import spec_of
from tomosaxs.registry import backends, find
from tomosaxs_plugins.integration.azimuthal_integrate import AzimuthalIntegrate
from tomosaxs_plugins.integration.backends import IntegrationSettings

ROWS, COLUMNS = 40, 60
OWN = {
    "distance": Quantity(100, "mm"), "pixel_size_x": Quantity(1, "mm"), "pixel_size_y": Quantity(1, "mm"),
    "beam_center_x": Quantity(10, "px"), "beam_center_y": Quantity(20, "px"), "wavelength": Quantity(1, "angstrom"),
}  # fmt: skip
needs_pyfai = pytest.mark.skipif(
    bool(backends("azimuthal_integrate")["pyfai"].missing()), reason="pyFAI is not installed"
)
SPEC = spec_of(AzimuthalIntegrate)


def described(dtype: type = np.float32, **auxiliaries: Auxiliary) -> Dataset:
    axes = (
        Axis("rotation_angle", 2, np.array([0.0, 90.0]), "deg"), Axis("y", 3), Axis("x", 2),
        Axis("detector_y", ROWS), Axis("detector_x", COLUMNS),
    )  # fmt: skip
    return Dataset(axes, np.dtype(dtype), "counts", "counts", auxiliaries, OWN)


def values(**given: object) -> dict[str, object]:
    filled, faults = SPEC.parameters.validate(given)
    assert not faults
    return filled


def checked(dataset: Dataset, **given: object) -> dict[str, object]:
    return SPEC.check(dataset, **values(**given))


def scan_of(dataset: Dataset) -> Scan:
    return Scan.whole(dataset, ("detector_y", "detector_x"))


def frames_of(dataset: Dataset) -> np.ndarray:
    return np.random.default_rng(3).poisson(40, (12, ROWS, COLUMNS)).astype(dataset.dtype)


def test_registered_under_its_name():
    assert find("azimuthal_integrate").target is AzimuthalIntegrate
    assert SPEC.stateful
    assert SPEC.wants_scan == "scan"
    assert SPEC.parameters.get("calibration").is_file
    assert SPEC.parameters.get("mask").is_file


def test_the_plan_needs_no_pyfai():
    """Shape and check run where a list is only looked at: they must not import a heavy package."""
    code = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
import test_azimuthal_integrate as t
t.SPEC.shape(t.described(), **t.values())
assert "pyFAI" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("unit", "axis", "units"),
    [("q_nm^-1", "q", "nm^-1"), ("q_A^-1", "q", "angstrom^-1"), ("2theta_deg", "two_theta", "deg"),
     ("2theta_rad", "two_theta", "rad"), ("radius_mm", "radius", "mm")],
)  # fmt: skip
def test_the_axis_is_known_beforehand(unit: str, axis: str, units: str):
    output = SPEC.shape(described(), **values(unit=unit, bins=7))
    (found,) = output.axes
    assert (found.name, found.size, found.units, output.dtype) == (axis, 7, units, "float32")
    assert np.all(np.diff(found.values) > 0)
    ranged = SPEC.shape(described(), **values(unit=unit, bins=4, range=[0.1, 0.5])).axes[0]
    assert ranged.values == pytest.approx([0.15, 0.25, 0.35, 0.45])


@needs_pyfai
def test_a_ring_lands_on_the_announced_axis():
    dataset = described()
    y, x = np.mgrid[0:ROWS, 0:COLUMNS] + 0.5
    two_theta = np.degrees(np.arctan2(np.hypot(y - 20, x - 10), 100))  # 1 mm pixels, 100 mm away
    frame = np.exp(-(((two_theta - 12.0) / 1.0) ** 2) / 2).astype(np.float32)
    step = AzimuthalIntegrate(unit="2theta_deg", bins=80, range=(2.0, 22.0), solid_angle=False)
    curve = step(np.stack([frame] * 12), scan_of(dataset))[0]
    axis = SPEC.shape(dataset, **values(unit="2theta_deg", bins=80, range=[2.0, 22.0])).axes[0].values
    # a pixel is 0.55 deg: it broadens the ring but does not move it by more than the curvature of the ring
    assert (curve * axis).sum() / curve.sum() == pytest.approx(12.0, abs=0.02)


def test_our_own_backend_is_preferred():
    assert checked(described())["backend"] == "tomosaxs"
    assert checked(described(), splitting="subpixel", average="mean_of_ratios")["backend"] == "tomosaxs"


@needs_pyfai
def test_blocks_and_setup_change_nothing():
    dataset = described(np.int32)
    frames = frames_of(dataset)
    frames[2, 5:9] = -1
    whole = AzimuthalIntegrate(bins=50)(frames, scan_of(dataset))
    assert whole.shape == (12, 50)
    assert whole.dtype == np.float32
    for size in (1, 5, 7):
        step = AzimuthalIntegrate(bins=50)
        step.setup(dataset)
        parts = [
            step(frames[at : at + size], Scan(dataset, ("rotation_angle", "y", "x"), ("detector_y", "detector_x"),
                                              np.arange(at, min(at + size, 12))))
            for at in range(0, 12, size)
        ]  # fmt: skip
        assert np.concatenate(parts).tobytes() == whole.tobytes()


@needs_pyfai
def test_a_crop_of_the_loader_keeps_the_curve():
    """The pixels outside the crop are masked in the one and cut off in the other: same pixels, same curve."""
    dataset = described()
    frames = frames_of(dataset)
    crop = {"detector_y": slice(5, 35, 1), "detector_x": slice(12, 50, 1)}
    outside = np.ones((ROWS, COLUMNS), dtype=bool)
    outside[5:35, 12:50] = False
    axes = ("detector_y", "detector_x")
    masked = replace(dataset, auxiliaries={"mask": Auxiliary(axes, ArrayReader(outside))})
    one = AzimuthalIntegrate(bins=30, range=(5.0, 18.0))(frames, scan_of(masked))
    other = AzimuthalIntegrate(bins=30, range=(5.0, 18.0))(
        np.ascontiguousarray(frames[:, 5:35, 12:50]), scan_of(dataset.select(crop))
    )
    # corner positions are 32-bit floats in the backend: shares of pixels move by 1e-5
    assert np.allclose(one, other, rtol=2e-4, equal_nan=True)
    assert np.isfinite(one).any()
    assert not np.allclose(one, 40.0, rtol=1e-3, equal_nan=True)


@needs_pyfai
def test_masks_thresholds_and_sectors(tmp_path: Path):
    dataset = described()
    frames = np.full((12, ROWS, COLUMNS), 10.0, dtype=np.float32)
    frames[:, :20] = 30.0  # the upper half, azimuths 0 to 180
    kept = {"bins": 20, "range": (2.0, 20.0)}

    def curve(**more: object) -> np.ndarray:
        found = AzimuthalIntegrate(**kept, **more)(frames, scan_of(dataset))[0]
        return found[np.isfinite(found)]

    assert 10 < curve().mean() < 30
    assert np.all(curve(azimuth_range=(0.5, 179.5), solid_angle=False) == 30.0)
    assert np.all(curve(azimuth_range=(180.5, 359.5), solid_angle=False) == 10.0)
    assert np.all(curve(mask_above=20.0, solid_angle=False) == 10.0)
    assert np.all(curve(mask_below=20.0, solid_angle=False) == 30.0)
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    mask[:20] = 1
    np.save(tmp_path / "m.npy", mask)
    assert np.all(curve(mask=tmp_path / "m.npy", solid_angle=False) == 10.0)


@needs_pyfai
def test_normalised_by_the_monitor_with_uncertainty():
    monitor = np.array([1.0, 2.0, 4.0, np.nan, 0.0, 8.0]).repeat(2).reshape(2, 3, 2)
    dataset = described(i0=Auxiliary(("rotation_angle", "y", "x"), ArrayReader(monitor)))
    frames = frames_of(dataset)
    plain, sigma = AzimuthalIntegrate(bins=20, error_model="poisson").with_uncertainty(frames, scan_of(dataset))
    scaled, its = AzimuthalIntegrate(bins=20, error_model="poisson", normalise="i0").with_uncertainty(
        frames, scan_of(dataset)
    )
    flat = monitor.reshape(-1, 1)
    good = (flat > 0)[:, 0]
    assert np.allclose(scaled[good], plain[good] / flat[good], rtol=2e-7, equal_nan=True)
    assert np.allclose(its[good], sigma[good] / flat[good], rtol=2e-7, equal_nan=True)
    assert np.isnan(scaled[~good]).all()
    with pytest.raises(InputError, match=r"without 'i1'.*i0"):
        checked(dataset, normalise="i1")


def write_poni(path: Path, shape: tuple[int, int]) -> Path:
    path.write_text(
        "poni_version: 2.1\nDetector: Detector\nDetector_config: "
        f'{{"pixel1": 0.001, "pixel2": 0.001, "max_shape": [{shape[0]}, {shape[1]}], "orientation": 3}}\n'
        "Distance: 0.1\nPoni1: 0.02\nPoni2: 0.01\nRot1: 0\nRot2: 0\nRot3: 0\nWavelength: 1e-10\n"
    )
    return path


def test_calibration_and_stored_crop(tmp_path: Path):
    same = write_poni(tmp_path / "same.poni", (ROWS, COLUMNS))
    own = AzimuthalIntegrate().settings(described()).frames.geometry
    given = AzimuthalIntegrate(calibration=same).settings(described()).frames.geometry
    assert given.beam_centre == pytest.approx(own.beam_centre)
    assert given.wavelength * 1e10 == pytest.approx(own.wavelength * 1e10)
    large = write_poni(tmp_path / "large.poni", (100, 100))
    with pytest.raises(InputError, match=r"100 x 100.*40 x 60.*crop_offset"):
        AzimuthalIntegrate(calibration=large).settings(described())
    part = AzimuthalIntegrate(calibration=large, crop_offset=(5, 7)).settings(described()).frames.geometry
    assert part.beam_centre == pytest.approx((15, 3))
    cropped = described().select({"detector_y": slice(4, 30, 1)})
    part = AzimuthalIntegrate(calibration=large, crop_offset=(5, 7)).settings(cropped)
    assert part.frames.geometry.beam_centre == pytest.approx((11, 3))
    assert part.frames.shape == (26, COLUMNS)
    with pytest.raises(InputError, match="do not fit"):
        AzimuthalIntegrate(calibration=large, crop_offset=(70, 7)).settings(described())
    with pytest.raises(InputError, match="step"):
        AzimuthalIntegrate().settings(described().select({"detector_x": slice(0, 60, 2)}))


@needs_pyfai
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"range": [5, 2]}, "low < high"),
        ({"range": [50, 60]}, r"holds no pixel.*cover 0 to"),
        ({"azimuth_range": [10, 400]}, "azimuth_range"),
        ({"mask_below": 5, "mask_above": 5}, "smaller"),
        ({"backend": "pyfay"}, "did you mean 'pyfai'"),
        ({"backend": "pyfai", "splitting": "subpixel"}, r"no splitting: subpixel.*backend: tomosaxs"),
        ({"backend": "pyfai", "average": "mean_of_ratios"}, "no average: mean_of_ratios"),
        ({"calibration": "absent.poni"}, "absent.poni"),
        ({"mask": "absent.npy"}, "absent.npy"),
    ],
)
def test_faults_are_found_before_the_run(given: dict, said: str):
    with pytest.raises(InputError, match=said):
        checked(described(), **given)


def test_what_the_scan_does_not_say_is_asked_for():
    without = replace(described(), metadata={})
    with pytest.raises(InputError, match=r"distance.*calibration"):
        SPEC.shape(without, **values())
    no_wavelength = replace(described(), metadata={k: v for k, v in OWN.items() if k != "wavelength"})
    with pytest.raises(InputError, match="wavelength"):
        SPEC.shape(no_wavelength, **values())
    assert SPEC.shape(no_wavelength, **values(unit="2theta_deg")).axes[0].name == "two_theta"


class Sum:
    """Another backend: the sum of a frame in every bin."""

    def setup(self, settings: IntegrationSettings) -> None:
        self.bins = settings.bins

    def integrate(self, frames: np.ndarray) -> tuple[np.ndarray, None]:
        return np.repeat(frames.sum(axis=(1, 2))[:, None], self.bins, axis=1).astype(np.float32), None


def test_another_backend_is_one_word(monkeypatch: pytest.MonkeyPatch):
    import tomosaxs_plugins.integration.azimuthal_integrate as module
    from tomosaxs import BackendEntry

    entries = {
        "sum": BackendEntry("sum", "azimuthal_integrate", f"{__name__}:Sum", "a sum"),
        "absent": BackendEntry(
            "absent", "azimuthal_integrate", "x:y", "", needs=("no_such_package",), install="pip ..."
        ),
    }
    monkeypatch.setattr(module, "backends", lambda plugin: entries)
    assert checked(described(), backend="sum")["backend"] == "sum"
    assert checked(described())["backend"] == "sum"  # auto: the one that is installed
    frames = np.ones((12, ROWS, COLUMNS), np.float32)
    assert np.all(AzimuthalIntegrate(backend="sum", bins=3)(frames, scan_of(described())) == ROWS * COLUMNS)
    with pytest.raises(InputError, match=r"no_such_package.*pip \.\.\."):
        checked(described(), backend="absent")
    monkeypatch.setattr(module, "backends", lambda plugin: {"absent": entries["absent"]})
    with pytest.raises(InputError, match="no_such_package"):
        checked(described())


@needs_pyfai
def test_the_shipped_list_on_a_measured_raster_scan(shared: Path):
    """Its step, with the values of the list, on (2 angles, 2 y, 2 x, 100, 1000); the runner has its own tests."""
    folder = shared / "data" / "mapping"
    text = (Path(__file__).parents[2] / "process_lists" / "saxs_map.yml").read_text(encoding="utf-8")
    (step,) = yaml.safe_load(text)["steps"]
    given = {k: v for k, v in step.items() if k not in ("plugin", "save")}
    given["calibration"] = folder / given["calibration"]
    with h5py.File(folder / "xrd_test.nxs") as file:
        frames = file["entry1/xrd_entry/instrument/detector/data"][()]
    names = ("rotation_angle", "y", "x", "detector_y", "detector_x")
    axes = tuple(Axis(name, size) for name, size in zip(names, frames.shape, strict=True))
    dataset = Dataset(axes, frames.dtype, "counts", "counts")
    concrete = checked(dataset, **given)
    (axis,) = SPEC.shape(dataset, **{**values(**given), **concrete}).axes
    curves = AzimuthalIntegrate(**{**values(**given), **concrete})(frames.reshape(8, 100, 1000), scan_of(dataset))
    assert curves.shape == (8, axis.size)
    assert np.isfinite(curves[:, 3:-3]).all()
    # raw counts lie between 996 and 1047; the solid angle falls with cos^3 of the angle of incidence, which
    # is 2 theta but for the tilt of 0.4 degrees (0.9 % of the cube at 22 degrees)
    sine = axis.values * 0.07293188 / (4 * np.pi)
    counts = curves * np.cos(2 * np.arcsin(sine)) ** 3
    assert np.nanmin(counts) > 996 * 0.99
    assert np.nanmax(counts) < 1047 * 1.01
    # every frame has its own curve
    assert len({curve.tobytes() for curve in curves}) == 8


def test_frames_with_spoilt_pixels_are_named_and_the_others_not():
    """Gaps that all frames have are nothing to tell; a saturated patch in one frame is."""
    dataset = described(np.int32)
    frames = frames_of(dataset)
    frames[:, 10] = -1  # a gap that no mask hides
    before = integrated(dataset, frames)
    frames[7, 20:28, 30:38] = np.iinfo(np.int32).max
    frames[3, 5, 5] = -7  # one pixel alone is not worth a line
    scan = scan_of(dataset)
    step = AzimuthalIntegrate(bins=20)
    step.setup(dataset)
    curves = step(frames, scan)
    others = [number for number in range(12) if number not in (3, 7)]
    assert np.array_equal(curves[others], before[others], equal_nan=True)
    assert scan.notes == {
        "{count} frames have more negative, saturated or not finite pixels than usual: these pixels are left out": 1,
        "more negative, saturated or not finite pixels than usual: frame at rotation_angle 1, y 0, x 1": 1,
    }
    assert np.nanmax(curves[7]) < 100


def integrated(dataset: Dataset, frames: np.ndarray) -> np.ndarray:
    step = AzimuthalIntegrate(bins=20)
    step.setup(dataset)
    scan = scan_of(dataset)
    curves = step(frames, scan)
    assert not scan.notes
    return curves
