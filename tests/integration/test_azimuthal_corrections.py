"""The plugin with corrections, error models and bad frames: what a list can ask for, and what the user is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Scan, Uncertain
from tomosaxs.declaration import spec_of
from tomosaxs_plugins.integration.azimuthal_integrate import AzimuthalIntegrate

ROWS, COLUMNS = 40, 60
METADATA = {
    "distance": Quantity(100, "mm"), "pixel_size_x": Quantity(1, "mm"), "pixel_size_y": Quantity(1, "mm"),
    "beam_center_x": Quantity(10, "px"), "beam_center_y": Quantity(20, "px"), "wavelength": Quantity(1, "angstrom"),
    "count_time": Quantity(4.0, "s"),
}  # fmt: skip
CORE = ("detector_y", "detector_x")
SPEC = spec_of(AzimuthalIntegrate)
RANDOM = np.random.default_rng(2)
SENSITIVITY = RANDOM.uniform(0.8, 1.2, (ROWS, COLUMNS))
DARK = RANDOM.poisson(7.0, (5, ROWS, COLUMNS)).astype(np.uint16)


def described(dtype: type = np.float64, uncertainty: bool = False, **companions: np.ndarray) -> Dataset:
    axes = (Axis("y", 3), Axis("x", 4), Axis("detector_y", ROWS), Axis("detector_x", COLUMNS))
    names = {2: ("y", "x"), 1: ("x",)}
    own = {"darks": ("dark", *CORE), "flats": ("flat", *CORE)}
    auxiliaries = {
        key: Auxiliary(own.get(key) or names[np.ndim(value)], ArrayReader(np.asarray(value)))
        for key, value in companions.items()
    }
    return Dataset(axes, np.dtype(dtype), "counts", "counts", auxiliaries, METADATA, uncertainty)


def run(dataset: Dataset, frames: np.ndarray, sigma: np.ndarray | None = None, **given: object):
    """Return curves, uncertainties and notes, the parameters checked as those of a list are."""
    filled, faults = SPEC.parameters.validate(given)
    assert not faults, faults
    concrete = {**filled, **SPEC.check(dataset, **filled)}
    output = SPEC.shape(dataset, **concrete)
    scan = Scan.whole(dataset, CORE)
    scan.uncertainties = (sigma,)
    found = AzimuthalIntegrate(**concrete)(frames, scan)
    assert isinstance(found, Uncertain) == output.uncertainty
    curves, its = found if output.uncertainty else (found, None)
    return curves, its, scan.notes


def told(notes: dict[str, int]) -> dict[str, int]:
    return {text: count for text, count in notes.items() if "mask" not in text}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    np.save(tmp_path / "dark.npy", DARK)
    np.save(tmp_path / "flat.npy", SENSITIVITY * 1000)
    return {"dark": tmp_path / "dark.npy", "flat": tmp_path / "flat.npy"}


def test_dark_and_flat_from_files_and_from_the_data(files: dict[str, Path]):
    """A frame of dark counts and sensitivity is flat; the flat counts over its median over the frames."""
    frames = np.stack([3 * DARK.mean(axis=0) + 50 * SENSITIVITY] * 12)
    level = 50 * np.median(SENSITIVITY)
    plain = {"bins": 30, "solid_angle": False}
    curves = run(described(), frames, **plain, **files, dark_scale=3.0)[0]
    assert np.nanmax(np.abs(curves / level - 1)) < 1e-6
    assert not np.allclose(run(described(), frames, **plain)[0], level, rtol=0.05, equal_nan=True)
    as_it_is = run(described(), frames, **plain, **files, dark_scale=3.0, flat_scale="none")[0]
    assert np.nanmax(np.abs(as_it_is * 1000 / 50 - 1)) < 1e-6
    own = described(darks=DARK, flats=np.stack([SENSITIVITY] * 2) * 1000)
    again = run(own, frames, **plain, use_darks_and_flats=True, dark_scale=3.0)[0]
    assert again.tobytes() == curves.tobytes()
    assert run(own, frames, **plain)[0].tobytes() == run(described(), frames, **plain)[0].tobytes()


def test_the_uncertainty_of_dark_frames(files: dict[str, Path]):
    frames = RANDOM.poisson(40.0, (12, ROWS, COLUMNS)).astype(np.float64)
    given = {"bins": 30, "solid_angle": False, "splitting": "no"}
    with_dark = run(described(), frames, **given, error_model="poisson", dark=files["dark"], dark_scale=2.0)[1]
    # no splitting: the sum over the pixels of a bin of counts, and of 2^2 of the mean of five dark frames
    without = run(described(), frames, **given, error_model="poisson")[1]
    number = run(described(), np.ones_like(frames), **given, error_model="poisson")[1] ** -2
    dark = run(described(), np.stack([DARK.mean(axis=0) * 4 / 5] * 12), **given, error_model="poisson")[1]
    assert np.nanmin(number) > 0
    assert np.allclose(with_dark**2, without**2 + dark**2, rtol=1e-5, equal_nan=True)
    assert np.nanmin(with_dark / without) > 1.02


def test_uncertainties_of_the_data():
    frames = RANDOM.poisson(40.0, (12, ROWS, COLUMNS)).astype(np.float64)
    sigma = np.sqrt(frames)
    carried = described(uncertainty=True)
    expected = run(described(), frames, bins=30, error_model="poisson")[:2]
    for text in ("auto", "data"):
        found = run(carried, frames, sigma, bins=30, error_model=text)
        assert np.array_equal(found[0], expected[0], equal_nan=True)
        assert np.allclose(found[1], expected[1], rtol=1e-6, equal_nan=True)
    assert run(carried, frames, sigma, bins=30, error_model="none")[1] is None
    assert run(described(), frames, bins=30)[1] is None
    with pytest.raises(InputError, match=r"carry no uncertainties.*poisson"):
        run(described(), frames, bins=30, error_model="data")


def test_normalised_by_several():
    monitor, transmission = RANDOM.uniform(1e5, 2e5, (3, 4)), RANDOM.uniform(0.2, 0.9, (3, 4))
    dataset = described(monitor=monitor, transmission=transmission)
    frames = RANDOM.poisson(40.0, (12, ROWS, COLUMNS)).astype(np.float64)
    plain, its, _ = run(dataset, frames, bins=30, error_model="poisson")
    divisor = (monitor * transmission * 4.0 * 0.001).reshape(-1, 1)  # a quantity of the metadata, and a number
    by = ["monitor", "transmission", "count_time", 0.001]
    curves, sigmas, notes = run(dataset, frames, bins=30, error_model="poisson", normalise=by)
    assert np.allclose(curves, plain / divisor, rtol=3e-7, equal_nan=True)
    assert np.allclose(sigmas, its / divisor, rtol=3e-7, equal_nan=True)
    assert told(notes) == {}
    one = run(dataset, frames, bins=30, normalise="monitor")[0]
    assert np.allclose(one, plain / monitor.reshape(-1, 1), rtol=3e-7, equal_nan=True)


def test_bad_frames_are_flagged_and_told_and_the_others_go_on():
    monitor = np.full((3, 4), 2.0)
    monitor[0, 1], monitor[1, 2], monitor[2, 3] = 0.0, np.nan, -3.0
    monitor[0, 0] = np.nan  # where nothing was measured: told once
    missing = np.zeros((3, 4), bool)
    missing[0, 0] = True
    dataset = described(np.int32, monitor=monitor, missing=missing)
    frames = RANDOM.poisson(40.0, (12, ROWS, COLUMNS)).astype(np.int32)
    frames[0] = -1  # not measured
    frames[4] = 2**31 - 1  # saturated
    frames[5, :10] = -1  # only a part
    curves, sigmas, notes = run(dataset, frames, bins=30, error_model="poisson", normalise="monitor")
    bad = {0, 1, 4, 6, 11}
    for number in range(12):
        assert np.isnan(curves[number]).all() == (number in bad), number
        assert np.isnan(sigmas[number]).all() == (number in bad), number
    assert told(notes) == {
        "{count} frames give NaN, the others go on: monitor is zero, negative or not a number": 3,
        "monitor is zero, negative or not a number: frame at y 0, x 1": 1,
        "monitor is zero, negative or not a number: frame at y 1, x 2": 1,
        "monitor is zero, negative or not a number: frame at y 2, x 3": 1,
        "{count} frames give NaN, the others go on: not measured": 1,
        "not measured: frame at y 0, x 0": 1,
        "{count} frames give NaN, the others go on: no usable pixel": 1,
        "no usable pixel: frame at y 1, x 0": 1,
        "{count} frames have more negative, saturated or not finite pixels than usual: these pixels are left out": 1,
        "more negative, saturated or not finite pixels than usual: frame at y 1, x 1": 1,
    }
    clean = run(described(np.int32), np.abs(frames), bins=30)[0]
    assert np.array_equal(curves[2] * 2, clean[2], equal_nan=True)


def test_only_the_first_few_bad_frames_are_named():
    frames = np.full((12, ROWS, COLUMNS), np.nan)
    notes = told(run(described(), frames, bins=30)[2])
    assert notes["{count} frames give NaN, the others go on: no usable pixel"] == 12
    assert len(notes) == 6


def test_blocks_do_not_matter(files: dict[str, Path]):
    monitor = RANDOM.uniform(1.0, 2.0, (3, 4))
    dataset = described(np.int32, monitor=monitor)
    frames = RANDOM.poisson(40.0, (12, ROWS, COLUMNS)).astype(np.int32)
    given = {"bins": 30, "error_model": "I / 0.8 + 2", "normalise": ["monitor"], "polarization": 0.9, **files}
    curves, sigmas, _ = run(dataset, frames, **given)
    step = AzimuthalIntegrate(**given)
    step.setup(dataset)
    for begin in range(0, 12, 5):
        index = np.arange(begin, min(12, begin + 5))
        values, its = step(frames[index], Scan(dataset, ("y", "x"), CORE, index))
        assert (values.tobytes(), its.tobytes()) == (curves[index].tobytes(), sigmas[index].tobytes())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sensor_thickness": 3e-4}, "go together"),
        ({"sensor_thickness": 0.3, "sensor_attenuation": 1e-4}, "absorbs only"),
        ({"dark": "absent.npy"}, "absent.npy"),
        ({"dark": "small.npy"}, r"small.npy has 5 x 5 pixels, the frames have 40 x 60"),
        ({"flat": "zero.npy"}, "no positive value"),
        ({"error_model": "poison"}, r"poison is unknown.*azimuthal"),
        ({"error_model": "I +"}, "not an expression"),
        ({"normalise": "monitor"}, "without 'monitor'"),
        ({"normalise": ["zeros"]}, "no value that could be used"),
        ({"normalise": [0.0]}, "not a positive number"),
        ({"normalise": "mask"}, "a value for every pixel"),
        ({"use_darks_and_flats": True, "dark": "small.npy"}, "not both"),
        ({"unit": "d_nm", "range": [50.0, 60.0]}, "holds no pixel"),
    ],
)
def test_faults_are_found_before_the_run(tmp_path: Path, given: dict, said: str):
    np.save(tmp_path / "small.npy", np.ones((5, 5)))
    np.save(tmp_path / "zero.npy", np.zeros((ROWS, COLUMNS)))
    for name in ("dark", "flat"):
        if name in given:
            given = {**given, name: tmp_path / given[name]}
    dataset = described(zeros=np.zeros((3, 4)))
    mask = Auxiliary(CORE, ArrayReader(np.zeros((ROWS, COLUMNS), bool)))
    dataset = replace(dataset, auxiliaries={**dataset.auxiliaries, "mask": mask})
    filled, faults = SPEC.parameters.validate(given)
    assert not faults
    with pytest.raises(InputError, match=said):
        SPEC.check(dataset, **filled)


def test_everything_masked_by_a_flat_is_refused(tmp_path: Path):
    flat = np.full((ROWS, COLUMNS), np.nan)
    flat[0, 0] = 1.0
    np.save(tmp_path / "flat.npy", flat)
    mask = np.zeros((ROWS, COLUMNS), bool)
    mask[0, 0] = True
    dataset = replace(described(), auxiliaries={"mask": Auxiliary(CORE, ArrayReader(mask))})
    filled, _ = SPEC.parameters.validate({"flat": tmp_path / "flat.npy"})
    with pytest.raises(InputError, match="every pixel of the frames is masked"):
        SPEC.check(dataset, **filled)


@pytest.mark.parametrize(("unit", "units"), [("d_nm", "nm"), ("d_A", "angstrom")])
def test_bins_of_d_spacing(unit: str, units: str):
    """They increase, and end at ten times the smallest d where the beam is on the frame."""
    filled, _ = SPEC.parameters.validate({"unit": unit, "bins": 90})
    (axis,) = SPEC.shape(described(), **filled).axes
    assert (axis.name, axis.units) == ("d_spacing", units)
    assert np.all(np.diff(axis.values) > 0)
    half = (axis.values[1] - axis.values[0]) / 2
    assert axis.values[-1] + half == pytest.approx(10 * (axis.values[0] - half))
    y, x = np.mgrid[0:ROWS, 0:COLUMNS] + 0.5
    q = 4 * np.pi / 0.1 * np.sin(np.arctan2(np.hypot(y - 20, x - 10), 100) / 2)  # nm^-1
    per_nm = 1.0 if unit == "d_nm" else 10.0
    curve = run(described(), np.stack([2 * np.pi / q * per_nm] * 12), unit=unit, bins=90, solid_angle=False)[0][0]
    inner = slice(3, 40)  # farther up a pixel is wider than a bin: the curve bends within it
    assert np.abs(curve[inner] / axis.values[inner] - 1).max() < 0.02
