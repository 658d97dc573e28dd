"""The step `radial_band`: axes, parameters, background, bad frames; what the numbers are: test_cake_band.py."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Scan, Uncertain
from tomosaxs.declaration import spec_of
from tomosaxs.registry import find
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import radial_coordinate
from tomosaxs_plugins.integration.radial_band import RadialBand

ROWS, COLUMNS = 120, 140
OWN = {
    "distance": Quantity(300, "mm"), "pixel_size_x": Quantity(1, "mm"), "pixel_size_y": Quantity(1, "mm"),
    "beam_center_x": Quantity(70.2, "px"), "beam_center_y": Quantity(60.4, "px"), "wavelength": Quantity(1, "angstrom"),
}  # fmt: skip
GEOMETRY = DetectorGeometry.from_beam((60.4, 70.2), 0.3, np.eye(3), (1e-3, 1e-3), 1e-10, (ROWS, COLUMNS))
Y, X = np.mgrid[0:ROWS, 0:COLUMNS] + 0.5
Q = radial_coordinate(GEOMETRY, "q_nm^-1", Y, X)
CHI = GEOMETRY.azimuth(Y, X)
SPEC = spec_of(RadialBand)
BANDS = {"band": (5.0, 7.0), "background": [(3.0, 4.5), (7.5, 9.0)]}


def described(dtype: type = np.float64, **auxiliaries: Auxiliary) -> Dataset:
    axes = (Axis("x", 4), Axis("detector_y", ROWS), Axis("detector_x", COLUMNS))
    return Dataset(axes, np.dtype(dtype), "counts", "counts", auxiliaries, OWN)


def scan_of(dataset: Dataset) -> Scan:
    return Scan.whole(dataset, ("detector_y", "detector_x"))


def checked(**given: object) -> dict[str, object]:
    filled, faults = SPEC.parameters.validate(given)
    assert not faults
    return SPEC.check(described(), **filled)


def ring(amplitude: float = 0.0, turned: float = 0.0) -> np.ndarray:
    shape = np.where(np.abs(Q - 6.0) < 0.8, np.exp(-(((Q - 6.0) / 0.2) ** 2) / 2), 0.0)
    return 200 * shape * (1 + amplitude * np.cos(2 * (CHI - np.radians(turned))))


def test_registered_and_axes():
    assert find("radial_band").target is RadialBand
    filled, faults = SPEC.parameters.validate({"band": [5.0, 7.0], "azimuth_bins": 36, "error_model": "poisson"})
    assert not faults
    output = SPEC.shape(described(), **filled)
    (azimuth,) = output.axes
    assert (azimuth.name, azimuth.units, azimuth.size) == ("azimuth", "deg", 36)
    assert np.allclose(azimuth.values, -175 + 10 * np.arange(36))
    assert output.uncertainty
    assert SPEC.parameters.validate({})[1]  # the band has to be given


def test_a_peak_on_a_sloping_background():
    """The line goes exactly; what is left is the ring alone, whose sectors show its orientation."""
    frames = np.stack([ring(), ring() + 500 - 30 * Q, ring(0.6, 25.0) + 500 - 30 * Q, 500 - 30 * Q])
    step = RadialBand(**BANDS, azimuth_bins=36, solid_angle=False)
    profiles = step(frames, scan_of(described())).astype(float)
    assert profiles.shape == (4, 36)
    assert np.abs(profiles[1] - profiles[0]).max() < 3e-5  # 32-bit floats of up to 60
    assert np.abs(profiles[3]).max() < 1e-9
    chi = np.radians(-175 + 10 * np.arange(36))
    moment = 2 * np.mean(profiles[2] / profiles[0] * np.exp(2j * chi))
    # the mean of cos 2 chi over 10 degrees is lower by 0.5 %; pixels lie unevenly in their sectors
    assert np.abs(moment) == pytest.approx(0.6 * 0.995, rel=0.01)
    assert np.degrees(np.angle(moment)) / 2 == pytest.approx(25.0, abs=0.3)
    kept = RadialBand(band=BANDS["band"], azimuth_bins=36, solid_angle=False)(frames, scan_of(described()))
    assert (kept[3] > 200).all()


def test_orientation_parameter_of_a_fibre():
    """Hermans' <(3 cos^2 - 1) / 2> of an equatorial distribution exp(k cos^2) equals that of the known function."""
    sharpness = 2.0
    weight = np.exp(sharpness * np.cos(CHI) ** 2)
    step = RadialBand(**BANDS, azimuth_bins=90, fold=True, solid_angle=False)
    profile, plain = step(np.stack([ring() * weight + 40 - 3 * Q, ring(), ring(), ring()]), scan_of(described()))[:2]
    phi = np.radians(1 + 2 * np.arange(90.0))
    found, true = profile / plain, np.exp(sharpness * np.cos(phi) ** 2)

    def hermans(intensity: np.ndarray) -> float:
        share = intensity * np.abs(np.sin(phi))
        return float(np.sum(share * (3 * np.cos(phi) ** 2 - 1) / 2) / np.sum(share))

    # sectors of 2 degrees on a ring of 60 pixels radius hold some tens of pixels of each side
    assert hermans(found) == pytest.approx(hermans(true), abs=2e-3)
    assert hermans(true) > 0.2


def test_measure_background_models_and_one_band():
    frames = np.stack([ring() + 20, ring() + 20 - Q, ring(), ring()])
    scan = scan_of(described())
    given = {"band": BANDS["band"], "azimuth_bins": 12, "solid_angle": False}
    line = RadialBand(**given, background=BANDS["background"])(frames, scan)
    mean = RadialBand(**given, background=BANDS["background"], background_model="mean")(frames, scan)
    one = RadialBand(**given, background=[(7.5, 9.0)])(frames, scan)
    swapped = RadialBand(**given, background=BANDS["background"][::-1])(frames, scan)
    integral = RadialBand(**given, background=BANDS["background"], measure="integral")(frames, scan)
    assert np.allclose(swapped, line, rtol=1e-6)
    assert np.allclose(integral, 2.0 * line, rtol=1e-6)
    for found in (mean, one):
        assert np.allclose(found[0], line[0], rtol=1e-6)
    # of a slope of -1 in q: the band above lies 2.25 farther out; the mean of pixels, of which more lie above
    assert np.allclose(one[1] - line[1], 2.25, atol=0.1)
    assert np.all((mean[1] - line[1] > 0.2) & (mean[1] - line[1] < 1.5))


def test_bad_frames_and_uncertainties():
    companions = {"monitor": Auxiliary(("x",), ArrayReader(np.array([2.0, 1.0, 0.0, 1.0])))}
    scan = scan_of(described(np.int32, **companions))
    frames = np.random.default_rng(1).poisson(ring() + 20, (4, ROWS, COLUMNS)).astype(np.int32)
    frames[1] = -1
    found = RadialBand(**BANDS, azimuth_bins=12, error_model="poisson", normalise="monitor")(frames, scan)
    plain = RadialBand(**BANDS, azimuth_bins=12, error_model="poisson")(frames, scan_of(described(np.int32)))
    assert isinstance(found, Uncertain)
    for got, expected in zip(found, plain, strict=True):
        assert np.allclose(got[0], expected[0] / 2)
        assert np.isnan(got[[1, 2]]).all()
        assert np.array_equal(got[3], expected[3])
    told = " ".join(scan.notes)
    assert "monitor is zero" in told
    assert "no usable pixel" in told


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"band": [7.0, 5.0]}, "band"),
        ({"band": [90.0, 95.0]}, "band.*holds no pixel"),
        ({"band": [5.0, 7.0], "background": [[6.5, 8.0]]}, "overlap"),
        ({"band": [5.0, 7.0], "background": [[1.0, 2.0], [3.0, 4.0], [8.0, 9.0]]}, "one or two"),
        ({"band": [5.0, 7.0], "error_model": "azimuthal"}, "azimuthal"),
        ({"band": [5.0, 7.0], "error_model": "data"}, "uncertainties"),
        ({"band": [5.0, 7.0], "azimuth_range": [0.0, 361.0]}, "azimuth_range"),
        ({"band": [5.0, 7.0], "mask_below": 5.0, "mask_above": 2.0}, "mask_below"),
    ],
)
def test_what_is_refused(given: dict, what: str):
    with pytest.raises(InputError, match=what):
        checked(**given)
    assert checked(**BANDS)["error_model"] == "none"
