"""The step `cake`: axes, parameters, backends, bad frames, and what comes out of a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Scan, Source, Uncertain
from tomosaxs.declaration import spec_of
from tomosaxs.registry import backends, find
from tomosaxs.testing import run_plugin
from tomosaxs_plugins.integration.azimuthal_integrate import AzimuthalIntegrate
from tomosaxs_plugins.integration.cake import Cake

ROWS, COLUMNS = 60, 80
OWN = {
    "distance": Quantity(100, "mm"), "pixel_size_x": Quantity(1, "mm"), "pixel_size_y": Quantity(1, "mm"),
    "beam_center_x": Quantity(40.2, "px"), "beam_center_y": Quantity(30.4, "px"), "wavelength": Quantity(1, "angstrom"),
}  # fmt: skip
Y, X = np.mgrid[0:ROWS, 0:COLUMNS] + 0.5
CHI = np.degrees(np.arctan2(30.4 - Y, X - 40.2))
SPEC = spec_of(Cake)
BACKENDS = [
    pytest.param(name, marks=pytest.mark.skipif(bool(entry.missing()), reason=f"{name}: {entry.missing()}"))
    for name, entry in backends("cake").items()
]


def described(dtype: type = np.int32, **auxiliaries: Auxiliary) -> Dataset:
    axes = (
        Axis("rotation_angle", 2, np.array([0.0, 90.0]), "deg"), Axis("x", 3),
        Axis("detector_y", ROWS), Axis("detector_x", COLUMNS),
    )  # fmt: skip
    return Dataset(axes, np.dtype(dtype), "counts", "counts", auxiliaries, OWN)


def scan_of(dataset: Dataset) -> Scan:
    return Scan.whole(dataset, ("detector_y", "detector_x"))


def frames_of(dtype: type = np.int32) -> np.ndarray:
    return np.random.default_rng(3).poisson(40 + 30 * np.cos(2 * np.radians(CHI)), (6, ROWS, COLUMNS)).astype(dtype)


def checked(**given: object) -> dict[str, object]:
    filled, faults = SPEC.parameters.validate(given)
    assert not faults
    return SPEC.check(described(), **filled)


def test_registered_under_its_name():
    assert find("cake").target is Cake
    assert set(backends("cake")) == {"tomosaxs", "pyfai"}


def test_axes_of_what_comes_out():
    data = frames_of().reshape(2, 3, ROWS, COLUMNS)
    source = Source(described(), ArrayReader(data))
    given = {"bins": 20, "azimuth_bins": 8, "range": [2.0, 20.0], "error_model": "poisson", "solid_angle": False}
    cakes, sigmas = run_plugin("cake", source, given)
    assert cakes.shape == (2, 3, 8, 20)
    step = Cake(bins=20, azimuth_bins=8, range=(2.0, 20.0), error_model="poisson", solid_angle=False)
    found = step(frames_of(), scan_of(described()))
    assert isinstance(found, Uncertain)
    assert np.array_equal(found.values.reshape(cakes.shape), cakes, equal_nan=True)
    assert np.array_equal(found.sigma.reshape(cakes.shape), sigmas, equal_nan=True)
    filled, _ = SPEC.parameters.validate(given)
    output = SPEC.shape(described(), **filled)
    azimuth, q = output.axes
    assert (azimuth.name, azimuth.units, q.name, q.units) == ("azimuth", "deg", "q", "nm^-1")
    assert np.allclose(azimuth.values, -157.5 + 45 * np.arange(8))
    assert np.allclose(q.values, 2.45 + 0.9 * np.arange(20))
    assert output.uncertainty
    filled, _ = SPEC.parameters.validate({"fold": True, "azimuth_bins": 18, "unit": "2theta_deg"})
    azimuth, angle = SPEC.shape(described(), **filled).axes
    assert np.allclose(azimuth.values, 5 + 10 * np.arange(18))
    assert (angle.name, angle.units) == ("two_theta", "deg")


@pytest.mark.parametrize("backend", BACKENDS)
def test_sectors_lie_where_they_are_said_to(backend: str):
    """Intensity grows with the azimuth: every sector shows its own centre."""
    frame = (1000 + CHI).astype(np.float32)[None]
    for azimuths in (None, (-90.0, 90.0), (0.0, 360.0)):
        step = Cake(
            backend=backend, bins=5, azimuth_bins=18, azimuth_range=azimuths, range=(8.0, 18.0), solid_angle=False
        )
        cake = step(frame, scan_of(described()))[0]
        first, last = azimuths or (-180.0, 180.0)
        centres = first + (last - first) * (np.arange(18) + 0.5) / 18
        expected = 1000 + np.where(centres > 180, centres - 360, centres)
        # a pixel spans up to 360 / (2 pi 13) = 4.4 deg here, and one at +-180 may be counted on the other side by pyFAI
        near = np.abs(np.abs(np.where(centres > 180, centres - 360, centres)) - 180) < 21
        assert np.abs(cake - expected[:, None])[~near].max() < 4.4


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_every_backend_keeps_to(backend: str):
    given = {"bins": 12, "azimuth_bins": 16, "range": (3.0, 18.0), "backend": backend}
    scan = scan_of(described())
    constant = Cake(**given, solid_angle=False)(np.full((1, ROWS, COLUMNS), 3, np.int32), scan)
    assert np.nanmax(np.abs(constant - 3)) < 1e-6
    frames = frames_of()
    frames[2, 10:20] = -1
    cakes, sigmas = Cake(**given, error_model="poisson", polarization=0.9)(frames, scan)
    for at in range(6):
        part = replace(scan, index=scan.index[at : at + 1])
        one = Cake(**given, error_model="poisson", polarization=0.9)(frames[at : at + 1], part)
        assert one.values.tobytes() == cakes[at : at + 1].tobytes()
        assert one.sigma.tobytes() == sigmas[at : at + 1].tobytes()
    own, its = Cake(**{**given, "backend": "tomosaxs"}, error_model="poisson", polarization=0.9)(frames, scan)
    inner = (slice(None), slice(1, -1), slice(3, -1))  # what pyFAI does at +-180 degrees and at the ends
    assert np.isfinite(own[inner][np.arange(6) != 2]).all()
    assert np.array_equal(np.isnan(own[inner]), np.isnan(cakes[inner]))
    # cells of 20 pixels; splitting in the planes of q, chi and of the detector differs near the beam
    assert np.nanmax(np.abs(cakes[inner] / own[inner] - 1)) < 0.03
    assert np.nanmedian(np.abs(cakes[inner] / own[inner] - 1)) < 2e-3
    assert np.nanmax(np.abs(sigmas[inner] / its[inner] - 1)) < 0.05


def test_over_azimuth_a_cake_is_the_curve():
    """Sums of a cake's cells, weighted by the area that a constant frame shows, against azimuthal_integrate."""
    from tomosaxs_plugins.integration.backends.own_cake import OwnCakeBackend

    step = Cake(bins=30, azimuth_bins=20, polarization=0.5)
    settings = step.settings(described())
    engine = OwnCakeBackend()
    engine.setup(settings)
    lookup = engine._lookup
    norm = np.zeros(lookup.shape)
    norm.ravel()[lookup.used] = lookup.norm
    cakes = step(frames_of(), scan_of(described())).astype(float)
    summed = (np.nan_to_num(cakes) * norm).sum(axis=1) / norm.sum(axis=0)
    curves = AzimuthalIntegrate(bins=30, polarization=0.5, error_model="none")(frames_of(), scan_of(described()))
    assert np.allclose(summed, curves, rtol=5e-7)  # both in 32-bit floats


def test_bad_frames_monitor_and_dark(tmp_path):
    np.save(tmp_path / "dark.npy", np.full((ROWS, COLUMNS), 2.0))
    companions = {
        "monitor": Auxiliary(("rotation_angle", "x"), ArrayReader(np.array([[2.0, 4.0, 0.0], [1.0, 1.0, 1.0]]))),
        "missing": Auxiliary(("rotation_angle", "x"), ArrayReader(np.array([[0, 0, 0], [0, 1, 0]], dtype=bool))),
    }
    scan = scan_of(described(**companions))
    frames = np.full((6, ROWS, COLUMNS), 10, np.int32)
    frames[3] = -1
    step = Cake(bins=10, azimuth_bins=8, solid_angle=False, normalise="monitor", dark=tmp_path / "dark.npy")
    cakes = step(frames, scan)
    for at, expected in enumerate([4.0, 2.0, np.nan, np.nan, np.nan, 8.0]):
        found = cakes[at]
        assert np.isnan(found).all() if np.isnan(expected) else np.allclose(found[np.isfinite(found)], expected)
    told = " ".join(scan.notes)
    assert "monitor is zero" in told
    assert "not measured" in told
    assert "no usable pixel" in told


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"azimuth_range": [0.0, 400.0]}, "azimuth_range"),
        ({"azimuth_range": [0.0, 270.0], "fold": True}, "180"),
        ({"azimuth_range": [30.0, 30.0]}, "azimuth_range"),
        ({"range": [50.0, 60.0]}, "holds no pixel"),
        ({"backend": "pyfia"}, "pyfai"),
        ({"error_model": "gauss"}, "gauss"),
        ({"error_model": "data"}, "uncertainties"),
        ({"normalise": "flux"}, "flux"),
    ],
)
def test_what_is_refused(given: dict, what: str):
    with pytest.raises(InputError, match=what):
        checked(**given)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"splitting": "subpixel"}, "subpixel"),
        ({"average": "mean_of_ratios"}, "mean_of_ratios"),
        ({"fold": True}, "fold"),
        ({"azimuth_range": [-90.0, 270.0]}, "azimuth_range"),
    ],
)
def test_what_pyfai_does_not_have(given: dict, what: str):
    if backends("cake")["pyfai"].missing():
        pytest.skip("pyFAI is not installed")
    with pytest.raises(InputError, match=f"{what}.*take backend: tomosaxs"):
        checked(backend="pyfai", **given)
    assert checked(**given)["backend"] == "tomosaxs"
