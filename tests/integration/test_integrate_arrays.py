"""Integration of plain arrays, as in a notebook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from engine_help import SHAPE, TILTED

from tomosaxs_plugins.integration import arrays, read_geometry, read_mask
from tomosaxs_plugins.integration.engine.factors import pixel_factors, sensor_factors

RANDOM = np.random.default_rng(4)
FRAMES = RANDOM.poisson(30.0, (5, *SHAPE)).astype(np.int32)


def test_three_lines(tmp_path: Path):
    (tmp_path / "a.poni").write_text(
        "poni_version: 2.1\nDetector: Detector\nDetector_config: "
        f'{{"pixel1": 0.001, "pixel2": 0.001, "max_shape": [{SHAPE[0]}, {SHAPE[1]}], "orientation": 3}}\n'
        "Distance: 0.1\nPoni1: 0.02\nPoni2: 0.01\nRot1: 0\nRot2: 0\nRot3: 0\nWavelength: 1e-10\n"
    )
    hidden = RANDOM.random(SHAPE) < 0.1
    np.save(tmp_path / "mask.npy", hidden)
    geometry = read_geometry(str(tmp_path / "a.poni"))
    image, mask = np.where(hidden, 60000, 7).astype(np.int32), read_mask(tmp_path / "mask.npy")
    q, intensity, sigma = geometry.integrate(image, mask=mask, solid_angle=False, bins=50)
    assert q.shape == intensity.shape == sigma.shape == (50,)
    assert np.all(np.diff(q) > 0)
    assert np.nanmax(np.abs(intensity - 7)) == 0
    assert np.nanmin(sigma) > 0


def test_a_stack_is_its_images():
    curve = TILTED.integrate(FRAMES, bins=40)
    assert curve.intensity.shape == curve.sigma.shape == (5, 40)
    for number in range(5):
        one = TILTED.integrate(FRAMES[number], bins=40, threads=1)
        assert one.intensity.tobytes() == curve.intensity[number].tobytes()
        assert one.sigma.tobytes() == curve.sigma[number].tobytes()
    assert TILTED.integrate(FRAMES[0], error_model="none").sigma is None


def test_all_corrections():
    sensitivity, dark = RANDOM.uniform(0.8, 1.2, SHAPE), RANDOM.poisson(5.0, (4, *SHAPE)).astype(np.int32)
    absorbed = sensor_factors(TILTED, SHAPE, 3e-4, 3000.0)
    factors = pixel_factors(TILTED, SHAPE, True, 0.9, 15.0, sensitivity * absorbed)
    image = 80 * factors + 2 * dark.mean(axis=0)
    given = {
        "flat": sensitivity, "dark": dark, "dark_scale": 2.0, "sensor_thickness": 3e-4, "sensor_attenuation": 3000.0,
        "polarization": 0.9, "polarization_angle": 15.0,
    }  # fmt: skip
    found = TILTED.integrate(np.stack([image, image]), normalise=[2.0, 0.0], **given)
    assert np.nanmax(np.abs(found.intensity[0] / 40 - 1)) < 1e-12
    assert np.isnan(found.intensity[1]).all()
    assert np.isnan(found.sigma[1]).all()


def test_tables_are_kept_and_changes_are_seen(monkeypatch: pytest.MonkeyPatch):
    made = []
    monkeypatch.setattr(arrays, "_cache", type(arrays._cache)())
    build = arrays.build_lookup
    monkeypatch.setattr(arrays, "build_lookup", lambda *a, **k: made.append(1) or build(*a, **k))
    mask = np.zeros(SHAPE, bool)
    first = TILTED.integrate(FRAMES[0], mask=mask, bins=30)
    again = TILTED.integrate(FRAMES[0], mask=mask.copy(), bins=30)
    assert len(made) == 1
    assert first.intensity.tobytes() == again.intensity.tobytes()
    mask[20:40] = True  # the same array with other values
    other = TILTED.integrate(FRAMES[0], mask=mask, bins=30)
    assert len(made) == 2
    assert not np.array_equal(other.intensity, first.intensity, equal_nan=True)
    for bins in (31, 32, 33, 34, 35):
        TILTED.integrate(FRAMES[0], bins=bins)
    assert len(arrays._cache) == 4


def test_units_ranges_sectors_and_uncertainties_of_the_data():
    sigma = RANDOM.uniform(1.0, 3.0, FRAMES.shape)
    found = TILTED.integrate(FRAMES, error_model="data", uncertainties=sigma, unit="2th_deg", range=(2.0, 6.0), bins=4)
    assert found.q == pytest.approx([2.5, 3.5, 4.5, 5.5])
    assert np.isfinite(found.sigma).all()
    half = TILTED.integrate(FRAMES, azimuth_range=(0, 180), bins=20).intensity
    assert not np.allclose(half, TILTED.integrate(FRAMES, bins=20).intensity, equal_nan=True)


@pytest.mark.parametrize(
    ("image", "given", "said"),
    [
        (np.ones((3, 3)), {}, r"\(3, 3\).*61, 83"),
        (np.ones(5), {}, "expected"),
        (FRAMES[0], {"mask": np.ones((3, 3))}, "mask of shape"),
        (FRAMES[0], {"mask": np.ones(SHAPE)}, "every pixel"),
        (FRAMES[0], {"dark": np.ones((3, 3))}, "dark of shape"),
        (FRAMES[0], {"sensor_thickness": 1e-3}, "go together"),
        (FRAMES[0], {"error_model": "data"}, "no uncertainties"),
        (FRAMES[0], {"unit": "q"}, "q_nm"),
        (FRAMES[0], {"range": (3, 2)}, "low < high"),
    ],
)
def test_faults(image: np.ndarray, given: dict, said: str):
    with pytest.raises(ValueError, match=said):
        TILTED.integrate(image, **given)
